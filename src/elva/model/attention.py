"""Who sees what: the one place where G summaries of an item share its prefix.

The language model of any family computes queries, keys and values and then asks the attention function that is named
in its configuration. Ours hands them to a `Sight`, which goes along with the forward as a keyword argument:

    Causal     prefixes: each token sees itself and what stands before it
    Writing    one more token of each of G rollouts: it sees the prefix, and what its rollout has written so far
    Reading    prefixes and G whole rollouts behind each, with gradient
    Behind     whole texts, each behind a prefix that was read before
    Frames     the vision tower's: each patch sees those of its own frame

    places        prefix | rollout a | rollout b            what b1 sees (x)

    Reading     | P P P P | a0 a1 a2 | b0 b1 b2 |        | x x x x | . . . | x x . |
    Writing                 a1         b1                | x x x x |         x x

A token may stand apart (`Settings.bottleneck` "states"): of the places above it sees no P.

The keys of a prefix are computed once and serve all its rollouts. While writing they are not even repeated: the
queries of all rollouts meet them in one product. A call without a `Sight` is transformers' own.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

NAME = "elva"
"""Of our attention function, in a configuration of transformers."""


class Sight(Protocol):
    """What the tokens of one forward see."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float) -> Tensor:
        """Attention of one layer.

        Args:
            layer: its number.
            query: (B, H, S, d), rotated.
            key: (B, K, S, d) of the same tokens, rotated; K divides H.
            value: (B, K, S, d) likewise.
            scale: factor of the products.
            dropout: share of the weights that are dropped.

        Returns:
            (B, S, H, d).
        """
        ...


class Causal:
    """Each token sees itself and the tokens before it.

    Args:
        mask: (B, S) bool, False on padding. A padding place sees itself, so that no row is empty.
        remember: keep keys and values, for `Writing`.

    Attributes:
        mask: see above.
        kept: keys and values (B, K, S, d) of each layer.
    """

    def __init__(self, mask: Tensor, remember: bool = False) -> None:
        self.mask, self._remember = mask, remember
        self.kept: dict[int, tuple[Tensor, Tensor]] = {}
        width = mask.shape[1]
        causal = torch.ones(width, width, dtype=torch.bool, device=mask.device).tril()
        alone = torch.eye(width, dtype=torch.bool, device=mask.device)
        self._seen = ((causal & mask[:, None, :]) | alone).unsqueeze(1)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float) -> Tensor:
        """See `Sight`."""
        if self._remember:
            self.kept[layer] = (key.contiguous(), value.contiguous())
        return _attention(query, key, value, self._seen, scale, dropout)


class Writing:
    """One more token of every rollout: it sees the prefix of its item and what its own rollout wrote before.

    Args:
        prefix: remembers the keys and values of B prefixes.
        groups: G.
        length: most tokens T of a rollout.

    Attributes:
        step: which token of the rollouts comes next.
    """

    def __init__(self, prefix: Causal, groups: int, length: int) -> None:
        self.step = 0
        self._known = prefix.kept
        self._own = {
            layer: (_room(key, groups, length), _room(value, groups, length))
            for layer, (key, value) in prefix.kept.items()
        }
        self._padding = self._unseen = ~prefix.mask[:, None, None, None]

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the items alone: the others are done."""
        for store in (self._known, self._own):
            for layer, (key, value) in store.items():
                store[layer] = (key[rows], value[rows])
        self._padding = self._unseen = self._padding[rows]

    def set_apart(self, apart: Tensor) -> None:
        """From here on the (B, G) tokens where `apart` is True don't see the prefix."""
        self._unseen = self._padding | apart[:, None, None, :, None]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float) -> Tensor:
        """See `Sight`; S is G, one token of each rollout."""
        (known_keys, known_values), (own_keys, own_values) = self._known[layer], self._own[layer]
        own_keys[:, :, :, self.step], own_values[:, :, :, self.step] = key, value
        own_keys, own_values = own_keys[:, :, :, : self.step + 1], own_values[:, :, :, : self.step + 1]
        asked = torch.unflatten(query * scale, 1, (key.shape[1], -1))  # (B, K, R, G, d): R heads share a key
        repeats, groups = asked.shape[2:4]
        to_prefix = torch.unflatten(asked.flatten(2, 3) @ known_keys.mT, 2, (repeats, groups))
        to_own = (asked.transpose(2, 3) @ own_keys.mT).transpose(2, 3)
        scores = torch.cat([to_prefix.masked_fill(self._unseen, float("-inf")), to_own], -1)
        weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
        of_prefix, of_own = torch.split(weights, [known_keys.shape[2], self.step + 1], -1)
        seen = torch.unflatten(of_prefix.flatten(2, 3) @ known_values, 2, (repeats, groups))
        seen = seen + (of_own.transpose(2, 3) @ own_values).transpose(2, 3)
        return seen.flatten(1, 2).transpose(1, 2)


