"""G summaries per item from one prefill: tokens, log-probabilities and the state at [RET] (paper, section 3).

`sample` lets the model write them token by token, `replay` reads written ones in one forward with gradient. In both
the G rollouts of an item share its prefix, which is computed once (`attention`), and the states agree to rounding.

What [RET] sees is the checkpoint's (`Settings.bottleneck`): all of it, the summary alone, its bare words, or those
behind the item's own.

Answers are rollouts too: they end with the turn instead of [RET], and nothing is embedded, so that no bottleneck is
theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from elva.model.attention import Causal, Reading, Sight, Writing
from elva.model.backbone import Backbone
from elva.model.inputs import Prefix
from elva.model.processor import Processor


@dataclass(frozen=True, slots=True)
class Rollouts:
    """Summaries of B items, G each, at most T tokens with [RET] last; or answers, with the end of the turn last.

    Attributes:
        tokens: (B, G, T) int64, padded after the end.
        mask: (B, G, T) bool, True on tokens, the end included.
        forced: (B, G) bool: the model had not written the end by the length limit, so it was put there.
        logprobs: (B, G, T) float32 of each token under the policy; 0 where nothing was chosen.
        embeddings: (B, G, D) float32 unit vectors, the states at [RET]; (B, G, 0) of answers.
    """

    tokens: Tensor
    mask: Tensor
    forced: Tensor
    logprobs: Tensor
    embeddings: Tensor

    @property
    def credit(self) -> Tensor:
        """(B, G, T) bool: tokens the policy chose. A forced end carries no credit."""
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

    def columns(self, columns: Tensor) -> Rollouts:
        """Those of some of the G, given as (G,) bool."""
        return Rollouts(*(getattr(self, name)[:, columns] for name in self.__slots__))

    def repeated(self, groups: int) -> Rollouts:
        """The one summary of each item, so many times on the G axis."""
        return Rollouts(*(getattr(self, name).repeat_interleave(groups, 1) for name in self.__slots__))

    def trimmed(self) -> Rollouts:
        """The same without the places that no summary reaches."""
        width = int(self.mask.sum(-1).max())
        return replace(
            self, tokens=self.tokens[..., :width], mask=self.mask[..., :width], logprobs=self.logprobs[..., :width]
        )

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


@dataclass(slots=True)
class Prefill:
    """What the model has read of B items before it writes: computed once, for the summary and for the fast vector.

    Attributes:
        state: (B, 1, D) hidden states at the end of the prompt.
        causal: remembers the keys and values of all tokens before.
    """

    state: Tensor
    causal: Causal

    @classmethod
    def of(cls, backbone: Backbone, prefix: Prefix) -> Prefill:
        """Read the prompts of B items."""
        causal = Causal(prefix.mask, remember=True)
        return cls(backbone.language(prefix.inputs, prefix.positions, causal, prefix.deep)[:, -1:], causal)

    @property
    def vectors(self) -> Tensor:
        """Unit vectors (B, D) float32: those of `read_prompt`."""
        return F.normalize(self.state[:, 0].float(), dim=-1)


DONE = 1 / 8
"""Share of the items in a batch that may be done before they leave it: leaving copies what the others have seen."""


@torch.no_grad()
def sample(
    backbone: Backbone,
    processor: Processor,
    prefix: Prefix,
    *,
    group_size: int = 1,
    temperature: float | Sequence[float] = 0.0,
    max_tokens: int | None = None,
    generator: torch.Generator | None = None,
    draws: Tensor | None = None,
    end: int | None = None,
    prefill: Prefill | None = None,
) -> Rollouts:
    """Let the model write G summaries, or answers, of every item.

    Items whose summaries are all written leave the batch; what the others write does not depend on it.

    Args:
        backbone: the policy.
        processor: names the ids that end what is written, and those that must never be.
        prefix: B items.
        group_size: G.
        temperature: 0 is greedy; log-probabilities are those of the tempered distribution. Or one for each of the G.
        max_tokens: length limit T, the end included; the checkpoint's own by default.
        generator: makes the sampling repeatable.
        draws: (G, T) float64, uniform in [0, 1): the same for every item, in place of the generator's; or (B, G, T).
        end: the id that ends what is written; [RET] by default, and behind another one nothing is read.
        prefill: of these items, where it is there already.
    """
    settings = processor.settings
    limit = max_tokens or settings.max_summary
    batch, groups, device = len(prefix), group_size, backbone.device
    heat = _heat(temperature, groups, device)
    last = processor.ret_id if end is None else end
    embeds, reads_apart = last == processor.ret_id, settings.reads_apart
    banned = torch.tensor(processor.banned_ids(last), device=device)
    prefill = prefill or Prefill.of(backbone, prefix)
    state = prefill.state.expand(-1, groups, -1)
    writing = Writing(prefill.causal, groups, limit)
    tokens = torch.full((batch, groups, limit), processor.pad_id, device=device)
    logprobs = torch.zeros(batch, groups, limit, device=device)
    embeddings = torch.zeros(batch, groups, backbone.dimension if embeds else 0, device=device)
    lengths = torch.full((batch, groups), limit, device=device)
    # Drawn at once, item by item: what is written about an item does not depend on who has left the batch.
    shape = (batch, groups, limit)
    greedy = heat == 0 if isinstance(heat, Tensor) else None
    if greedy is None and not heat:
        draws = None
    elif draws is None:
        draws = torch.rand(shape, dtype=torch.float64, generator=generator, device=device)
    else:
        draws = draws.to(device).expand(shape)
    rows = torch.arange(batch, device=device)  # the items that are still in the batch
    for step in range(limit):
        if step < limit - 1:
            scores = _scores(backbone.logits(state), banned, heat)
            chosen, logprob = _choose(scores, None if draws is None else draws[rows, :, step], greedy)
        else:
            forced = torch.full_like(lengths[rows], last)
            chosen, logprob = forced, torch.zeros_like(forced, dtype=torch.float32)
        live = lengths[rows] > step
        tokens[rows, :, step] = chosen.where(live, processor.pad_id)
        logprobs[rows, :, step] = logprob.where(live, 0.0)
        ends = live & (chosen == last)
        lengths[rows] = lengths[rows].where(~ends, step + 1)
        busy = (lengths[rows] > step + 1).any(1)
        left = int(busy.sum())
        if not left and (reads_apart or not embeds):
            break  # nobody reads the state behind the last end
        writing.step = step
        if embeds and settings.bottleneck == "states":
            writing.set_apart(chosen == last)
        where = (prefix.next_position[rows] + step)[None, :, None].expand(3, -1, groups)
        state = backbone.language(backbone.embed(chosen), where, writing)
        if embeds:
            embeddings[rows] = state.float().where(ends.unsqueeze(-1), embeddings[rows])
        if not left:
            break
        if left <= (1 - DONE) * len(rows):
            rows, state = rows[busy], state[busy]
            writing.keep(busy)
    longest = step + 1
    tokens, mask = tokens[..., :longest], torch.arange(longest, device=device) < lengths.unsqueeze(-1)
    vectors = F.normalize(embeddings, dim=-1)
    if embeds and reads_apart:
        vectors = read_words(backbone, tokens, mask, prefix.own)
    return Rollouts(tokens, mask, lengths == limit, logprobs[..., :longest], vectors)


def replay(
    backbone: Backbone,
    processor: Processor,
    prefix: Prefix,
    rollouts: Rollouts,
    temperature: float | Sequence[float] = 0.0,
    embed: bool = True,
    end: int | None = None,
) -> Rollouts:
    """Read given summaries in one forward: the same tokens with fresh log-probabilities and embeddings, with gradient.

    Arguments as in `replay_with_prompts`, which also tells the states at the end of the prompts.
    """
    return replay_with_prompts(backbone, processor, prefix, rollouts, temperature, embed, end)[0]


def replay_with_prompts(
    backbone: Backbone,
    processor: Processor,
    prefix: Prefix,
    rollouts: Rollouts,
    temperature: float | Sequence[float] = 0.0,
    embed: bool = True,
    end: int | None = None,
) -> tuple[Rollouts, Tensor]:
    """As `replay`, and the unit vectors (B, D) of extraction "prefill", which the same forward passes by.

    Args:
        backbone: the policy, or the frozen reference.
        processor: names the ids that must never be written.
        prefix: the B items.
        rollouts: their summaries, sampled or given.
        temperature: as in sampling, or one for each of the G; 0 gives log-probabilities at temperature 1.
        embed: whether embeddings are wanted; the old ones are left otherwise, and [RET] is not read.
        end: the id that ends what was written; [RET] by default, and with another one nothing is embedded.
    """
    batch, groups, steps = rollouts.tokens.shape
    width, device = prefix.mask.shape[1], rollouts.tokens.device
    settings = processor.settings
    is_summary = end is None or end == processor.ret_id
    embed = embed and is_summary
    set_apart = is_summary and settings.bottleneck == "states"
    reads_ret = embed and not settings.reads_apart
    fed = rollouts.tokens if reads_ret else rollouts.tokens[..., :-1]
    written = fed.shape[-1]
    where = prefix.next_position[:, None] + torch.arange(written, device=device).repeat(groups)
    if groups > 1 or set_apart:
        apart = fed == processor.ret_id if set_apart else None
        sight: Sight = Reading(prefix.mask, groups, written, apart)
    else:
        sight = Causal(F.pad(prefix.mask, (0, written), value=True))
    hidden = backbone.language(
        torch.cat([prefix.inputs, backbone.embed(fed.flatten(1))], 1),
        torch.cat([prefix.positions, where[None].expand(3, -1, -1)], 2),
        sight,
        prefix.deep,
    )
    # Of all states we need those before tokens that were chosen, and those at [RET]: numbers of rows, laid end to end.
    starts = torch.arange(batch, device=device)[:, None, None] * hidden.shape[1] + width
    at = starts + torch.arange(groups * written, device=device).view(groups, written)
    before = torch.cat([(starts - 1).expand(-1, groups, -1), at], -1)[..., :steps]
    credit = rollouts.credit
    last = rollouts.mask.sum(-1, keepdim=True) - 1
    needed = [before[credit], *([at.gather(-1, last).flatten()] if reads_ret else [])]
    states = hidden.flatten(0, 1).index_select(0, torch.cat(needed))
    banned = torch.tensor(processor.banned_ids(end), device=device)
    heat = _heat(temperature, groups, device)
    heat = heat[credit.nonzero()[:, 1]] if isinstance(heat, Tensor) else heat
    scores = _scores(backbone.logits(states[: len(needed[0])]), banned, heat)
    chosen = -F.cross_entropy(scores, rollouts.tokens[credit], reduction="none")
    logprobs = torch.zeros(credit.shape, device=device).masked_scatter(credit, chosen)
    ends = rollouts.embeddings
    if reads_ret:
        ends = F.normalize(states[len(needed[0]) :].float(), dim=-1).view(batch, groups, -1)
    elif embed:
        ends = read_words(backbone, rollouts.tokens, rollouts.mask, prefix.own)
    prompts = F.normalize(hidden[:, width - 1].float(), dim=-1)
    return replace(rollouts, logprobs=logprobs, embeddings=ends), prompts


def given(summaries: Sequence[Sequence[int]], dimension: int, device: torch.device | str = "cpu") -> Rollouts:
    """Written-down summaries as rollouts (G = 1), to be read by `replay`; log-probabilities and embeddings are zero.

    Args:
        summaries: token ids of B summaries, [RET] last; or of answers, the end of the turn last.
        dimension: length of an embedding; 0 for answers.
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


