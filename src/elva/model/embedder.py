"""Embedder: items in, unit vectors out. The class that users and the rest of the package hold in their hands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elva.encoding import Encoding, Extraction, Vectors
from elva.errors import CheckpointError, InputError
from elva.items import Item
from elva.model.averaging import items_at_once, mean_vector, write
from elva.model.backbone import Backbone
from elva.model.card import model_card
from elva.model.features import VisionFeatures
from elva.model.inputs import Inputs, Prepared
from elva.model.processor import Processor
from elva.model.rollout import Prefill, read_prompt
from elva.model.weights import read_config
from elva.objectives.nested import prefix as first_numbers
from elva.whole import is_refusal, sync_all, whole_folder

WINDOW = 4
"""Batches that are prepared, and sorted by length, at a time."""


def checkpoint_folder(name: str | Path) -> Path:
    """The folder of a checkpoint given by path or by the name of a packaged one ("tiny-base").

    Raises:
        CheckpointError: neither exists.
    """
    if Path(name).is_dir():
        return Path(name)
    packaged = Path(str(files("elva"))) / "assets" / str(name)
    if packaged.is_dir():
        return packaged
    known = sorted(p.name for p in packaged.parent.glob("*") if p.is_dir())
    raise CheckpointError(f"{name}: no such checkpoint folder, and no packaged model of that name ({', '.join(known)})")


def stored_dtype(name: str | Path) -> str:
    """What a checkpoint says its weights are stored in, such as "bfloat16"; "float32" where it says nothing.

    Raises:
        CheckpointError: no such checkpoint, or its config.json is damaged.
    """
    config = read_config(checkpoint_folder(name))
    return str(config.get("dtype") or config.get("torch_dtype") or "float32")


def is_replaceable(folder: Path) -> bool:
    """Whether `Embedder.save` may write there: nothing, an empty folder, or a checkpoint."""
    if not folder.exists():
        return True
    return folder.is_dir() and ((folder / "config.json").is_file() or not any(folder.iterdir()))


class Embedder:
    """A retriever: one model that turns text, images, videos, or text beside one into comparable unit vectors.

    >>> embedder = Embedder.load("tiny-base")
    >>> embedder.encode_query([Item(text="a red circle left of a blue square")]).shape
    (1, 128)
    """

    def __init__(
        self, backbone: Backbone, processor: Processor, name: str, features: VisionFeatures | None = None
    ) -> None:
        self.backbone, self.processor, self.name = backbone, processor, name
        self.features = features or VisionFeatures(backbone, processor, keep=False)
        self._inputs = Inputs(backbone, processor, self.features)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        compute_dtype: torch.dtype | None = None,
        image_cache: Path | None = None,
    ) -> Embedder:
        """Read a checkpoint folder of the hub's layout, or a packaged one by name.

        Args:
            path: the folder; one without ELVA's settings is a retriever of a known layout (`read_settings`), or else
                a base model, which gets the paper's prompts. [RET] is added where it is missing.
            device: where to run.
            dtype: of the weights; vectors are float32 all the same.
            compute_dtype: of matrix products; that of the weights by default.
            image_cache: folder that keeps visual tokens between runs.

        Raises:
            CheckpointError: see `Backbone.load` and `Processor.load`; or the two don't belong together.
        """
        folder = checkpoint_folder(path)
        backbone = Backbone.load(folder, device, dtype, compute_dtype)
        processor = Processor.load(folder)
        words, rows = max(processor.tokenizer.get_vocab().values()) + 1, backbone.embedding_table.num_embeddings
        if words > rows:
            raise CheckpointError(
                f"{folder}: the tokenizer knows {words} tokens and the model {rows}; copy both from one checkpoint"
            )
        if (processor.settings.dimensions or 0) > backbone.dimension:
            raise CheckpointError(
                f"{folder}: its elva.json gives dimensions {processor.settings.dimensions}, and the model's vectors "
                f"have {backbone.dimension} numbers; remove the entry"
            )
        if processor.add_ret():
            backbone.add_token(processor.ret_id, processor.tokenizer.eos_token_id)
        features = VisionFeatures(backbone, processor, image_cache, keep=False)
        return cls(
            backbone,
            processor,
            folder.resolve().name if folder.name != "model" else folder.resolve().parent.name,
            features,
        )

    def save(self, folder: Path) -> None:
        """Write an ordinary checkpoint folder (safetensors, tokenizer, model card), whole or not at all.

        Raises:
            CheckpointError: the folder holds something that is no checkpoint, or the system refuses to write.
        """
        if not is_replaceable(folder):
            raise CheckpointError(f"{folder} holds something that is no checkpoint; choose another folder")
        self.backbone.merge_adapter()
        try:
            with whole_folder(folder, replace=True) as unfinished:
                self.backbone.plain.save_pretrained(unfinished, safe_serialization=True)
                self.processor.save(unfinished)
                (unfinished / "README.md").write_text(model_card(self), "utf-8")
                sync_all(unfinished)
        except Exception as error:
            if not is_refusal(error):
                raise
            raise CheckpointError(
                f"{folder}: the model can't be saved ({error}); what was there before is as it was. "
                "Look at the rights and the space left, then save again"
            ) from error

    # -- embedding -----------------------------------------------------------------------------------------------

    def embed(
        self,
        items: Sequence[Item],
        *,
        extraction: Extraction | None = None,
        batch_size: int = 128,
        progress: Callable[[int], None] | None = None,
        fast: bool = False,
    ) -> Encoding:
        """Embed items; generative extraction draws nothing anew, so equal items give equal vectors.

        It writes one summary of each item, greedily, or as many as the checkpoint's settings say (`averaging`): the
        vector is then their mean, and the summary given back is the greedy one.

        Args:
            items: any mixture of modalities.
            extraction: "generative", "one_word" or "prefill"; the checkpoint's own by default.
            batch_size: items per forward; fewer where each has several summaries.
            progress: called with the number of items just done.
            fast: beside generative vectors also those of extraction "prefill", which cost nothing more.

        Returns:
            Vectors (n, D) in the order of `items`, what the model wrote, how often [RET] was forced, texts cut.

        Raises:
            InputError: `fast`, and an extraction that writes nothing; or a video, as below.
            MediaError: a picture is missing, damaged or too large.
            InputError: a video, and a model of a family that was not tried with any.
        """
        how = extraction or self.extraction
        if fast and how != "generative":
            raise InputError(f"fast vectors stand beside generative ones, and {how} writes nothing; leave fast out")
        vectors = np.zeros((len(items), self.dimension), np.float32)
        quick = np.zeros_like(vectors) if fast else None
        summaries = [""] * len(items)
        forced, truncated = list[int](), list[int]()
        at_once = batch_size if how != "generative" else items_at_once(self.processor.settings.summaries, batch_size)
        for start in range(0, len(items), batch_size * WINDOW):
            prepared = self._inputs.prepare(
                items[start : start + batch_size * WINDOW], "one_word" if how == "one_word" else "generative"
            )
            truncated += [start + row for row, one in enumerate(prepared) if one.truncated]
            # Rows of one length waste no padding, and finish writing at about the same step.
            order = sorted(range(len(prepared)), key=lambda i: len(prepared[i]))
            for first in range(0, len(order), at_once):
                rows = order[first : first + at_once]
                part = self._embed([prepared[i] for i in rows], how)
                for row, vector, summary in zip(rows, part.vectors, part.summaries, strict=True):
                    vectors[start + row], summaries[start + row] = vector, summary
                if quick is not None and part.fast is not None:
                    quick[[start + row for row in rows]] = part.fast
                forced += [start + rows[place] for place in part.forced_items]
                if progress:
                    progress(len(rows))
        self.features.save()
        return Encoding(vectors, summaries, len(forced), len(truncated), tuple(sorted(forced)), tuple(truncated), quick)

    @torch.inference_mode()
    def _embed(self, batch: list[Prepared], extraction: Extraction) -> Encoding:
        prefix = self._inputs.collate(batch)
        if extraction != "generative":
            return Encoding(self._given(read_prompt(self.backbone, prefix)), [""] * len(batch))
        prefill = Prefill.of(self.backbone, prefix)
        rollouts = write(self.backbone, self.processor, prefix, prefill)
        written = zip(rollouts.tokens[:, 0].tolist(), rollouts.mask[:, 0].tolist(), strict=True)
        summaries = [self.processor.decode([t for t, m in zip(ids, mask, strict=True) if m]) for ids, mask in written]
        forced = tuple(rollouts.forced.any(1).nonzero().flatten().tolist())
        vectors, fast = self._given(mean_vector(rollouts.embeddings)), self._given(prefill.vectors)
        return Encoding(vectors, summaries, len(forced), 0, forced, fast=fast)

    def _given(self, vectors: Tensor) -> Vectors:
        """What of unit vectors (B, D) is given out: all, or as many numbers as the settings say."""
        most = self.processor.settings.dimensions
        return (vectors if most is None else first_numbers(vectors, most)).cpu().numpy()

    def encode(self, items: Sequence[Item], *, batch_size: int = 128) -> Vectors:
        """Unit vectors (n, D) float32 of any items."""
        return self.embed(items, batch_size=batch_size).vectors

    def encode_query(self, items: Sequence[Item], *, batch_size: int = 128) -> Vectors:
        """As `encode`; queries carry their task as `Item.instruction`."""
        return self.encode(items, batch_size=batch_size)

    def encode_document(self, items: Sequence[Item], *, batch_size: int = 128) -> Vectors:
        """As `encode`, for candidates: an instruction, which no candidate has in M-BEIR, is left out."""
        return self.encode([replace(item, instruction=None) for item in items], batch_size=batch_size)

    # -- identity ------------------------------------------------------------------------------------------------

    @property
    def extraction(self) -> Extraction:
        """What this checkpoint was trained for."""
        return self.processor.settings.extraction

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.processor.settings.dimensions or self.backbone.dimension

    def read_as(self, extraction: Extraction | None = None, dimensions: int | None = None) -> None:
        """From now on give vectors of this extraction, and of so many numbers: those of another fingerprint.

        Args:
            extraction: as it was by default.
            dimensions: as it was by default; the model's width takes all.

        Raises:
            InputError: there are no so many.
        """
        settings, width = self.processor.settings, self.backbone.dimension
        if dimensions is not None and not 1 <= dimensions <= width:
            raise InputError(f"vectors of {dimensions} numbers are asked for; {self.name} gives 1 to {width}")
        if extraction is not None:
            settings = replace(settings, extraction=extraction)
            if extraction == "one_word":
                settings = replace(settings, summaries=1, summary_temperature=1.0)
        if dimensions is not None:
            settings = replace(settings, dimensions=dimensions if dimensions < width else None)
        self.processor.settings = settings
        self.__dict__.pop("fingerprint", None)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of weights, settings, image sizes and vocabulary: an index made with another one is refused."""
        processor = self.processor
        parts = [
            self.backbone.fingerprint(),
            json.dumps(processor.settings.to_row(), sort_keys=True),
            processor.image_processor.to_json_string(),
            processor.tokenizer.backend_tokenizer.to_str(),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
