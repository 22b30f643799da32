"""Seconds that the parts of a step of stage 3 really take: every call of the model is timed, and told apart."""

from __future__ import annotations

import inspect
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch

from elva.model.attention import Causal, Sight, Writing
from elva.model.backbone import Backbone
from elva.model.features import VisionFeatures
from floor import Counts, Sizes
from lessons import Lessons, overheard

REST = "the rest"


class Passes:
    """Seconds by the parts of a floor; one more is what is no model's.

    The head belongs to the pass that asks it.
    """

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self._last = ""

    def of(self, work: Callable[[], object]) -> dict[str, float]:
        """Of one call of this work."""
        language, logits, backward = Backbone.language, Backbone.logits, torch.autograd.backward
        binds = inspect.signature(language).bind

        def read(backbone: Backbone, *given: Any, **named: Any) -> Any:
            known = binds(backbone, *given, **named).arguments
            self._last = self._kind(backbone, known["sight"])
            self.tokens[self._last] += known["inputs"].shape[0] * known["inputs"].shape[1]
            return self._timed(self._last, language, backbone, *given, **named)

        timed = {
            "language": read,
            "logits": lambda *given: self._timed(self._last, logits, *given),
        }
        with ExitStack() as stack:
            for name, instead in timed.items():
                stack.enter_context(patch.object(Backbone, name, instead))
            stack.enter_context(
                patch.object(torch.autograd, "backward", lambda *a, **k: self._timed("backward", backward, *a, **k))
            )
            started = time.perf_counter()
            work()
            whole = time.perf_counter() - started
        self.seconds[REST] = whole - self.seconds.total()
        return dict(self.seconds)

    def _kind(self, backbone: Backbone, sight: Sight) -> str:
        if isinstance(sight, Writing):
            return "decode"
        if isinstance(sight, Causal):
            return "prefill"
        return "forward" if torch.is_grad_enabled() else "reference"

    def _timed(self, part: str, call: Callable[..., Any], *given: Any, **named: Any) -> Any:
        started = time.perf_counter()
        result = call(*given, **named)
        self.seconds[part] += time.perf_counter() - started
        return result


def looking(lessons: Lessons, number: int) -> float:
    """Seconds that the tower takes for the pictures of a step, decoding included: in a run each is seen once."""
    embedder = lessons.embedder
    shown = [item.shown for item in lessons.scene(number).items.values() if item.shown is not None]
    features = VisionFeatures(embedder.backbone, embedder.processor)
    started = time.perf_counter()
    features.look(shown)
    return time.perf_counter() - started


def counted(lessons: Lessons, number: int) -> Counts:
    """What a step holds, in the means of its turns and summaries. It is made for that."""
    with overheard() as heard:
        lessons(number)
    scene, processor, backbone = lessons.scene(number), lessons.embedder.processor, lessons.embedder.backbone
    turns = visual = 0
    for key in scene.keys:
        item = scene.items[key]
        grid = None if item.image is None else lessons.embedder.features.grid(item.image)
        turns += len(processor.tokens(item, "generative", grid, backbone.times_clips).ids)
        visual += 0 if grid is None else processor.visual_tokens(grid)
    # an item that shows what another one shows, too, counts twice: the distinct pictures are few less
    items, pictures = len(scene.keys), sum(item.image is not None for item in scene.items.values())
    group, written = heard[0].tokens.shape[1], heard[0].mask.sum(-1).float().mean().item()
    return Counts(items, (turns - visual) / items, visual / max(1, pictures), pictures, group, written)


def sizes_of(backbone: Backbone) -> Sizes:
    """Of a model that was loaded."""
    text, vision = backbone.plain.config.text_config, backbone.plain.config.vision_config
    return Sizes(
        hidden=text.hidden_size,
        layers=text.num_hidden_layers,
        intermediate=text.intermediate_size,
        heads=text.num_attention_heads,
        kv_heads=text.num_key_value_heads,
        head_dim=text.hidden_size // text.num_attention_heads,
        vocabulary=text.vocab_size,
        vision_layers=vision.depth,
        vision_width=vision.embed_dim,
        vision_ratio=vision.mlp_ratio,
        patch=vision.patch_size,
        merge=vision.spatial_merge_size,
        number=backbone.embedding_table.weight.element_size(),
    )
