"""What ELVA adds to a checkpoint folder (elva.json): how its embeddings are read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from elva.encoding import Extraction
from elva.errors import CheckpointError
from elva.prompts import Prompts

SETTINGS_FILE = "elva.json"
Positions = Literal["grid", "line"]


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
    """

    extraction: Extraction = "generative"
    prompts: Prompts = field(default_factory=Prompts)
    max_summary: int = 128
    max_text: int = 480
    trained: tuple[str, ...] = ()
    positions: Positions = "grid"

    @classmethod
    def load(cls, folder: Path) -> Settings:
        """Read elva.json; a checkpoint without it (a plain base model) gets the paper's defaults."""
        path = folder / SETTINGS_FILE
        if not path.is_file():
            return cls()
        try:
            row = json.loads(path.read_text("utf-8"))
            row["prompts"], row["trained"] = Prompts(**row["prompts"]), tuple(row["trained"])
            return cls(**row)
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{path}: not a settings file of ELVA ({error}); copy it again from its source"
            ) from error

    def save(self, folder: Path) -> None:
        """Write elva.json."""
        (folder / SETTINGS_FILE).write_text(json.dumps(self.to_row(), indent=2) + "\n", "utf-8")

    def to_row(self) -> dict[str, Any]:
        """A JSON object; what only other people's retrievers need is left out elsewhere.

        So the fingerprint of a model without it is what it was before these fields came.
        """
        row = asdict(self)
        if self.positions == "grid":
            del row["positions"]
        if not self.prompts.sentences:
            del row["prompts"]["sentences"]
        return row
