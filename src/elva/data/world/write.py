"""Write the built-in world in the M-BEIR layout: seeded, reproducible, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from elva.data.instructions import Key
from elva.data.layout import DATASETS, LEXICON, TASKS, TRIPLES
from elva.data.records import Candidate
from elva.data.world.base import BasePlan, BaseSplit
from elva.data.world.benchmark import Benchmark, draw_cases
from elva.data.world.clips import CLIP_TASK, clip_splits
from elva.data.world.families import FamilyPlan, FamilySplit, draw_families
from elva.data.world.pools import STILL_TASKS, Progress, Split, Studio
from elva.data.world.questions import PLANS as QUESTION_PLANS
from elva.data.world.questions import write_questions
from elva.data.world.scenes import Scene
from elva.data.world.triples import as_csv, draw_triples
from elva.data.world.words import lexicon
from elva.data.writing import (
    write_instructions,
    write_lines,
    write_pool,
    write_qrels,
    write_queries,
    write_union_pool,
)
from elva.errors import DataError
from elva.whole import whole_folder

STAMP = "world.json"
_LATER = ("clips", "questions")  # parts that stamps lack where they are not there
_BESIDE = ("base", "questions")  # parts that change nothing else
FORMAT = 3  # raise it whenever the same seed would give other bytes
Size = Literal["demo", "large", "tiny"]

INSTRUCTIONS = {
    0: "Find the matching picture.",
    1: "Find the same description.",
    2: "Find the matching captioned picture.",
    3: "Find the right description.",
    4: "Find the same scene.",
    6: "Find the text that answers.",
    7: "Find the changed picture.",
    8: "Find the changed captioned picture.",
}
CLIP_INSTRUCTION = "Find the matching clip."


@dataclass(frozen=True, slots=True)
class WorldPlan:
    """How much of everything: families per split, targets per split of benchmark and clips, triples, base."""

    families: dict[str, FamilyPlan]
    targets: dict[str, int]
    triples: int
    base: BasePlan
    clips: dict[str, int]


_EACH_ONCE = dict.fromkeys(STILL_TASKS, 1)
_MORE_OF_MRBENCH = {0: 3, 1: 1, 2: 1, 3: 3, 4: 2, 6: 1, 7: 3, 8: 1}
_JUDGED = {split: FamilyPlan(60, 4, _EACH_ONCE) for split in ("val", "test")}
_BASE = BasePlan(48_000, 10_000, 16_000)
PLANS: dict[str, WorldPlan] = {
    "demo": WorldPlan(
        {
            "train": FamilyPlan(300, 8, _MORE_OF_MRBENCH),
            **_JUDGED,
        },
        {"val": 100, "test": 250},
        6000,
        _BASE,
        {"train": 250, "val": 40, "test": 100},
    ),
    # Twice as much to train on, and twice the pool to search.
    "large": WorldPlan(
        {
            "train": FamilyPlan(600, 8, _MORE_OF_MRBENCH),
            **_JUDGED,
        },
        {"val": 100, "test": 500},
        12_000,
        _BASE,
        {"train": 500, "val": 40, "test": 200},
    ),
    "tiny": WorldPlan(
        {
            "train": FamilyPlan(6, 3, _EACH_ONCE),
            "val": FamilyPlan(2, 2, _EACH_ONCE),
            "test": FamilyPlan(2, 2, _EACH_ONCE),
        },
        {"val": 2, "test": 7},
        20,
        BasePlan(16, 8, 8),
        {"train": 3, "val": 2, "test": 3},
    ),
}


@dataclass(frozen=True, slots=True)
class WorldSummary:
    """What lies on disk: queries and candidates per task name, rows per file of questions; whether it was there."""

    root: Path
    queries: dict[str, int]
    candidates: dict[str, int]
    questions: dict[str, int]
    reused: bool


def write_world(
    out: Path,
    *,
    seed: int = 0,
    size: Size = "demo",
    base: bool = False,
    clips: bool = False,
    questions: bool = False,
    progress: Progress | None = None,
) -> WorldSummary:
    """Write the world to ``out``, or reuse it when the same world lies there already.

    The tree is made beside ``out`` and renamed, so ``out`` is never half a world. The same
    arguments give the same bytes; ``base`` and ``questions`` add files and change none of the others, ``clips`` adds
    files and changes the words, the instructions and the pools of all datasets together.

    Args:
        out: the root to write.
        seed: draws everything.
        size: "demo", "large" (a larger pool, for experiments), or "tiny" for tests.
        base: also write the split "base" that trains the tiny base model.
        clips: also write the dataset "clips", task 10.
        questions: also write questions about clips, in reasoning/.
        progress: called with each picture as (part, 1), the part being dataset and split.

    Raises:
        DataError: ``out`` holds something else.
    """
    wanted: dict[str, object] = {"format": FORMAT, "seed": seed, "size": size, "base": base, "clips": clips}
    wanted["questions"] = questions
    if _is_filled(out):
        return _reuse(out, wanted)
    with whole_folder(out) as unfinished:
        watch = progress or (lambda part, done: None)
        summary = _write(unfinished, PLANS[size], seed, base, clips, watch)
        asked = write_questions(unfinished, QUESTION_PLANS[size], seed, watch) if questions else {}
        said = {name: value for name, value in wanted.items() if name not in _LATER or value}
        stamp = said | {"queries": summary.queries, "candidates": summary.candidates}
        stamp |= {"questions_of": asked} if questions else {}
        write_lines(unfinished / STAMP, [json.dumps(stamp, indent=1)])
    return replace(summary, root=out, questions=asked)


def _is_filled(out: Path) -> bool:
    return out.exists() and (not out.is_dir() or any(out.iterdir()))


def _reuse(out: Path, wanted: dict[str, object]) -> WorldSummary:
    """The summary of what lies there, if it is the world that is wanted (or that with more beside it)."""
    fix = "give another folder, or remove this one"
    stamp = out / STAMP
    if not stamp.is_file():
        raise DataError(out, None, None, "is not empty and holds no built-in world", fix)
    try:
        found = {**dict.fromkeys(_LATER, False), **json.loads(stamp.read_text(encoding="utf-8"))}
        there = WorldSummary(out, found["queries"], found["candidates"], found.get("questions_of", {}), reused=True)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(stamp, None, None, f"damaged ({error})", fix) from error
    for name, value in wanted.items():
        if found.get(name) != value and not (name in _BESIDE and found.get(name)):
            raise DataError(stamp, None, name, f"{found.get(name)!r}, not {value!r}", fix)
    return there


def _write(root: Path, plan: WorldPlan, seed: int, base: bool, clips: bool, progress: Progress) -> WorldSummary:
    words = lexicon(clips)
    world, bench = (Studio(root, name, seed, progress) for name in ("world", "mrbench"))
    taken: set[Scene] = set()
    splits = []
    for name, number in plan.targets.items():
        cases = draw_cases(number, bench.rng(f"scenes of {name}"), taken)
        splits.append(Benchmark(bench, name, words).build(cases))
    benchmark, used = set(taken), set[object]()
    for name, family_plan in plan.families.items():
        families = draw_families(family_plan, world.rng(f"scenes of {name}"), taken, used)
        splits.append(FamilySplit(world, name, words, benchmark).build(families, family_plan.queries))
    if base:
        splits.append(BaseSplit(world, words, benchmark).build(plan.base))
    if clips:
        splits += clip_splits(Studio(root, "clips", seed, progress), plan.clips, words)
    triples = draw_triples(plan.triples, world.rng("triples"), benchmark)
    write_lines(root / TRIPLES / "world_triples.csv", as_csv(triples))
    words.save(root / LEXICON)
    _write_instructions(root, clips)
    return _write_splits(root, splits)


def _write_splits(root: Path, splits: Sequence[Split]) -> WorldSummary:
    queries: dict[str, int] = {}
    candidates: dict[str, int] = {}
    for split in splits:
        for name in split.names():
            write_queries(root, name, split.queries[name.task])
            write_pool(root, name, split.pools[name.task], split_only=True)
            write_qrels(root, name, split.queries[name.task])
            queries[str(name)] = len(split.queries[name.task])
            candidates[str(name)] = len(split.pools[name.task])
    for part in dict.fromkeys(split.name for split in splits):
        write_union_pool(root, part, _union([s for s in splits if s.name == part]))
    return WorldSummary(root, queries, candidates, {}, reused=False)


def _union(splits: Sequence[Split]) -> list[Candidate]:
    """All candidates of these splits, each once."""
    return list({c.did: c for split in splits for pool in split.pools.values() for c in pool}.values())


def _write_instructions(root: Path, clips: bool) -> None:
    names = {DATASETS[name]: name for name in ("world", "mrbench", "clips")}
    prompts: dict[Key, tuple[str, ...]] = {
        (dataset, *TASKS[task]): (text,)
        for dataset in (DATASETS["world"], DATASETS["mrbench"])
        for task, text in INSTRUCTIONS.items()
    }
    if clips:
        prompts[(DATASETS["clips"], *TASKS[CLIP_TASK])] = (CLIP_INSTRUCTION,)
    write_instructions(root, prompts, names)
