"""What every loop shares that learns from what its policy writes: rollouts, and the frozen model it started from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy

import torch
from torch import Tensor

from elva.model.backbone import Backbone
from elva.model.rollout import Rollouts, sample
from elva.training.prepared import PreparedItems
from elva.training.recipe import Sampling
from elva.training.session import Session, Step
from elva.training.sharding import put_together

AT_ONCE = 16
"""Items that are read in one forward, where every part is read once: what they take stays in a processor's cache."""

Reference = Callable[[Backbone], AbstractContextManager[Backbone | None]]
"""Gives the frozen model, as long as it is needed; None where there is none."""


def frozen_reference(policy: Backbone, needed: bool) -> Reference:
    """The model that the stage starts from: the policy without its adapter, or a copy where whole weights train."""
    if not needed:
        return lambda _: nullcontext(None)
    if policy.has_adapter:
        return lambda live: live.without_adapter()
    copy = deepcopy(policy).requires_grad_(False)
    return lambda _: nullcontext(copy)


def sampled(
    session: Session,
    library: PreparedItems,
    keys: Sequence[str],
    step: Step,
    settings: Sampling,
    end: int | None = None,
) -> Rollouts:
    """G rollouts of every item; the processes of a team sample a share each, from generators of their own.

    Args:
        session: model and team.
        library: has taken the items.
        keys: which ones; the size of the team divides their number.
        step: makes the sampling repeatable.
        settings: how.
        end: what ends them; [RET] by default.
    """
    embedder, team = session.embedder, session.team
    generator = step.generator.manual_seed(step.generator.initial_seed() + team.rank)
    own = team.share(len(keys))
    size = settings.items_at_once
    with put_together(embedder.backbone):
        parts = [
            sample(
                embedder.backbone,
                embedder.processor,
                library.prefix(keys[start : min(start + size, own.stop)]),
                group_size=settings.group_size,
                temperature=settings.temperature,
                max_tokens=settings.max_new_tokens,
                generator=generator,
                end=end,
            )
            for start in range(own.start, own.stop, size)
        ]
    mine = Rollouts.stack(parts)
    wide = mine.widened(int(team.largest(mine.tokens.shape[-1])))
    return Rollouts(*(team.gather(getattr(wide, name)) for name in Rollouts.__slots__))


def places_of(keys: Sequence[str], wanted: Sequence[str], device: torch.device) -> Tensor:
    """(n,) int64: where each wanted key stands last in `keys`."""
    place = {key: row for row, key in enumerate(keys)}
    return torch.tensor([place[key] for key in wanted], device=device)