def read_prompt(backbone: Backbone, prefix: Prefix) -> Tensor:
    """Unit vectors (B, D) of the state at the end of the prompt: the classic extraction, and "prefill"."""
    hidden = backbone.language(prefix.inputs, prefix.positions, Causal(prefix.mask), prefix.deep)
    return F.normalize(hidden[:, -1].float(), dim=-1)


def read_words(backbone: Backbone, tokens: Tensor, mask: Tensor, own: Tensor) -> Tensor:
    """Unit vectors (B, G, D) of the states at [RET] behind bare words, without what they are about.

    What `bottleneck: words` and `pictures` read: what an item shows is needed for writing alone.

    Args:
        backbone: the policy.
        tokens: (B, G, T) summaries, [RET] last.
        mask: (B, G, T) bool, True on tokens.
        own: (B, W) int64, the items' own words, which are read before each of the G summaries; -1 on padding.
    """
    before = (own + 1).unsqueeze(1).expand(-1, tokens.shape[1], -1)
    rows = torch.cat([before, (tokens + 1).where(mask, 0)], -1).flatten(0, 1)
    # What is read closes up, and what pads goes behind it: so positions are a plain line.
    rows = rows.gather(1, (rows == 0).int().argsort(dim=1, stable=True))
    # Equal words are read once: a policy that is sure of itself writes the same ones again and again.
    different, which = torch.unique(rows, dim=0, return_inverse=True)
    different = different[:, : int((different > 0).sum(1).max())]
    live = different > 0
    places = torch.arange(live.shape[1], device=tokens.device).expand(3, len(different), -1)
    hidden = backbone.language(backbone.embed((different - 1).clamp_min(0)), places, Causal(live))
    last = (live.sum(-1) - 1)[:, None, None].expand(-1, -1, hidden.shape[-1])
    ends = hidden.gather(1, last).squeeze(1).float()
    return F.normalize(ends, dim=-1)[which].view(*tokens.shape[:2], -1)


