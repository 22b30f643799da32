"""What ELVA adds to a checkpoint folder (elva.json): how its embeddings are read."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from elva.encoding import Extraction
from elva.errors import CheckpointError
from elva.prompts import Prompts

SETTINGS_FILE = "elva.json"
Positions = Literal["grid", "line"]
Bottleneck = Literal["none", "states", "words", "pictures"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The content of elva.json.

    Attributes:
        extraction: the extraction it was trained for, used unless the caller says otherwise.
        prompts: the two templates.
        max_summary: tokens of a summary, [RET] included; then [RET] is forced and counted.
        max_text: tokens of an item's own text; the rest is cut and counted (LamRA's 480).
        trained: the stages behind this checkpoint, oldest first.
        positions: where visual tokens stand: in a "grid" of rows and columns, as the family's own code has it, or
            one behind the other on a "line", as words do, where the model was trained so.
        bottleneck: what [RET] sees. "none": the item and its summary. "states": the summary alone, in every layer; its
            tokens have seen the item, and their states tell of it. "words": the summary alone, read as if there were
            no item; so equal summaries have equal embeddings. "pictures": as "words", behind the item's own words: of
            an item only what it shows is hidden.
        summaries: how many summaries a vector is the mean of (`averaging`): a greedy one, and all others sampled.
        summary_temperature: temperature of those that are sampled.
        dimensions: of how many of its first numbers a vector is made, unit length again; None for all. Models trained
            with `nested.lengths` have learned to rank by so few.
        asked_instruction: what an item is shown with where the model is to say what one would ask for to find it; None
            where it was not taught to.
    """

    extraction: Extraction = "generative"
    prompts: Prompts = field(default_factory=Prompts)
    max_summary: int = 128
    max_text: int = 480
    trained: tuple[str, ...] = ()
    positions: Positions = "grid"
    bottleneck: Bottleneck = "none"
    summaries: int = 1
    summary_temperature: float = 1.0
    dimensions: int | None = None
    asked_instruction: str | None = None

    @property
    def reads_apart(self) -> bool:
        """Whether [RET] is read in a forward of its own, behind bare words."""
        return self.bottleneck in ("words", "pictures")

    @classmethod
    def load(cls, folder: Path) -> Settings:
        """Read elva.json; a checkpoint without it (a plain base model) gets the paper's defaults."""
        path = folder / SETTINGS_FILE
        if not path.is_file():
            return cls()
        try:
            return cls.from_row(json.loads(path.read_text("utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{path}: not a settings file of ELVA ({error}); copy it again from its source"
            ) from error

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Settings:
        """Read back what `to_row` gave; ValueError, KeyError or TypeError where it is something else."""
        settings = cls(**{**row, "prompts": Prompts(**row["prompts"]), "trained": tuple(row["trained"])})
        if settings.bottleneck not in get_args(Bottleneck):
            raise ValueError(f"bottleneck {settings.bottleneck!r}, not one of {', '.join(get_args(Bottleneck))}")
        if type(settings.summaries) is not int or settings.summaries < 1:
            raise ValueError(f"summaries {settings.summaries!r}, not a whole number of at least 1")
        if not 0 < settings.summary_temperature < math.inf:
            raise ValueError(f"summary_temperature {settings.summary_temperature!r}, not a number above 0")
        if settings.dimensions is not None and (type(settings.dimensions) is not int or settings.dimensions < 1):
            raise ValueError(f"dimensions {settings.dimensions!r}, not a whole number of at least 1")
        if not isinstance(settings.asked_instruction, str | None):
            raise ValueError(f"asked_instruction {settings.asked_instruction!r}, not a text")
        if settings.summaries > 1 and settings.extraction == "one_word":
            raise ValueError(f"summaries {settings.summaries} and extraction one_word, which writes none")
        if settings.summaries == 1 and settings.summary_temperature != 1:
            told = f"summary_temperature {settings.summary_temperature:g}"
            raise ValueError(f"{told} and summaries 1, which is greedy: set summaries too")
        return settings

    def save(self, folder: Path) -> None:
        """Write elva.json."""
        (folder / SETTINGS_FILE).write_text(json.dumps(self.to_row(), indent=2) + "\n", "utf-8")

    def to_row(self) -> dict[str, Any]:
        """A JSON object; what few models need is left out elsewhere.

        So the fingerprint of a model without it is what it was before these fields came.
        """
        row = asdict(self)
        if self.positions == "grid":
            del row["positions"]
        if self.bottleneck == "none":
            del row["bottleneck"]
        if self.summaries == 1:
            del row["summaries"], row["summary_temperature"]
        if self.dimensions is None:
            del row["dimensions"]
        if self.asked_instruction is None:
            del row["asked_instruction"]
        if not self.prompts.sentences:
            del row["prompts"]["sentences"]
        return row
