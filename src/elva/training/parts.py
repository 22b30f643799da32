"""A step that doesn't fit into memory: forward in parts, with the gradient of the whole (gradient caching).

Losses that compare every item with every other need all outputs at once, but not all graphs. So the outputs are
computed without a graph and made leaves; the loss gives the gradient with respect to them; and then each part is
computed again, with a graph, to carry its share into the weights. Where all fits into one part, or the outputs are
known beforehand, nothing is computed twice. The idea is that of Gao et al., "Scaling Deep Contrastive
Learning Batch Size under Memory Limited Setup" (2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from elva.training.team import Team

Read = Callable[[slice], Sequence[Tensor]]
"""Outputs (n, ...) of a part of the items, with a graph where gradients are on."""


class PartwiseForward:
    """Outputs of `count` items in order, read `size` at a time.

    The processes of a team read a share each.

    Args:
        read: the forward of some of the items. It may draw random numbers (dropout): a part draws the same again.
        count: how many items; the size of the team divides it (`Team.filled`).
        size: items per forward; all in one when None.
        learns: whether a gradient is wanted at all.
        team: who shares the work.
        known: the outputs of all items, where somebody has computed them with the weights as they are.

    Attributes:
        outputs: one tensor (count, ...) per output, leaves that collect a gradient.
    """

    def __init__(
        self,
        read: Read,
        count: int,
        size: int | None = None,
        learns: bool = True,
        team: Team | None = None,
        known: Sequence[Tensor] | None = None,
    ) -> None:
        team = team or Team()
        own = team.share(count)
        size = size or len(own)
        self._read = read
        self._parts = [slice(start, min(start + size, own.stop)) for start in range(own.start, own.stop, size)]
        self._states: list[_RandomState] = []
        fresh: list[Sequence[Tensor]] = []
        with torch.set_grad_enabled(learns and len(self._parts) == 1):
            for part in self._parts:
                self._states.append(_RandomState())
                if known is None:
                    fresh.append(read(part))
        self._graph = fresh[0] if len(fresh) == 1 else None
        columns = known or [team.gather(torch.cat([one.detach() for one in each])) for each in zip(*fresh, strict=True)]
        self.outputs = [column.detach().requires_grad_(learns) for column in columns]

    def backward(self) -> None:
        """Carry the gradient that the outputs have collected into the weights."""
        after = _RandomState()
        for part, state in zip(self._parts, self._states, strict=True):
            graph = self._graph
            if graph is None:
                state.restore()
                graph = self._read(part)
            pairs = zip(graph, self.outputs, strict=True)
            live = [(tensor, leaf.grad[part]) for tensor, leaf in pairs if leaf.grad is not None]
            torch.autograd.backward([tensor for tensor, _ in live], [gradient for _, gradient in live])
        after.restore()


class _RandomState:
    """The state of torch's generators at a moment."""

    def __init__(self) -> None:
        self._cpu = torch.get_rng_state()
        self._devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def restore(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._devices:
            torch.cuda.set_rng_state_all(self._devices)
