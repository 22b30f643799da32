"""Visual tokens on disk, by picture content: what one run has seen, later runs and other processes need not see again.

    FOLDER/vision-{identity}/
        {sha256 of its names}.safetensors    tokens/{key} and grid/{key} of some pictures

Files are added and never changed, so several processes may write at once, and a killed one leaves whole files only.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from elva.errors import InputError

LOG = logging.getLogger(__name__)

Seen = tuple[Tensor, Tensor]
"""Visual tokens (n, W) and the grid (3,) of one picture or clip."""


class FeatureFiles:
    """The files of one vision tower and way of cutting.

    Args:
        folder: the cache folder; made when something is written.
        identity: of tower and cutting: others have files of their own.

    Raises:
        InputError: the folder is a file.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"the image cache {folder} is a file; give a folder")
        self._folder = folder / f"vision-{identity}"
        self._where: dict[str, Any] = {}
        for file in sorted(self._folder.glob("*.safetensors")):
            self._open(file)

    def __contains__(self, key: str) -> bool:
        """Whether a picture is there."""
        return key in self._where

    def get(self, key: str) -> Seen:
        """What was seen of a picture, on the CPU; KeyError where it isn't there."""
        file = self._where[key]
        return file.get_tensor(f"tokens/{key}"), file.get_tensor(f"grid/{key}")

    def add(self, seen: Mapping[str, Seen]) -> None:
        """Write some more pictures, as one file.

        A folder that can't be written is only told: the cache saves time, and what it served is not to be lost.
        """
        tensors = {f"tokens/{key}": tokens.cpu().contiguous() for key, (tokens, _) in seen.items()}
        tensors |= {f"grid/{key}": grid for key, (_, grid) in seen.items()}
        name = hashlib.sha256("\n".join(sorted(seen)).encode()).hexdigest()[:32]
        partial = self._folder / f"{name}.{os.getpid()}.partial"
        file = self._folder / f"{name}.safetensors"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, partial)
            partial.replace(file)
        except (OSError, SafetensorError) as error:
            LOG.warning("the image cache %s can't be written (%s)", self._folder, error)
            with suppress(OSError):
                partial.unlink()
        else:
            self._open(file)

    def _open(self, path: Path) -> None:
        try:
            file = safe_open(path, framework="pt")  # maps the file: a picture is read when it is asked for
            names: list[str] = file.keys()  # type: ignore[no-untyped-call]
            keys = [name.removeprefix("grid/") for name in names if name.startswith("grid/")]
        except (OSError, SafetensorError) as error:
            LOG.warning("the image cache %s is damaged (%s); its pictures are looked at again", path, error)
        else:
            self._where |= dict.fromkeys(keys, file)
