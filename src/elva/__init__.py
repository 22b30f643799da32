"""ELVA: universal multimodal retrieval that keeps every grain of the query.

The public names are loaded on first use, so that `import elva` (and `elva --help`) stays free of torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elva.evaluation.mbeir import evaluate as evaluate
    from elva.index.exact import ExactIndex as ExactIndex
    from elva.items import Item as Item
    from elva.model.embedder import Embedder as Embedder

__version__ = "0.1.0"

_HOMES = {
    "Item": "elva.items",
    "Embedder": "elva.model.embedder",
    "ExactIndex": "elva.index.exact",
    "evaluate": "elva.evaluation.mbeir",
}
__all__ = ["Embedder", "ExactIndex", "Item", "__version__", "evaluate"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'elva' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
