"""Whether a machine of a cluster sees what the driver sees: the data, the model, the folder to write, the same elva."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from elva import __version__
from elva.data.layout import QUERIES


@dataclass(frozen=True, slots=True)
class Sight:
    """What a machine must see as the driver does.

    Attributes:
        root: the data.
        sizes: name and bytes of each of its query files.
        model: the folder of the model, if any.
        probe: a file beside the embedding; each machine leaves another one.
    """

    root: Path
    sizes: Mapping[str, int]
    model: Path | None
    probe: Path

    def missing(self, node: str) -> str | None:
        """What this machine does not see, or None."""
        if __version__ != (told := self.probe_text()):
            return f"it has elva {__version__}, not {told}" if told else f"it does not see {self.probe.parent}"
        if query_sizes(self.root) != self.sizes:
            return f"it does not see {self.root}, or other files there"
        if self.model is not None and not (self.model / "config.json").is_file():
            return f"it does not see the model {self.model}"
        try:
            self.answer(node).write_text(node, "utf-8")
        except OSError as error:
            return f"it can't write to {self.probe.parent} ({error.strerror})"
        return None

    def probe_text(self) -> str:
        """What the driver wrote into the probe; "" where it isn't seen."""
        return self.probe.read_text("utf-8") if self.probe.is_file() else ""

    def answer(self, node: str) -> Path:
        """What a machine leaves."""
        return self.probe.with_name(f"{self.probe.name}.{node}")


def query_sizes(root: Path) -> dict[str, int]:
    """Name and bytes of the query files of a data folder; none where it isn't seen."""
    return {
        path.relative_to(root).as_posix(): path.stat().st_size for path in (root / QUERIES).rglob("*") if path.is_file()
    }


def look(sight: Sight, node: str) -> str | None:
    """`Sight.missing` by a name that Ray can call."""
    return sight.missing(node)
