"""A large contrastive batch in parts: the memory of a small batch, at the price of a second forward.

    python benchmarks/contrast_memory.py

Trains `tiny/stage2` on the built-in world for two updates: 64 queries, then 896 (14 times as many; the world's largest
sub-task has 900) at once, in parts of 64 items, and so with gradient checkpointing. The first update tells the memory,
since what it gives back is not all returned to the system; the second one the time, since it finds everything in place.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from measure import Meter, compared, options

PART, WHOLE = 64, 896
CAPTION = (
    "small cyan solid upright triangle left of small blue striped upright heart above large red hollow circle on tan"
)
"""What the base is taken to have written about every item: of the usual length."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the world, measure, show."""
    asked = options(__doc__, "contrast_memory").parse_args(arguments)
    part, whole = (2, 4) if asked.quick else (PART, WHOLE)
    in_parts = [f"contrast.batch_size={whole}", f"contrast.items_per_forward={part}"]
    forms = {
        f"{part}": [f"contrast.batch_size={part}"],
        f"{whole}": [f"contrast.batch_size={whole}"],
        f"{whole} by {part}": in_parts,
        f"{whole} by {part}, checkpointing": [*in_parts, "model.gradient_checkpointing=true"],
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "world"
        written(root, "tiny" if asked.quick else "demo")
        works = [(trained, (root, name, settings)) for name, settings in forms.items()]
        compared(works, f"{whole}: second update", asked)


def written(root: Path, size: str) -> None:
    """Write the world, and a caption for each of its items."""
    from elva.data.mbeir import MBeir
    from elva.data.world import write_world
    from elva.training.captions import named_items

    write_world(root, size=size)
    keys = (key for key, _ in named_items(MBeir.open(root), "train", ["world"])())
    lines = (json.dumps({"key": key, "caption": CAPTION}) + "\n" for key in keys)
    (root / "captions.jsonl").write_text("".join(lines))


def trained(meter: Meter, root: Path, name: str, settings: list[str]) -> None:
    """Two updates of stage 2 on changed pictures, where both sides are pictures."""
    from elva.training import run
    from elva.training.recipe import load_recipe
    from elva.training.session import Session, Step

    class Watched(Session):
        """Tells the meter of each update."""

        def steps(self, *arguments: Any) -> Iterator[Step]:
            for step in super().steps(*arguments):
                meter.begin()
                yield step
                meter.end(f"{name}: {['first', 'second'][step.number]} update")

    data = [f"data.root={root}", "data.captions=captions.jsonl", "data.tasks=[7]", "model.path=tiny-base"]
    with tempfile.TemporaryDirectory() as folder, patch.object(run, "Session", Watched):
        run.train(load_recipe("tiny/stage2", [*data, "budget.steps=2", *settings]), Path(folder) / "run")


if __name__ == "__main__":
    main()
