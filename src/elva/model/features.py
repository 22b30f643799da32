"""Visual tokens of what is shown, computed once: the vision tower is frozen after the base, so they never change."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from elva.clips import Clip, Visual, clip_key, frames_of, most_frames, size_and_frames, visual_key
from elva.media import load_image
from elva.model.backbone import Backbone
from elva.model.feature_files import FeatureFiles, Seen
from elva.model.processor import Processor

PENDING_BYTES = 256_000_000
"""Of tokens that wait to be written to disk as one file."""

CUT_AT_ONCE = 16
"""Pictures that a thread cuts in one call: each call costs about what a small picture does."""


class VisionFeatures:
    """Visual tokens by the content of a picture or clip.

    Args:
        backbone: whose vision tower looks.
        processor: whose image processor cuts patches.
        folder: also keep them on disk here; `save` writes.
        keep: remember what was seen until `forget`; False computes each call anew, or reads it from disk, with bounded
            memory.

    Raises:
        InputError: the folder is a file.
    """

    def __init__(self, backbone: Backbone, processor: Processor, folder: Path | None = None, keep: bool = True) -> None:
        self.backbone, self.processor, self.keep = backbone, processor, keep
        self._seen: dict[str, Seen] = {}
        self._keys: dict[str | Clip, str] = {}
        self._pending: dict[str, Seen] = {}
        self._files = FeatureFiles(folder, self._identity()) if folder else None

    def _identity(self) -> str:
        """What the tokens of a picture depend on: who looks, and how pictures are scaled and cut."""
        cutting = hashlib.sha256(self.processor.image_processor.to_json_string().encode()).hexdigest()
        held = next(self.backbone.plain.model.visual.parameters()).dtype
        precision = "-".join(str(each).removeprefix("torch.") for each in {self.backbone.compute_dtype: 1, held: 1})
        return f"{self.backbone.fingerprint('vision')}-{cutting[:8]}-{precision}"

    def look(
        self, sources: Sequence[Visual], batch_size: int = 128, progress: Callable[[int], None] | None = None
    ) -> list[Seen]:
        """Visual tokens and grid of each picture or clip; what occurs twice is computed once.

        Args:
            sources: pictures, and clips.
            batch_size: frames that are looked at together; a longer clip is looked at by itself.
            progress: called with the number of pictures and clips just looked at.

        Raises:
            MediaError: a picture is missing, damaged or too large.
        """
        keys = [self._key(source) for source in sources]
        known = self._seen if self.keep else {}
        todo = {key: source for key, source in zip(keys, sources, strict=True) if key not in known}
        for key in [key for key in todo if self._files and key in self._files]:
            known[key] = self._files.get(key)  # type: ignore[union-attr]
            del todo[key]
        for part, pixels, grids in self._cut(list(todo.items()), batch_size):
            with torch.no_grad():
                tokens = self.backbone.see(pixels, grids)
            if self.keep:
                tokens = [each.cpu() for each in tokens]  # there is more room than on a device
            seen = dict(zip(part, zip(tokens, grids, strict=True), strict=True))
            known |= seen
            if self._files:
                self._pending |= seen
            if not self.keep:
                self._write_if_much()
            if progress:
                progress(len(part))
        return [known[key] for key in keys]

    def _cut(
        self, visuals: Sequence[tuple[str, Visual]], batch_size: int
    ) -> Iterator[tuple[list[str], Tensor, Tensor]]:
        """Batches of keys, patches and grids (n, 3); while the tower sees one, threads decode and cut the next."""

        def cut(some: Sequence[tuple[str, Visual]]) -> tuple[Tensor, Tensor]:
            return self.processor.pixels([[load_image(frame) for frame in frames_of(visual)] for _, visual in some])

        batches = list(_batches(visuals, batch_size))
        with ThreadPoolExecutor(self._spare_cores()) as threads:
            ahead = deque(threads.map(cut, _runs(batch)) for batch in batches[:1])
            for number, batch in enumerate(batches):
                if number + 1 < len(batches):
                    ahead.append(threads.map(cut, _runs(batches[number + 1])))
                patches, grids = zip(*ahead.popleft(), strict=True)
                yield [key for key, _ in batch], torch.cat(patches), torch.cat(grids)

    def _spare_cores(self) -> int:
        """Cores that the tower leaves, at least one: more threads would only take the interpreter from each other."""
        taken = torch.get_num_threads() if self.backbone.device.type == "cpu" else 0
        return max(1, (os.cpu_count() or 1) - taken)

    def grid(self, source: Visual) -> Tensor:
        """The grid (3,) of a picture or clip, without looking at it.

        Raises:
            MediaError: the picture, or the clip's first frame, is missing, too large, or its header is damaged.
        """
        return self.processor.grid(*size_and_frames(source))

    def _key(self, source: Visual) -> str:
        if isinstance(source, tuple):
            return clip_key(map(self._key, source))
        if not self.keep or not isinstance(source, str | Path | Clip):
            return visual_key(source)
        name = source if isinstance(source, Clip) else str(source)
        if name not in self._keys:
            self._keys[name] = visual_key(source)
        return self._keys[name]

    def forget(self) -> None:
        """Drop what was seen from memory; what waits to be written to disk is written when it is much."""
        self._seen.clear()
        self._keys.clear()
        self._write_if_much()

    def _write_if_much(self) -> None:
        if sum(tokens.nbytes for tokens, _ in self._pending.values()) > PENDING_BYTES:
            self.save()

    def save(self) -> None:
        """Write what is new to the folder, if there is one."""
        if self._files and self._pending:
            self._files.add(self._pending)
            self._pending = {}


def _runs(visuals: Sequence[tuple[str, Visual]]) -> Iterator[Sequence[tuple[str, Visual]]]:
    return (visuals[start : start + CUT_AT_ONCE] for start in range(0, len(visuals), CUT_AT_ONCE))


def _batches(visuals: Iterable[tuple[str, Visual]], most: int) -> Iterator[list[tuple[str, Visual]]]:
    """The same in runs of at most so many frames, or of one longer clip."""
    batch, count = list[tuple[str, Visual]](), 0
    for key, visual in visuals:
        more = most_frames(visual)
        if batch and count + more > most:
            yield batch
            batch, count = [], 0
        batch.append((key, visual))
        count += more
    if batch:
        yield batch
