"""Equal budget: what every arm is charged, and how many updates that leaves.

    updates = floor((budget - own preparation) / seconds per update)

All three are processor seconds of one thread. Seconds per update are measured before the runs (`pace.py`) and kept with
the experiment: an arm that joins later is measured beside one that was there, and what it took is scaled to the
seconds which that one took then. Preparation is what the command took, python's start and loading included: that is to
the disadvantage of the arm that uses it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from elva.data.writing import write_lines
from elva.errors import InputError
from elva.experiment.placeholders import needed
from elva.experiment.plan import Arm, Plan


def updates_within(budget: float, preparation: float, seconds_per_update: float) -> int:
    """Updates that fit into a budget.

    Args:
        budget: seconds.
        preparation: seconds that are spent before the first one.
        seconds_per_update: as measured.

    Raises:
        InputError: not one fits.
    """
    left = budget - preparation
    updates = math.floor(left / seconds_per_update)
    if updates < 1:
        raise InputError(
            f"a budget of {budget:g} s less {preparation:.1f} s of preparation leaves {left:.1f} s, and one update "
            f"takes {seconds_per_update:.3f} s; raise budget_seconds, or make the preparation or the update smaller"
        )
    return updates


def charged(plan: Plan, data: str, arm: Arm) -> list[str]:
    """The preparations that an arm pays for: those it uses, with what they need, unless all have them anyway.

    All have what is marked as shared, what the start checkpoint was made with, and what every training arm uses.
    """
    commands = {name: each.command for name, each in plan.preparations.items()}
    trained = [each for each in plan.arms_on(data).values() if each.trains]
    by_all = [set(needed(each.uses, commands)) for each in trained]
    free = {name for name, each in plan.preparations.items() if each.shared}
    free.update(*(needed(stage.uses, commands) for stage in plan.data[data].start))
    free |= set.intersection(*by_all) if by_all else set()
    return [name for name in needed(arm.uses, commands) if name not in free]


@dataclass(frozen=True, slots=True)
class Pace:
    """What one update of an arm takes.

    Attributes:
        recipe: digest of what was measured.
        seconds_per_update: the median of the rounds, times the scale.
        scale: 1, or what the arm measured beside took at first over what it took this time.
        rounds: seconds per update of each round.
    """

    recipe: str
    seconds_per_update: float
    scale: float
    rounds: list[float]


class Paces:
    """The paces of one data set in an experiment's folder.

    Args:
        path: pace.json; what is there is kept.

    Raises:
        InputError: the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            rows = json.loads(path.read_text("utf-8")) if path.exists() else {}
            self._kept = {arm: Pace(**row) for arm, row in rows.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is damaged ({error}); remove it, and all arms are measured again") from error

    def unknown(self, recipes: Mapping[str, str]) -> list[str]:
        """The arms (name -> digest of its recipe) that were not measured, or as another recipe."""
        return [arm for arm, recipe in recipes.items() if arm not in self._kept or self._kept[arm].recipe != recipe]

    def anchor(self, recipes: Mapping[str, str]) -> str | None:
        """An arm that new ones can be measured beside: the first one whose recipe is as it was."""
        fresh = self.unknown(recipes)
        return next((arm for arm in self._kept if arm in recipes and arm not in fresh), None)

    def add(self, rounds: Mapping[str, Sequence[float]], recipes: Mapping[str, str], anchor: str | None) -> None:
        """Keep what was measured together.

        Args:
            rounds: arm -> seconds per update of each round.
            recipes: arm -> digest of its recipe.
            anchor: the arm among them whose pace stays, and which the others are scaled by.
        """
        scale = self[anchor] / median(rounds[anchor]) if anchor else 1.0
        for arm, seconds in rounds.items():
            if arm != anchor:
                self._kept[arm] = Pace(recipes[arm], median(seconds) * scale, scale, list(seconds))
        write_lines(self._path, [json.dumps(self.to_row(), indent=1)])

    def __getitem__(self, arm: str) -> float:
        """Seconds per update of an arm that was measured."""
        return self._kept[arm].seconds_per_update

    def to_row(self) -> dict[str, Any]:
        """A JSON object."""
        return {arm: asdict(pace) for arm, pace in self._kept.items()}
