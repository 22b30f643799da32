"""Several processes that train one model: `torchrun --nproc-per-node N -m elva train ...`.

Every process draws the same batch and reads its share of the items. The outputs are gathered, so all compute the same
loss over the whole batch (in-batch negatives reach across processes, with gradient); each carries the gradient of its
own outputs into its copy of the weights, and the sum over processes is the gradient that one process would have had.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")
PATIENCE = timedelta(hours=2)
"""How long processes wait for each other: the leader may write large checkpoints to a slow disk meanwhile."""


class Team:
    """The processes of one training; a single process is a team of one, for which everything here does nothing.

    Args:
        rank: number of this process.
        size: how many there are.

    Attributes:
        leads: whether this process writes files and speaks.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size
        self.leads = rank == 0

    @classmethod
    def join(cls) -> Team:
        """The team that torchrun's environment variables describe; of one process without them."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        if not dist.is_initialized():
            # Tensors on the CPU, such as flags and counts, travel by gloo in any case.
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            dist.init_process_group(backend, timeout=PATIENCE)
        return cls(dist.get_rank(), size)

    def wait(self) -> None:
        """Until every process is here."""
        self.largest(0.0)

    def leave(self) -> None:
        """End the connection, once every process has come so far."""
        if self.size > 1:
            self.wait()
            dist.destroy_process_group()

    def filled(self, rows: Sequence[T]) -> list[T]:
        """The rows with the last one repeated until all processes have equal shares.

        Equal shares are equal numbers of forwards: where weights are sharded, a process that makes one more waits for
        the others for ever.
        """
        return [*rows, *[rows[-1]] * (-len(rows) % self.size)]

    def share(self, count: int) -> range:
        """The items that this process reads: consecutive ones of `count`, which the size of the team divides."""
        each = count // self.size
        return range(self.rank * each, (self.rank + 1) * each)

    def gather(self, own: Tensor) -> Tensor:
        """All rows (count, ...) of what every process has of its own share (n, ...), without a graph."""
        if self.size == 1:
            return own
        sent = own.to(torch.uint8) if own.dtype == torch.bool else own.contiguous()  # not every backend sends bool
        everyone = [torch.empty_like(sent) for _ in range(self.size)]
        dist.all_gather(everyone, sent)
        return torch.cat(everyone).to(own.dtype)

    def largest(self, value: float) -> float:
        """The largest of the values that the processes have: a time that all agree on, a flag that any has raised."""
        return self._reduced(value, dist.ReduceOp.MAX)

    def sum(self, value: float) -> float:
        """The sum of the values that the processes have."""
        return self._reduced(value, dist.ReduceOp.SUM)

    def _reduced(self, value: float, how: dist.ReduceOp.RedOpType) -> float:
        if self.size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(shared, how)
        return float(shared)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum the gradients over the processes; a parameter that none of them has used keeps None."""
        if self.size == 1:
            return
        parameters = list(parameters)
        used = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.int32)
        dist.all_reduce(used, dist.ReduceOp.MAX)
        touched = [parameter for parameter, is_used in zip(parameters, used.tolist(), strict=True) if is_used]
        for parameter in touched:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
