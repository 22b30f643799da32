"""G summaries per item from one prefill: tokens, log-probabilities and the state at [RET] (paper, section 3).

Layout. The G rollouts of an item share its prefix: their tokens follow it in one sequence, step by step,

    prefix | step 0: rollout 0..G-1 | step 1: rollout 0..G-1 | ...

and a mask lets each token see the prefix and its own rollout's earlier tokens only. Sampling grows this sequence
with a key-value cache; learning reads it again in one forward with gradient. The prefix is computed once in both,
never copied, and the states agree to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.cache_utils import DynamicCache

from elva.model.backbone import Backbone
from elva.model.inputs import Prefix
from elva.model.processor import Processor


@dataclass(frozen=True, slots=True)
class Rollouts:
    """Summaries of B items, G each, at most T tokens with [RET] last.

    Attributes:
        tokens: (B, G, T) int64, padded after [RET].
        mask: (B, G, T) bool, True on tokens, [RET] included.
        forced: (B, G) bool: the model had not written [RET] by the length limit, so it was put there.
        logprobs: (B, G, T) float32 of each token under the policy; 0 where nothing was chosen.
        embeddings: (B, G, D) float32 unit vectors, the states at [RET].
    """

    tokens: Tensor
    mask: Tensor
    forced: Tensor
    logprobs: Tensor
    embeddings: Tensor

    @property
    def credit(self) -> Tensor:
        """(B, G, T) bool: tokens the policy chose. A forced [RET] carries no credit."""
        last = self.mask & ~F.pad(self.mask, (0, 1))[..., 1:]
        return self.mask & ~(last & self.forced.unsqueeze(-1))

    def join(self, other: Rollouts) -> Rollouts:
        """The rollouts of both, side by side on the G axis, for the same items."""
        width = max(self.tokens.shape[-1], other.tokens.shape[-1])
        a, b = self.widened(width), other.widened(width)
        return Rollouts(*(torch.cat([getattr(a, name), getattr(b, name)], 1) for name in self.__slots__))

    def rows(self, rows: slice | Tensor) -> Rollouts:
        """Those of some items, in this order."""
        return Rollouts(*(getattr(self, name)[rows] for name in self.__slots__))

    def detached(self) -> Rollouts:
        """The same without gradient."""
        return replace(self, logprobs=self.logprobs.detach(), embeddings=self.embeddings.detach())

    @classmethod
    def stack(cls, parts: Sequence[Rollouts]) -> Rollouts:
        """Those of several batches of items, one after the other."""
        width = max(part.tokens.shape[-1] for part in parts)
        wide = [part.widened(width) for part in parts]
        return cls(*(torch.cat([getattr(part, name) for part in wide]) for name in cls.__slots__))

    def widened(self, width: int) -> Rollouts:
        """The same, padded to `width` tokens."""
        extra = (0, width - self.tokens.shape[-1])
        return replace(
            self, tokens=F.pad(self.tokens, extra), mask=F.pad(self.mask, extra), logprobs=F.pad(self.logprobs, extra)
        )


@torch.no_grad()
def sample(
    backbone: Backbone,
    processor: Processor,
    prefix: Prefix,
    *,
    group_size: int = 1,
    temperature: float = 0.0,
    max_tokens: int | None = None,
    generator: torch.Generator | None = None,
) -> Rollouts:
    """Let the model write G summaries of every item.

    Args:
        backbone: the policy.
        processor: names [RET] and the ids that must never be written.
        prefix: B items.
        group_size: G.
        temperature: 0 is greedy (evaluation); log-probabilities are those of the tempered distribution.
        max_tokens: length limit T, [RET] included; the checkpoint's own by default.
        generator: makes the sampling repeatable.
    """
    limit = max_tokens or processor.settings.max_summary
    batch, groups = len(prefix), group_size
    banned = torch.tensor(processor.banned_ids(), device=backbone.device)
    cache = DynamicCache(config=backbone.plain.config.text_config)
    hidden = backbone.language(prefix.inputs, prefix.positions, _prefix_mask(prefix.mask), cache, prefix.deep)
    state = hidden[:, -1:].expand(-1, groups, -1)
    own = torch.eye(groups, dtype=torch.bool, device=backbone.device)
    done = torch.zeros(batch, groups, dtype=torch.bool, device=backbone.device)
    embeddings = torch.zeros(batch, groups, backbone.dimension, device=backbone.device)
    forced = done
    tokens, masks, logprobs = [], [], []
    for step in range(limit):
        scores = _log_softmax(backbone.logits(state), banned, temperature)
        if step == limit - 1:
            forced = ~done
            chosen = torch.full_like(done, processor.ret_id, dtype=torch.long)
        elif temperature == 0:
            chosen = scores.argmax(-1)
        else:
            flat = torch.multinomial(scores.exp().view(batch * groups, -1), 1, generator=generator)
            chosen = flat.view(batch, groups)
        live = ~done
        chosen = chosen.masked_fill(done, processor.pad_id)
        tokens.append(chosen)
        masks.append(live)
        logprobs.append(scores.gather(-1, chosen.unsqueeze(-1)).squeeze(-1).masked_fill(~live | forced, 0.0))
        seen = torch.cat(
            [prefix.mask[:, None, :].expand(-1, groups, -1), own.repeat(1, step + 1).expand(batch, -1, -1)], -1
        )
        where = (prefix.next_position + step)[None, :, None].expand(3, -1, groups)
        state = backbone.language(backbone.embed(chosen), where, seen.unsqueeze(1), cache)
        ended = live & (chosen == processor.ret_id)
        embeddings = torch.where(ended.unsqueeze(-1), state.float(), embeddings)
        done = done | ended
        if done.all():
            break
    return Rollouts(
        torch.stack(tokens, -1),
        torch.stack(masks, -1),
        forced,
        torch.stack(logprobs, -1),
        F.normalize(embeddings, dim=-1),
    )


def replay(
    backbone: Backbone, processor: Processor, prefix: Prefix, rollouts: Rollouts, temperature: float | Tensor = 0.0
) -> Rollouts:
    """Read given summaries in one forward: the same tokens with fresh log-probabilities and embeddings, with gradient.

    Args:
        backbone: the policy, or the frozen reference.
        processor: names the ids that must never be written.
        prefix: the B items.
        rollouts: their summaries, sampled or given.
        temperature: as in sampling, or (G,) one for each rollout; 0 gives log-probabilities at temperature 1.
    """
    batch, groups, steps = rollouts.tokens.shape
    width = prefix.mask.shape[1]
    written = rollouts.tokens.transpose(1, 2).reshape(batch, steps * groups)  # step by step
    step = torch.arange(steps, device=written.device).repeat_interleave(groups)
    where = (prefix.next_position[:, None] + step)[None].expand(3, -1, -1)
    hidden = backbone.language(
        torch.cat([prefix.inputs, backbone.embed(written)], 1),
        torch.cat([prefix.positions, where], 2),
        _packed_mask(prefix.mask, groups, steps),
        deep=prefix.deep,
    )
    states = hidden[:, width:].view(batch, steps, groups, -1).transpose(1, 2)
    before = torch.cat([hidden[:, None, width - 1 : width].expand(-1, groups, -1, -1), states[:, :, :-1]], 2)
    credit = rollouts.credit
    banned = torch.tensor(processor.banned_ids(), device=written.device)
    # Only the tokens that were chosen need the vocabulary-wide head.
    heat = torch.as_tensor(temperature, device=written.device).expand(groups)[:, None].expand(credit.shape)[credit]
    scores = _log_softmax(backbone.logits(before[credit]), banned, heat.unsqueeze(-1))
    chosen = scores.gather(-1, rollouts.tokens[credit].unsqueeze(-1)).squeeze(-1)
    logprobs = torch.zeros(credit.shape, dtype=chosen.dtype, device=chosen.device).masked_scatter(credit, chosen)
    last = rollouts.mask.sum(-1) - 1
    ends = states.gather(2, last[:, :, None, None].expand(-1, -1, 1, states.shape[-1])).squeeze(2)
    return replace(rollouts, logprobs=logprobs, embeddings=F.normalize(ends.float(), dim=-1))


def given(summaries: Sequence[Sequence[int]], dimension: int, device: torch.device | str = "cpu") -> Rollouts:
    """Written-down summaries as rollouts (G = 1), to be read by `replay`; log-probabilities and embeddings are zero.

    Args:
        summaries: token ids of B summaries, [RET] last.
        dimension: length of an embedding.
        device: where to put them.
    """
    width = max(len(ids) for ids in summaries)
    tokens = torch.zeros(len(summaries), 1, width, dtype=torch.long)
    mask = torch.zeros(len(summaries), 1, width, dtype=torch.bool)
    for row, ids in enumerate(summaries):
        tokens[row, 0, : len(ids)] = torch.tensor(ids)
        mask[row, 0, : len(ids)] = True
    return Rollouts(
        tokens.to(device),
        mask.to(device),
        torch.zeros(len(summaries), 1, dtype=torch.bool, device=device),
        torch.zeros(tokens.shape, device=device),
        torch.zeros(len(summaries), 1, dimension, device=device),
    )


def read_one_word(backbone: Backbone, prefix: Prefix) -> Tensor:
    """Classic extraction: unit vectors (B, D) of the state at the end of the prompt."""
    hidden = backbone.language(prefix.inputs, prefix.positions, _prefix_mask(prefix.mask), deep=prefix.deep)
    return F.normalize(hidden[:, -1].float(), dim=-1)


def _log_softmax(logits: Tensor, banned: Tensor, temperature: float | Tensor) -> Tensor:
    scores = logits.float().index_fill(-1, banned, float("-inf"))
    heat = torch.as_tensor(temperature, device=scores.device)
    return F.log_softmax(scores / heat.where(heat > 0, 1.0), -1)


def _prefix_mask(mask: Tensor) -> Tensor:
    """(B, 1, P, P): causal over real tokens; a padding place sees itself, so that no row is empty."""
    width = mask.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool, device=mask.device).tril()
    alone = torch.eye(width, dtype=torch.bool, device=mask.device)
    return ((causal & mask[:, None, :]) | alone).unsqueeze(1)


def _packed_mask(mask: Tensor, groups: int, steps: int) -> Tensor:
    """(B, 1, P + T*G, P + T*G) for the layout of this module's docstring."""
    batch = len(mask)
    place = torch.arange(steps * groups, device=mask.device)
    own = (place[:, None] % groups == place[None] % groups) & (place[:, None] >= place[None])
    top = F.pad(_prefix_mask(mask).squeeze(1), (0, steps * groups))
    below = torch.cat([mask[:, None, :].expand(-1, steps * groups, -1), own.expand(batch, -1, -1)], -1)
    return torch.cat([top, below], 1).unsqueeze(1)
