"""A model of ours as an encoder of MTEB, for texts, pictures, and both.

    import mteb
    from elva.ecosystem.mteb import MtebEncoder, mbeir_tasks, table

    results = mteb.evaluate(MtebEncoder.load("runs/elva/model"), mbeir_tasks()[:1])
    print(table(results))

MTEB's own cache, `mteb.mock_run` and every task of modality text, image, or both work with it.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elva.encoding import Extraction, Vectors
from elva.errors import InputError, MissingExtra
from elva.items import Item
from elva.model.embedder import Embedder

try:
    import mteb
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ModelMeta, ScoringFunction
    from mteb.types import PromptType
except ImportError as missing:
    raise MissingExtra("mteb", "mteb") from missing

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.results import ModelResult
    from mteb.types import BatchedInput
    from torch.utils.data import DataLoader

MEASURES = {
    "hit@1": "hit_rate_at_1",
    "hit@5": "hit_rate_at_5",
    "hit@10": "hit_rate_at_10",
    "nDCG@10": "ndcg_at_10",
}
"""Column of `table` -> MTEB's score. hit@k is what the paper and M-BEIR call Recall@k."""
EMPTY = "(empty)"
"""What is read where a data set of MTEB holds a text of nothing: an item must say something."""


class MtebEncoder(AbsEncoder):
    """An encoder by MTEB's protocol.

    Queries get an instruction, as in training: the one given here for the task's name, else the task's own; documents,
    and the inputs of tasks that know no queries, get none.

    Args:
        embedder: the model.
        extraction: "generative" or "one_word"; the checkpoint's own by default.
        instructions: instruction by name of a task.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        extraction: Extraction | None = None,
        instructions: Mapping[str, str] | None = None,
    ) -> None:
        self.model = embedder
        self.extraction: Extraction = extraction or embedder.extraction
        self.prompts_dict = dict(instructions or {})
        self.mteb_model_meta = _meta(embedder, self.extraction, self.prompts_dict)

    @classmethod
    def load(cls, path: str | Path, *, device: str = "cpu", **options: Any) -> MtebEncoder:
        """The encoder of a checkpoint folder, or of a packaged model by name; options are those of the class."""
        return cls(Embedder.load(path, device=device), **options)

    def encode(
        self,
        inputs: DataLoader[BatchedInput],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        batch_size: int = 32,
        **options: Any,
    ) -> Vectors:
        """Unit vectors (n, D) float32 of what MTEB hands over, in its order.

        Args:
            inputs: batches of columns; "text" and "image" are read.
            task_metadata: names the task, and its instruction.
            hf_split: not read, like everything that the protocol has beside these.
            hf_subset: likewise.
            prompt_type: query or document, where the task knows them.
            batch_size: items per forward.
            options: likewise.

        Raises:
            InputError: the task has sound or video too.
        """
        is_query = prompt_type == PromptType.query
        instruction = self.get_instruction(task_metadata, prompt_type) if is_query else None
        parts, empty = [np.zeros((0, self.model.dimension), np.float32)], 0
        for batch in inputs:  # a corpus of pictures need not fit into memory
            items = list(_items(batch, instruction or None))
            empty += sum(item.text == EMPTY for item in items)
            parts.append(self.model.embed(items, extraction=self.extraction, batch_size=batch_size).vectors)
        if empty:
            warnings.warn(f"{task_metadata.name}: {empty} empty texts were read as {EMPTY}", stacklevel=2)
        return np.concatenate(parts)


def mbeir_tasks() -> list[AbsTask]:
    """The tasks of M-BEIR that MTEB registers, by name; a run downloads their data from the hub."""
    # One of the sixteen is published under its own name, the others as mteb/mbeir_*.
    found = [
        task
        for task in mteb.get_tasks(modalities=["text", "image"])
        if task.metadata.name == "InfoSeekIT2ITRetrieval" or "/mbeir_" in task.metadata.dataset["path"]
    ]
    return sorted(found, key=lambda task: task.metadata.name)


def table(results: ModelResult) -> str:
    """Markdown: hit@1, hit@5, hit@10 of the paper beside nDCG@10, in percent, for every task, split and subset.

    A task that is no retrieval shows MTEB's main score alone.
    """
    rows = [("task", *MEASURES, "main score")]
    rows += [
        (name, *(_percent(scores.get(measure)) for measure in MEASURES.values()), _percent(scores["main_score"]))
        for name, scores in _scores(results)
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "| --- |" + " ---: |" * (len(rows[0]) - 1), *lines[1:]]) + "\n"


def _scores(results: ModelResult) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for task in results.task_results:
        for split, subsets in task.scores.items():
            for scores in subsets:
                yield " ".join([task.task_name, split, scores["hf_subset"]]).removesuffix(" default"), scores


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}".removesuffix("%")


def _items(batch: BatchedInput, instruction: str | None) -> Iterable[Item]:
    columns: Mapping[str, Any] = batch
    for unread in ("audio", "video"):
        if unread in columns:
            raise InputError(f"the task holds {unread}, and this encoder reads text and image; choose another task")
    count = len(columns["image"] if "image" in columns else columns["text"])
    texts, images = columns.get("text", [None] * count), columns.get("image", [None] * count)
    for text, image in zip(texts, images, strict=True):
        said = text if image is not None or (text or "").strip() else EMPTY
        yield Item(text=said, image=image, instruction=instruction)


def _meta(embedder: Embedder, extraction: Extraction, instructions: Mapping[str, str]) -> ModelMeta:
    """What MTEB files results by: name and fingerprint, and what else makes them other ones."""
    backbone = embedder.backbone
    return ModelMeta.create_empty(
        overwrites={
            "name": f"elva/{embedder.name}",
            "revision": embedder.fingerprint,
            "n_parameters": sum(each.numel() for each in backbone.parameters()),
            "n_embedding_parameters": backbone.embedding_table.weight.numel(),
            "embed_dim": embedder.dimension,
            "max_tokens": embedder.processor.settings.max_text,
            "modalities": ["text", "image"],
            "similarity_fn_name": ScoringFunction.COSINE,
            "use_instructions": True,
            "framework": ["PyTorch", "Transformers"],
            "experiment_kwargs": {"extraction": extraction, "instructions": _digest(instructions)},
        }
    )


def _digest(instructions: Mapping[str, str]) -> str:
    """A short name, since MTEB makes a folder's name of it."""
    told = json.dumps(instructions, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:8] if instructions else "own"