def _heat(temperature: float | Sequence[float], groups: int, device: torch.device) -> float | Tensor:
    """The one temperature of all summaries, or (G, 1) where they differ."""
    heats = [temperature] * groups if isinstance(temperature, float | int) else temperature
    return heats[0] if len(set(heats)) == 1 else torch.tensor(heats, device=device)[:, None]


def _scores(logits: Tensor, banned: Tensor, temperature: float | Tensor) -> Tensor:
    """Unnormalised log-probabilities in float32, written over the logits: they are as wide as the vocabulary."""
    scores = logits.float().index_fill_(-1, banned, float("-inf"))
    if isinstance(temperature, Tensor):
        return scores / temperature.where(temperature > 0, 1.0)
    return scores if temperature in (0.0, 1.0) else scores / temperature


def _choose(scores: Tensor, drawn: Tensor | None, greedy: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A token of each row of scores (..., V) and its log-probability.

    Args:
        scores: see above.
        drawn: (...) float64, uniform in [0, 1): where in the cumulative distribution the token lies. One number per
            row is enough, where `torch.multinomial` draws one per token of the vocabulary. None takes the most
            probable token.
        greedy: (G, 1) bool: of which columns (..., G, V) the most probable token is taken all the same.
    """
    probabilities = scores.softmax(-1)
    if drawn is None:
        chosen = scores.argmax(-1, keepdim=True)
    else:
        # In float64, so that no token of probability 0 can stand where rounding makes a step.
        cumulative = probabilities.cumsum(-1, dtype=torch.float64)
        chosen = torch.searchsorted(cumulative, drawn.unsqueeze(-1) * cumulative[..., -1:], right=True)
        if greedy is not None:
            chosen = scores.argmax(-1, keepdim=True).where(greedy, chosen)
    return chosen.squeeze(-1), probabilities.gather(-1, chosen).log().squeeze(-1)
