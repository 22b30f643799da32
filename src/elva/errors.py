"""Every error a user can cause, as one tree.

    ElvaError
    ├── InputError              something handed in can't be used
    │   ├── MediaError          an image or a clip
    │   │   ├── MediaMissing        the file isn't there
    │   │   ├── MediaUnreadable     truncated, or no picture at all
    │   │   ├── MediaTooLarge       over the limit of bytes or pixels
    │   │   └── MediaTooNarrow      a strip that no model can look at
    │   ├── ItemError           an item that holds nothing, or too much
    │   ├── DataError           one bad place in a data file
    │   ├── DataErrors          all bad places found in one reading
    │   ├── VectorError         vectors that can't be ranked (elva.index.gallery)
    │   ├── ConditionError      a filter that can't be read (elva.index.condition)
    │   ├── UnknownItem         an id that an index doesn't hold (elva.index.protocol)
    │   └── FolderError         a results folder of another kind, or damaged (elva.index.folder)
    ├── RecipeError             a recipe that can't be trained
    ├── CheckpointError         a folder that is no usable model
    ├── TrainingError           a training that can't go on
    ├── FolderInUse             a folder that another process writes to
    ├── WorkerDied              a process that worked for this one
    ├── IndexMismatch           an index and a model that don't belong together
    ├── StoreError              a store behind an address that can't be reached, or refuses
    ├── EndpointError           a served model that can't be asked (elva.served.endpoint)
    │   └── NoAnswer            it did not answer one request
    └── MissingExtra            an optional package that isn't installed

The command line prints the message of an `ElvaError` and no traceback; anything else is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SHOWN = 20


class ElvaError(Exception):
    """Root of the tree: a failure whose message tells the user what to do."""


class InputError(ElvaError):
    """Something handed in can't be used."""


class MediaError(InputError):
    """An image or a clip can't be used."""


class MediaMissing(MediaError):
    """The image file isn't there."""


class MediaUnreadable(MediaError):
    """The image is truncated, damaged, or no image."""


class MediaTooLarge(MediaError):
    """The image has more bytes or pixels than the limits allow."""


class MediaTooNarrow(MediaError):
    """The image is too long for its width (or the other way round) to be cut into patches."""


class ItemError(InputError):
    """An item holds nothing that could be embedded, or an image and a video at once."""


class DataError(InputError):
    """One bad place in a data file.

    Attributes:
        path: the file.
        line: 1-based line, or None when the file as a whole is meant.
        field: the field (or column) of that line, or None.
        found: what was found there.
        fix: what the user can do.
    """

    def __init__(self, path: str | Path, line: int | None, field: str | None, found: str, fix: str) -> None:
        """Keep the parts, so that a caller can sort, count and show them."""
        super().__init__(path, line, field, found, fix)
        self.path = Path(path)
        self.line = line
        self.field = field
        self.found = found
        self.fix = fix

    def __str__(self) -> str:
        """`file:line: field: found; fix`, in one line."""
        place = str(self.path) if self.line is None else f"{self.path}:{self.line}"
        field = "" if self.field is None else f" {self.field}:"
        return f"{place}:{field} {self.found}; {self.fix}"


class DataErrors(InputError):
    """All bad places found in one reading; its message shows the first 20 and the count."""

    def __init__(self, errors: Sequence[DataError]) -> None:
        """Keep the errors in the order in which they were found."""
        super().__init__(errors)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        """The count, then one line per error."""
        count = len(self.errors)
        lines = [f"{count} bad {'place' if count == 1 else 'places'} in the data:"]
        lines += [f"  {error}" for error in self.errors[:SHOWN]]
        if count > SHOWN:
            lines.append(f"  ... and {count - SHOWN} more")
        return "\n".join(lines)


class RecipeError(ElvaError):
    """A recipe holds an unknown key or a value that can't be used."""


class CheckpointError(ElvaError):
    """A folder is no usable checkpoint."""


class TrainingError(ElvaError):
    """A training can't go on, though recipe and data were in order."""


class FolderInUse(ElvaError):
    """Another process writes to this folder."""


class WorkerDied(ElvaError):
    """A process that worked for this one has ended."""


class IndexMismatch(ElvaError):
    """An index was built with another model, prompt or extraction."""


class StoreError(ElvaError):
    """A store behind an address can't be reached, or refuses what it is asked."""


class MissingExtra(ElvaError):
    """An optional package isn't installed."""

    def __init__(self, package: str, extra: str) -> None:
        """Name the package that is missing and the extra that brings it."""
        super().__init__(package, extra)
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        """What is missing and the command that installs it."""
        return f'{self.package} is not installed; install it with: pip install "elva-retrieval[{self.extra}]"'
