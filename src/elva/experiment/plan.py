"""What an experiment asks and runs: the content of experiments/*.yaml, typed; `loading.py` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Literal

from elva.analysis.records import Role
from elva.strict import AT_LEAST_ONE, AT_LEAST_ZERO, POSITIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The built-in world as `elva world` writes it."""

    seed: Annotated[int, "seed of the world", AT_LEAST_ZERO] = 0
    size: Annotated[Literal["demo", "large", "tiny"], "how much of it; tiny is for tests"] = "demo"
    questions: Annotated[bool, "with questions about clips"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One training on the way to the start checkpoint."""

    recipe: Annotated[str, "a recipe, packaged or a file"]
    settings: Annotated[tuple[str, ...], "key=value pairs on top"] = ()
    uses: Annotated[tuple[str, ...], "preparations that it reads"] = ()
    below: Annotated[str, "folder below the root that it trains on; empty: the root"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What every run is judged on."""

    questions: Annotated[
        str | None, "folder below the root with validation files of SEED-Bench-R1, answered in words; null: retrieval"
    ] = None

    split: Annotated[Literal["val", "test"], "val while something is chosen, test once it is"] = "val"
    datasets: Annotated[tuple[str, ...], "only these data sets; empty: all"] = ()
    tasks: Annotated[tuple[int, ...], "only these M-BEIR task ids; empty: all", AT_LEAST_ZERO] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlan:
    """Data, and how the models are made that every arm starts from."""

    world: Annotated[World | None, "the built-in world; null: the root is given with --data NAME=ROOT"] = None
    base: Annotated[str | None, "checkpoint that the start is made from; null: given with --base NAME=FOLDER"] = (
        "tiny-base"
    )
    start: Annotated[tuple[Stage, ...], "trainings, each from what the one before left; empty: the base itself"] = ()
    judge: Judge = Judge()
    settings: Annotated[tuple[str, ...], "key=value pairs for every training on these data"] = ()
    words: Annotated[Mapping[str, str] | None, "placeholders of these data, for recipes, settings and commands"] = None
    budget_seconds: Annotated[float | None, "for these data, in place of the experiment's", POSITIVE] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """A file that an arm may use, and the command that makes it."""

    command: Annotated[str, "an elva command; {root} {base} {start} {seed} {cache} {out}, {words} and {preparations}"]
    setting: Annotated[str, "the setting of a recipe through which a training gets it, such as data.negatives"]
    file: Annotated[str | None, "its file name; null: the preparation's name and .jsonl"] = None
    shared: Annotated[bool, "charged to no arm, as what all arms or the start use never is"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One form that is compared. Without recipe and command it is the start checkpoint itself."""

    role: Annotated[Role | None, "what it is in the comparison"] = None
    default: Annotated[bool, "the form that the library recommends"] = False
    quick: Annotated[bool, "also runs with --quick"] = False
    extends: Annotated[str | None, "another arm: its role, recipe, command and data where not given here"] = None
    recipe: Annotated[str | None, "what is trained from the start checkpoint"] = None
    command: Annotated[str | None, "an elva command that leaves an evaluation in {out}, in place of a training"] = None
    below: Annotated[str, "folder below the root that it trains on; empty: the root"] = ""
    settings: Annotated[tuple[str, ...], "key=value pairs on top, behind those of the extended arm"] = ()
    uses: Annotated[tuple[str, ...], "preparations, beside those of the extended arm"] = ()
    updates: Annotated[int | None, "so many, whatever they take; null: as many as fit the budget", AT_LEAST_ONE] = None
    read: Annotated[tuple[str, ...], "key=value pairs put into elva.json of a copy of the start checkpoint"] = ()
    data: Annotated[tuple[str, ...], "only on these data; empty: all"] = ()

    @property
    def trains(self) -> bool:
        """Whether it is a training."""
        return self.recipe is not None

    @property
    def paced(self) -> bool:
        """Whether its updates follow from the budget, so that their pace must be known."""
        return self.trains and self.updates is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One experiment; `load_plan` gives the arms with all that they inherit."""

    title: Annotated[str, "what it is called in the report"]
    question: Annotated[str, "what it is to answer, in one sentence"]
    seeds: Annotated[tuple[int, ...], "training seeds", AT_LEAST_ZERO]
    quick_seeds: Annotated[tuple[int, ...], "those of --quick; empty: the first one", AT_LEAST_ZERO] = ()
    budget_seconds: Annotated[float, "processor seconds of one thread that every training may take", POSITIVE]
    data: Annotated[Mapping[str, DataPlan], "the data sets"]
    prepare: Annotated[Mapping[str, Preparation] | None, "preparations that arms may use"] = None
    arms: Annotated[Mapping[str, Arm], "the forms that are compared"]

    @property
    def preparations(self) -> Mapping[str, Preparation]:
        """The preparations; empty where there are none."""
        return self.prepare or {}

    def budget(self, data: str) -> float:
        """Seconds that a training on these data may take."""
        return self.data[data].budget_seconds or self.budget_seconds

    def arms_on(self, data: str) -> dict[str, Arm]:
        """The arms that run on these data."""
        return {name: arm for name, arm in self.arms.items() if not arm.data or data in arm.data}


def nearest(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """The cure for a name that isn't known."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"
