"""Visual tokens of pictures, computed once: the vision tower is frozen after the base, so they never change."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from elva.errors import InputError
from elva.media import ImageSource, image_key, load_image
from elva.model.backbone import Backbone
from elva.model.processor import Processor

LOG = logging.getLogger(__name__)

Seen = tuple[Tensor, Tensor]
"""Visual tokens (n, D) and the grid (3,) of one picture."""


class VisionFeatures:
    """Visual tokens by picture content.

    Args:
        backbone: whose vision tower looks.
        processor: whose image processor cuts patches.
        folder: also keep them on disk here, one file per vision tower and way of cutting, written by `save`.
        keep: remember what was seen; False computes each call anew, with bounded memory.

    Raises:
        InputError: the folder is a file.
    """

    def __init__(self, backbone: Backbone, processor: Processor, folder: Path | None = None, keep: bool = True) -> None:
        self.backbone, self.processor, self.keep = backbone, processor, keep
        self._seen: dict[str, Seen] = {}
        self._keys: dict[str, str] = {}
        if folder and folder.exists() and not folder.is_dir():
            raise InputError(f"the image cache {folder} is a file; give a folder")
        self._file = folder / f"vision-{self._identity()}.safetensors" if folder else None
        self._saved = self._read()

    def _identity(self) -> str:
        """What the tokens of a picture depend on: who looks, and how pictures are scaled and cut."""
        cutting = hashlib.sha256(self.processor.image_processor.to_json_string().encode()).hexdigest()
        return f"{self.backbone.fingerprint('vision')}-{cutting[:8]}"

    def look(
        self, sources: Sequence[ImageSource], batch_size: int = 128, progress: Callable[[int], None] | None = None
    ) -> list[Seen]:
        """Visual tokens and grid of each picture; a picture that occurs twice is computed once.

        Raises:
            MediaError: a picture is missing, damaged or too large.
        """
        keys = [self._key(source) for source in sources]
        known = self._seen if self.keep else {}
        todo = {key: source for key, source in zip(keys, sources, strict=True) if key not in known}
        pending = list(todo.items())
        for start in range(0, len(pending), batch_size):
            part = pending[start : start + batch_size]
            known |= zip((key for key, _ in part), self._see([load_image(source) for _, source in part]), strict=True)
            if progress:
                progress(len(part))
        return [known[key] for key in keys]

    @torch.no_grad()
    def _see(self, images: list[Image.Image]) -> list[Seen]:
        pixels, grids = self.processor.pixels(images)
        return list(zip(self.backbone.see(pixels, grids), grids, strict=True))

    def _key(self, source: ImageSource) -> str:
        if not isinstance(source, str | Path):
            return image_key(source)
        name = str(source)
        if name not in self._keys or not self.keep:
            self._keys[name] = image_key(source)
        return self._keys[name]

    def save(self) -> None:
        """Write what was seen to the folder, if there is one and anything is new.

        A folder that can't be written is only told: the cache saves time, and what it served is not to be lost.
        """
        if self._file is None or len(self._seen) == self._saved:
            return
        tensors = {f"tokens/{key}": tokens.cpu().contiguous() for key, (tokens, _) in self._seen.items()}
        tensors |= {f"grid/{key}": grid for key, (_, grid) in self._seen.items()}
        partial = self._file.with_suffix(f".{os.getpid()}.partial")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, partial)
            partial.replace(self._file)
        except (OSError, SafetensorError) as error:
            LOG.warning("the image cache %s can't be written (%s)", self._file, error)
            with suppress(OSError):
                partial.unlink()
        self._saved = len(self._seen)

    def _read(self) -> int:
        if self._file is None or not self._file.is_file():
            return 0
        try:
            with safe_open(self._file, framework="pt", device=str(self.backbone.device)) as stored:
                keys = [name.removeprefix("grid/") for name in stored.keys() if name.startswith("grid/")]  # noqa: SIM118
                self._seen = {
                    key: (stored.get_tensor(f"tokens/{key}"), stored.get_tensor(f"grid/{key}").cpu()) for key in keys
                }
        except (OSError, SafetensorError) as error:
            LOG.warning("the image cache %s is damaged (%s); its pictures are looked at again", self._file, error)
        return len(self._seen)
