"""Stage 3 as one would write it with transformers alone: what ELVA's is compared with.

Query by query, and nothing is shared between queries, nor between the G rollouts of an item. `generate` writes
the G summaries of the query's 2 + N items; one forward reads all (2 + N) G sequences with gradient, for the state at
[RET] and the log-probabilities; another reads them under the frozen reference. Rewards, loss and prompts are ELVA's, so
on the same summaries the gradient is the same: `difference` tells by how much it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationConfig

from elva.items import Item
from elva.media import load_image
from elva.model.processor import Processor
from elva.objectives.policy import group_advantage, policy_loss
from elva.objectives.rewards import reward_total
from elva.training.prepared import candidate_key, query_key
from elva.training.recipe import Recipe
from elva.training.scenes import Scene


@dataclass(frozen=True, slots=True)
class Turns:
    """The user's turns of M items, padded on the left.

    Attributes:
        ids: (M, P).
        mask: (M, P) int64, 0 on padding.
        types: (M, P), see `Processor.types`.
        positions: (3, M, P) rotary ones.
        patches: of each item's picture; None where it shows none.
        grids: (3,) of each item's picture, likewise.
    """

    ids: Tensor
    mask: Tensor
    types: Tensor
    positions: Tensor
    patches: Sequence[Tensor | None]
    grids: Sequence[Tensor | None]

    def shown(self, items: Sequence[int]) -> dict[str, Tensor]:
        """Pictures of these items, one after the other, as transformers takes them."""
        patches = [each for item in items if (each := self.patches[item]) is not None]
        grids = [each for item in items if (each := self.grids[item]) is not None]
        return {"pixel_values": torch.cat(patches), "image_grid_thw": torch.stack(grids)} if patches else {}


class Straightforward:
    """The gradient of a scene, left in the weights of `model`.

    Args:
        model: transformers' model, its trained part open. A frozen copy of it is the reference.
        processor: renders turns and cuts pictures.
        recipe: settings of sampling, reward and policy.
        longest: tokens of a summary, [RET] included.
        rows: sequences of one forward, and of one call of `generate`.
    """

    def __init__(self, model: Any, processor: Processor, recipe: Recipe, longest: int, rows: int) -> None:
        self.model, self._reference = model, deepcopy(model).requires_grad_(False)
        self._processor, self._stage = processor, recipe.reinforce
        self._groups, self._longest, self.rows = recipe.reinforce.rollouts.group_size, longest, rows
        self._banned = processor.banned_ids()
        self._generation = GenerationConfig(
            do_sample=True,
            temperature=recipe.reinforce.rollouts.temperature,
            top_k=0,
            top_p=1.0,
            num_return_sequences=self._groups,
            max_new_tokens=longest,
            eos_token_id=processor.ret_id,
            forced_eos_token_id=processor.ret_id,
            pad_token_id=processor.pad_id,
            suppress_tokens=self._banned,
        )

    def gradients(self, scene: Scene, written: Tensor | None = None) -> None:
        """Write, read, reward and learn, one query after the other.

        Args:
            scene: Q queries and C candidates.
            written: (Q + C, G, T) summaries of them, in the order of the scene's keys, to learn from instead.
        """
        asked = len(scene.queries)
        for number, (query, own) in enumerate(zip(scene.queries, scene.sets.tolist(), strict=True)):
            keys = [query_key(query.qid), *(candidate_key(scene.dids[place]) for place in own)]
            turns = self._turns([scene.items[key] for key in keys])
            tokens = self._write(turns) if written is None else written[[number, *(asked + place for place in own)]]
            (self._loss(turns, tokens) / asked).backward()

    def _turns(self, items: Sequence[Item]) -> Turns:
        processor, patches, grids, ids = self._processor, list[Tensor | None](), list[Tensor | None](), []
        for item in items:
            cut, grid = processor.pixels([[load_image(item.image)]]) if item.image is not None else (None, [None])
            patches.append(cut)
            grids.append(grid[0])
            ids.append(processor.tokens(item, "generative", grid[0]).ids)
        width = max(map(len, ids))
        padded = torch.stack([F.pad(one, (width - len(one), 0), value=processor.pad_id) for one in ids])
        mask = torch.stack([F.pad(torch.ones_like(one), (width - len(one), 0)) for one in ids])
        types = processor.types(padded)
        shown = [grid for grid in grids if grid is not None]
        positions, _ = self.model.model.get_rope_index(
            padded, mm_token_type_ids=types, image_grid_thw=torch.stack(shown) if shown else None, attention_mask=mask
        )
        return Turns(padded, mask, types, positions, patches, grids)

    def _write(self, turns: Turns) -> Tensor:
        """(M, G, T) sampled summaries."""
        size = max(1, self.rows // self._groups)
        parts = []
        for items in torch.arange(len(turns.ids)).split(size):
            self.model.model.rope_deltas = None  # left there by the call before
            sequences = self.model.generate(
                input_ids=turns.ids[items],
                attention_mask=turns.mask[items],
                mm_token_type_ids=turns.types[items],
                **turns.shown(items.tolist()),
                generation_config=self._generation,
            )
            own = sequences[:, turns.ids.shape[1] :]
            parts.append(F.pad(own, (0, self._longest - own.shape[1]), value=self._processor.pad_id))
        return torch.cat(parts).unflatten(0, (-1, self._groups))

    def _loss(self, turns: Turns, tokens: Tensor) -> Tensor:
        """Of one query; the tokens (M, G, T) are those of the query, its positive and its negatives."""
        stage = self._stage
        states, logprobs = self._read(self.model, turns, tokens)
        with torch.no_grad():
            _, frozen = self._read(self._reference, turns, tokens)
        cosines = torch.einsum("gd,mgd->gm", states[0], states[1:]).detach()
        form = stage.reward
        base = None if form.log_base == "e" else float(form.log_base)
        reward = reward_total(
            cosines,
            alpha=form.alpha,
            epsilon=form.epsilon,
            delta=form.delta,
            gamma=form.gamma,
            log_base=base,
            shape=form.shape,
        )
        return policy_loss(
            logprobs[None],
            logprobs.detach()[None],
            frozen[None],
            group_advantage(reward.total[None], stage.policy.scale_by_std),
            self._credit(tokens)[None],
            max_new_tokens=self._longest,
            clip_low=stage.policy.clip_low,
            clip_high=stage.policy.clip_high,
            kl_beta=stage.policy.kl_beta,
            aggregation=stage.policy.aggregation,
        ).loss

    def _read(self, model: Any, turns: Turns, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors (M, G, D) at [RET] and log-probabilities (M, G, T), `rows` sequences at a time."""
        owner = torch.arange(len(tokens)).repeat_interleave(self._groups)
        parts = zip(owner.split(self.rows), tokens.flatten(0, 1).split(self.rows), strict=True)
        states, logprobs = zip(*(self._forward(model, turns, *part) for part in parts), strict=True)
        wide = [F.pad(each, (0, tokens.shape[-1] - each.shape[1])) for each in logprobs]
        return torch.cat(states).unflatten(0, (-1, self._groups)), torch.cat(wide).view(tokens.shape)

    def _forward(self, model: Any, turns: Turns, owner: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Of R sequences: the items (R,) that they are about, and their tokens (R, T)."""
        written = self._written(tokens)
        tokens = tokens[:, : int(written.sum(-1).max())]
        written, width, longest = written[:, : tokens.shape[1]], turns.ids.shape[1], tokens.shape[1]
        following = turns.positions[:, owner].amax((0, 2))[None, :, None] + 1 + torch.arange(longest)
        hidden = model.model(
            input_ids=torch.cat([turns.ids[owner], tokens], 1),
            attention_mask=torch.cat([turns.mask[owner], written.long()], 1),
            mm_token_type_ids=torch.cat([turns.types[owner], torch.zeros_like(tokens, dtype=torch.int)], 1),
            position_ids=torch.cat([turns.positions[:, owner], following.expand(3, -1, -1)], 2),
            **turns.shown(owner.tolist()),
            use_cache=False,
        ).last_hidden_state
        logits = model.lm_head(hidden[:, width - 1 : -1])
        logits = logits.index_fill(-1, torch.tensor(self._banned), float("-inf"))
        heat = self._stage.rollouts.temperature
        # a forced [RET] or padding has no probability that counts, and must not turn a gradient into NaN
        chosen = tokens.where(self._credit(tokens), self._processor.ret_id)
        logprobs = (logits / heat).log_softmax(-1).gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
        last = written.sum(-1) - 1
        ends = hidden[torch.arange(len(hidden)), width + last]
        return F.normalize(ends, dim=-1), logprobs

    def _written(self, tokens: Tensor) -> Tensor:
        """(..., T) bool, True up to [RET]."""
        return (tokens == self._processor.ret_id).cumsum(-1).sub((tokens == self._processor.ret_id).long()) == 0

    def _credit(self, tokens: Tensor) -> Tensor:
        """(..., T) bool, True on tokens that were chosen: not on a [RET] forced by the limit."""
        within = torch.arange(tokens.shape[-1]) < self._longest - 1
        return self._written(tokens) & within


def difference(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> float:
    """The largest difference between two gradients, relative to the largest number in them."""
    largest = max(float(each.abs().max()) for each in ours.values())
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours) / largest


def gradient_of(model: nn.Module) -> dict[str, Tensor]:
    """What lies in the weights, by name."""
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
