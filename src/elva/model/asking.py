"""A model asked a question of its own about each item, in place of the prompt for summaries.

What a checkpoint writes about an item follows from its settings alone, so the question is one of them. A base model has
[RET] where it would end its turn, and so its answers end by themselves.
"""

from __future__ import annotations

from dataclasses import replace

from elva.model.embedder import Embedder
from elva.model.processor import Processor
from elva.prompts import Prompts


def asking(embedder: Embedder, question: str, max_tokens: int) -> Embedder:
    """The same weights with a question: the summaries that `embed` gives are the answers, written greedily.

    Args:
        embedder: a base model; one that was trained to write summaries may answer with one, whatever it is asked.
        question: follows the item's text and picture.
        max_tokens: length limit of an answer.
    """
    settings = replace(
        embedder.processor.settings,
        extraction="generative",
        prompts=Prompts(generative=question),
        max_summary=max_tokens,
        bottleneck="none",
        summaries=1,
        summary_temperature=1.0,
    )
    processor = Processor(embedder.processor.tokenizer, embedder.processor.image_processor, settings)
    return Embedder(embedder.backbone, processor, embedder.name)
