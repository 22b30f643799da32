"""The README.md that a saved checkpoint carries: the hub's model card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elva.model.settings import Settings

if TYPE_CHECKING:
    from elva.model.embedder import Embedder

_CARD = """---
library_name: elva-retrieval
license: apache-2.0
pipeline_tag: feature-extraction
tags: [multimodal-retrieval, universal-retrieval, elva]
---
# {name}

A universal multimodal retriever made with ELVA (an independent implementation of the paper "ELVA: Exploring
Ranking-Driven Universal Multimodal Retrieval"). It embeds text, images, or both into unit vectors of {dimension}
dimensions, compared by dot product.

- extraction: {extraction}
- stages behind it, oldest first: {trained}
- parameters: {parameters:,}

```python
from elva import Embedder, Item

embedder = Embedder.load("PATH/TO/THIS/FOLDER")
queries = embedder.encode_query([Item(text="a small red triangle left of a blue circle")])
```
"""


def _extraction(settings: Settings) -> str:
    if settings.summaries == 1:
        return settings.extraction
    return (
        f"{settings.extraction}, the mean over {settings.summaries} summaries: a greedy one, the others sampled at "
        f"temperature {settings.summary_temperature:g}"
    )


def model_card(embedder: Embedder) -> str:
    """Markdown with the hub's metadata header."""
    return _CARD.format(
        name=embedder.name,
        dimension=embedder.dimension,
        extraction=_extraction(embedder.processor.settings),
        trained=", ".join(embedder.processor.settings.trained) or "none (a base model)",
        parameters=sum(p.numel() for p in embedder.backbone.parameters()),
    )
