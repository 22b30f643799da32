"""Several processes that train one model: `torchrun --nproc-per-node N -m elva train ...`.

Every process draws the same batch and reads its share of the items. The outputs are gathered, so all compute the same
loss over the whole batch (in-batch negatives reach across processes, with gradient); each carries the gradient of its
own outputs into its copy of the weights, and the sum over processes is the gradient that one process would have had.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from elva.errors import InputError


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
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), size)

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            dist.barrier()

    def share(self, count: int, rank: int | None = None) -> range:
        """The items of `count` that this process (or another) reads: consecutive, the shares alike but for one item.

        Raises:
            InputError: there are fewer items than processes; all processes find that, so none waits for another.
        """
        if count < self.size:
            raise InputError(
                f"{count} items can't be shared by {self.size} processes; start fewer, or read larger batches"
            )
        rank = self.rank if rank is None else rank
        return range(rank * count // self.size, (rank + 1) * count // self.size)

    def gather(self, own: Tensor, count: int) -> Tensor:
        """All rows (count, ...) of what every process has of its own share (n, ...), without a graph."""
        if self.size == 1:
            return own
        shares = [len(self.share(count, rank)) for rank in range(self.size)]
        sent = torch.uint8 if own.dtype == torch.bool else own.dtype  # not every backend sends bool
        padded = own.new_zeros((max(shares), *own.shape[1:]), dtype=sent)
        padded[: len(own)] = own
        everyone = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(everyone, padded)
        return torch.cat([rows[:share] for rows, share in zip(everyone, shares, strict=True)]).to(own.dtype)

    def largest(self, value: float) -> float:
        """The largest of the values that the processes have: a time that all agree on, a flag that any has raised."""
        if self.size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(shared, dist.ReduceOp.MAX)
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