class Reading:
    """Prefixes and behind each, one after the other, its G rollouts of T tokens: all of it in one forward.

    Args:
        mask: (B, P) bool of the prefixes, False on padding.
        groups: G.
        steps: T.
        apart: (B, G, T) bool, True on tokens that don't see the prefix; None where all do.
    """

    def __init__(self, mask: Tensor, groups: int, steps: int, apart: Tensor | None = None) -> None:
        self._prefix, self._groups, self._steps = Causal(mask), groups, steps
        causal = torch.ones(steps, steps, dtype=torch.bool, device=mask.device).tril()
        batch, width = mask.shape
        seen = torch.cat([mask[:, None].expand(-1, steps, -1), causal.expand(batch, -1, -1)], -1)
        self._seen = seen.repeat_interleave(groups, 0).unsqueeze(1)  # (B * G, 1, T, P + T)
        if apart is not None:
            self._seen[..., :width] &= ~apart.flatten(0, 1)[:, None, :, None]
        self._parts = [width, groups * steps]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float) -> Tensor:
        """See `Sight`; S is P + G * T."""
        queries, keys, values = (torch.split(each, self._parts, 2) for each in (query, key, value))
        prefix = self._prefix.attend(layer, queries[0], keys[0], values[0], scale, dropout)
        seen = _attention(
            self._apart(queries[1]), self._behind(*keys), self._behind(*values), self._seen, scale, dropout
        )
        return torch.cat([prefix, seen.reshape(len(query), -1, *seen.shape[2:])], 1)

    def _apart(self, rollouts: Tensor) -> Tensor:
        """(B, H, G * T, d) to (B * G, H, T, d)."""
        return torch.unflatten(rollouts, 2, (self._groups, self._steps)).transpose(1, 2).flatten(0, 1)

    def _behind(self, prefix: Tensor, rollouts: Tensor) -> Tensor:
        """(B * G, K, P + T, d): each rollout behind its prefix."""
        shared = prefix[:, None].expand(-1, self._groups, -1, -1, -1).flatten(0, 1)
        return torch.cat([shared, self._apart(rollouts)], 2)


class Behind:
    """Whole texts: each sees the prefix it stands behind, and itself up to where it is.

    Unlike `Reading`, a prefix may have as many texts as it likes, and its own places aren't read again.

    Args:
        prefix: remembers the keys and values of B prefixes.
        rows: (N,) int64: the prefix of each text.
        steps: tokens T of a text; what pads a shorter one stands behind it and is seen by nobody before.
    """

    def __init__(self, prefix: Causal, rows: Tensor, steps: int) -> None:
        self._known, self._rows = prefix.kept, rows
        causal = torch.ones(steps, steps, dtype=torch.bool, device=rows.device).tril()
        before = prefix.mask[rows, None].expand(-1, steps, -1)
        self._seen = torch.cat([before, causal.expand(len(rows), -1, -1)], -1).unsqueeze(1)  # (N, 1, T, P + T)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float) -> Tensor:
        """See `Sight`; B is N, and S is T."""
        keys, values = (each[self._rows] for each in self._known[layer])
        keys, values = torch.cat([keys, key], 2), torch.cat([values, value], 2)
        return _attention(query, keys, values, self._seen, scale, dropout)


class Frames:
    """Patches of frames of one size, laid end to end: each sees those of its own frame, all frames in one product.

    Args:
        places: patches of a frame.
    """

    def __init__(self, places: int) -> None:
        self._places = places

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float) -> Tensor:
        """See `Sight`; B is 1, and S a multiple of the patches of a frame."""
        queries, keys, values = (
            torch.unflatten(each[0], 1, (-1, self._places)).transpose(0, 1) for each in (query, key, value)
        )
        found = F.scaled_dot_product_attention(queries, keys, values, dropout_p=dropout, scale=scale)
        return found.transpose(1, 2).flatten(0, 1).unsqueeze(0)


def _room(kept: Tensor, groups: int, length: int) -> Tensor:
    """For as many keys or values of rollouts, (B, K, G, T, d), as there are of prefixes, (B, K, P, d)."""
    batch, heads, _, width = kept.shape
    return kept.new_empty(batch, heads, groups, length, width)


def _attention(query: Tensor, key: Tensor, value: Tensor, seen: Tensor, scale: float, dropout: float) -> Tensor:
    """(B, S, H, d) of (B, H, S, d) queries under a mask (B, 1, S, S').

    Heads that share a key are laid side by side as places of one head: no key is repeated, and every fused kernel
    can be used.
    """
    keys = key.shape[1]
    repeats = query.shape[1] // keys
    asked = torch.unflatten(query, 1, (keys, repeats)).flatten(2, 3)
    found = F.scaled_dot_product_attention(asked, key, value, seen.repeat(1, 1, repeats, 1), dropout, scale=scale)
    return torch.unflatten(found, 2, (repeats, -1)).flatten(1, 2).transpose(1, 2)


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    sight: Sight | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """The attention function, as transformers calls it."""
    if sight is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **rest)
    return sight.attend(getattr(module, "layer_idx", 0), query, key, value, scaling, dropout), None


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
