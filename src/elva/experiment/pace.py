"""How long one update takes: several recipes in turn, in one process, on one thread.

One update of each, and again: what slows the machine down slows all of them down, where measuring one after the other
would charge it to one. Counted is a step as it is trained, from drawing the batch to the optimiser, with rollouts,
reference, rewards and gradient; divided by the updates that the step makes. Not counted are loading, checkpoints and
evaluation. What a recipe does only now and then is not seen: a run's own seconds tell it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from elva.data.writing import write_lines
from elva.errors import InputError
from elva.training.recipe import Budget, Log, Recipe, Saving
from elva.training.run import updates

ROUNDS = 9
"""The first is dropped: it loads, and everything in it is done for the first time."""
NEVER = 1_000_000


def measure(
    recipes: Mapping[str, Recipe],
    rounds: int = ROUNDS,
    progress: Callable[[int], None] | None = None,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """Seconds per update of each recipe, in each round but the first.

    Args:
        recipes: by name; their budgets do not matter.
        rounds: how many, the dropped one included; at least 2.
        progress: called with 1 for each step that was made.
        clock: seconds; by default those of the processor.

    Raises:
        ElvaError: anything wrong with data, model or recipe.
        KeyboardInterrupt: it was asked to stop.
    """
    taken: dict[str, list[float]] = {name: [] for name in recipes}
    with TemporaryDirectory() as scratch, ExitStack() as stack:
        loops = {
            name: stack.enter_context(closing(updates(_for_timing(recipe), Path(scratch) / name)))
            for name, recipe in recipes.items()
        }
        for number in range(rounds):
            for name in _turned([*loops], number):
                began = clock()
                made = next(loops[name], 0)
                if not made:  # the loop ends by itself when a signal asked it to
                    raise KeyboardInterrupt
                if number:
                    taken[name].append((clock() - began) / made)
                if progress is not None:
                    progress(1)
    return taken


def _for_timing(recipe: Recipe) -> Recipe:
    """The same steps, with no end, and without what is not counted."""
    return replace(
        recipe,
        budget=Budget(steps=NEVER),
        checkpoint=Saving(every_steps=NEVER),
        log=Log(),
        data=replace(recipe.data, check_images=False),  # the trainings themselves look
    )


def _turned(names: list[str], number: int) -> list[str]:
    """The names, another one first each time."""
    first = number % len(names)
    return names[first:] + names[:first]


def write_pace(path: Path, taken: Mapping[str, list[float]]) -> None:
    """Keep what was measured, at once or not at all."""
    write_lines(
        path, [json.dumps({"clock": "processor seconds of one process", "seconds_per_update": taken}, indent=1)]
    )


def read_pace(path: Path) -> dict[str, list[float]]:
    """Read what `write_pace` wrote; InputError where it can't be read."""
    try:
        row: dict[str, list[float]] = json.loads(path.read_text("utf-8"))["seconds_per_update"]
        return {name: [float(each) for each in seconds] for name, seconds in row.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} can't be read ({error}); remove it, and it is measured again") from error
