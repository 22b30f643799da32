"""A step of stage 3 beside its peers: the straightforward way, TRL's trainer, and the least it can take.

    python benchmarks/stage3.py

`tiny-base` on the built-in world, G = 8, 50 mined and 50 random negatives per query: everything up to the gradient in
the weights is timed, in turn, each round on the scene of another step. Before that the two gradients are compared on
the same summaries, and some batch sizes of the peers are tried: the fastest is taken.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch

from floor import Counts as SceneCounts
from floor import Part, Sizes, copy_rate, float32_rate, floor, table
from growth import POINTS, QUICK, growth
from growth import table as growth_table
from interleaved import Runs, ratio, rounds, save, spread
from lessons import PAPER, SMALLEST, TEXTS, Lessons, overheard, write_ground
from measure import Figures, Meter, measured, options
from passes import Passes, counted, looking, sizes_of
from straightforward import Straightforward, difference, gradient_of
from trl_peer import seconds_per_token

SINGLE = "reinforce.policy.pairings=single"
SHARED = ["reinforce.shared_negatives=true", "reinforce.hard_negatives=6", "reinforce.random_negatives=6"]
ESTIMATORS: Mapping[str, Sequence[str]] = {
    "single": [SINGLE],
    "single, 4 nearest negatives": [SINGLE, "reinforce.policy.gradient_negatives=4"],
    "single, 12 own negatives, others shared": [SINGLE, *SHARED],
}
"""Forms of the gradient that are not the exact one: name -> settings of the recipe. Each is timed beside `OURS`."""

OURS, PLAIN = "ours", "straightforward"
CROWDED, POOL = "ours, {} candidates for all queries", 280
"""Where the pools of a step's queries are small, they share candidates; the straightforward way gains nothing by it."""
AGREES = 1e-4
"""Largest difference of the two gradients, relative to the largest number in them."""
ROWS, TRL_ROWS = (32, 128, 408), (34, 136)
"""What is tried: sequences that the straightforward way, and TRL, read at once."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the ground, compare, show, save."""
    parser = options(__doc__, "stage3")
    parser.add_argument("--queries", type=int, default=8, help="queries of a step")
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.repeats, asked.queries = 1, 2
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_ground(home, asked.quick)
        compare(home, asked)


def compare(home: Path, asked: argparse.Namespace) -> None:
    """All of it, on the ground that lies there."""
    size = SMALLEST if asked.quick else PAPER
    rows = 6 if asked.quick else fastest_rows(home, size)
    settings = [*size, f"reinforce.queries_per_step={asked.queries}"]
    apart = agreement(Lessons(home, settings), rows)
    pool = 4 if asked.quick else POOL
    runs = rounds({name: in_turn(work) for name, work in arms(home, settings, rows, pool).items()}, asked.repeats)
    alone = [*size, "reinforce.queries_per_step=1"]
    texts = Lessons(home, alone, TEXTS)
    per_token = beside_trl(texts, asked.repeats, [5] if asked.quick else TRL_ROWS)
    memory = held(home, settings, rows, asked.quick)
    points = QUICK if asked.quick else POINTS
    grown, growing = growth_table(growth(home, asked.repeats, points), points)
    floors, least = floor_tables(Lessons(home, settings))
    ratios = {
        "vs_straightforward": ratio(runs, PLAIN, OURS),
        "vs_straightforward_small_pool": ratio(runs, PLAIN, CROWDED.format(pool)),
        "vs_trl": ratio(per_token, "trl", "ours"),
        "estimators_vs_exact": {name: ratio(runs, OURS, name) for name in ESTIMATORS},
        "estimators_vs_straightforward": {name: ratio(runs, PLAIN, name) for name in ESTIMATORS},
    }
    print("", arms_table(runs, memory), trl_table(per_token), grown, *floors, sep="\n\n")
    save(
        asked.out,
        ratios,
        settings={"recipe": settings, "texts": alone, "rows": rows, "repeats": asked.repeats},
        gradient_difference=apart,
        seconds=runs,
        seconds_per_token=per_token,
        memory={name: asdict(figures) for name, figures in memory.items()},
        growth=growing,
        floor=least,
    )


# -- what is timed -----------------------------------------------------------------------------------------------


def arms(home: Path, settings: Sequence[str], rows: int, pool: int) -> dict[str, Callable[[int], object]]:
    """Name -> the step of this number: the exact gradient, its estimators, and the straightforward way."""
    exact, crowded = Lessons(home, settings), Lessons(home, settings, pool=pool)
    estimators = {name: Lessons(home, [*settings, *changed]) for name, changed in ESTIMATORS.items()}
    return {OURS: exact, CROWDED.format(pool): crowded, **estimators, PLAIN: plain_step(exact, rows)}


def plain_step(lessons: Lessons, rows: int) -> Callable[[int], None]:
    """The straightforward way through the scenes of these lessons."""
    peer = straightforward(lessons, rows)

    def step(number: int) -> None:
        torch.manual_seed(number)
        peer.gradients(lessons.scene(number))
        peer.model.zero_grad(set_to_none=True)

    return step


def straightforward(lessons: Lessons, rows: int) -> Straightforward:
    """With a copy of the model, as it is now."""
    processor, longest = lessons.embedder.processor, lessons.recipe.reinforce.rollouts.max_new_tokens
    model = deepcopy(lessons.embedder.backbone.plain)
    return Straightforward(model, processor, lessons.recipe, longest or processor.settings.max_summary, rows)


def in_turn(work: Callable[[int], object]) -> Callable[[], object]:
    """Does a step at a time, from 0."""
    numbers = count()
    return lambda: work(next(numbers))


def fastest_rows(home: Path, size: Sequence[str]) -> int:
    """Sequences per forward of the straightforward way."""
    one = Lessons(home, [*size, "reinforce.queries_per_step=1"])
    return fastest({rows: plain_step(one, rows) for rows in ROWS})


def fastest(works: Mapping[int, Callable[[int], object]]) -> int:
    """That of the works which takes the least time for some steps, the same ones for all."""
    runs = rounds({str(size): in_turn(work) for size, work in works.items()}, 2)
    return int(min(runs, key=lambda name: sum(runs[name])))


def agreement(lessons: Lessons, rows: int) -> float:
    """How far the two gradients are apart on the same summaries, relative to the largest number in them.

    An item that several queries share has one summary per rollout in ours; the straightforward way gets it each time.

    Raises:
        RuntimeError: too far: the two don't do the same work.
    """
    with overheard() as heard:
        lessons.gradients(0)
    ours = gradient_of(lessons.embedder.backbone.plain)
    lessons.forget()
    peer = straightforward(lessons, rows)
    padded = heard[0].tokens.where(heard[0].mask, lessons.embedder.processor.pad_id)
    peer.gradients(lessons.scene(0), padded)
    apart = difference(ours, gradient_of(peer.model))
    print(f"  gradients on the same summaries are {apart:.1e} apart", flush=True)
    if not apart <= AGREES:
        raise RuntimeError(f"the gradients are {apart:.1e} apart, more than {AGREES:g}: no ratio of times would count")
    return apart


def beside_trl(lessons: Lessons, repeats: int, sizes: Sequence[int]) -> Runs:
    """Seconds per written token of ours and of TRL's trainer, at that of these sizes at which it is fastest."""
    if len(sizes) > 1:
        tried = {rows: seconds_per_token(lessons, 1, rows)["trl"] for rows in sizes}
        sizes = [min(tried, key=lambda rows: min(tried[rows]))]
        print(f"  TRL reads {sizes[0]} sequences at once", flush=True)
    return seconds_per_token(lessons, repeats, sizes[0])


# -- memory ------------------------------------------------------------------------------------------------------


def held(home: Path, settings: Sequence[str], rows: int, quick: bool) -> dict[str, Figures]:
    """What the first step of each takes, in processes of their own."""
    found: dict[str, Figures] = {}
    for work, given in ((first_step, (OURS, home, settings, 0)), (first_step, (PLAIN, home, settings, rows))):
        if quick:
            meter = Meter()
            work(meter, *given)
            meter.stop()
            found |= meter.phases
        else:
            found |= measured(work, *given)
    return found


def first_step(meter: Meter, name: str, home: Path, settings: Sequence[str], rows: int) -> None:
    """One step of ours, or with `rows` that of the straightforward way."""
    lessons = Lessons(home, settings)
    work = plain_step(lessons, rows) if rows else lessons
    meter.begin()
    work(0)
    meter.end(name)


# -- tables ------------------------------------------------------------------------------------------------------


def arms_table(runs: Runs, memory: Mapping[str, Figures]) -> str:
    """Seconds and memory of each arm in Markdown, and how many times faster than two of them it is."""
    lines = [
        f"| a step of stage 3 | seconds | least to most | faster than {PLAIN} | than {OURS} | MB at most | MB more |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, seconds in runs.items():
        own, figures = spread(seconds), memory.get(name)
        cells = [name, f"{own['median']:.2f}", f"{own['min']:.2f} to {own['max']:.2f}"]
        for peer in (PLAIN, OURS):
            by = ratio(runs, peer, name)
            cells.append("" if peer == name else f"{by['median']:.2f} ({by['min']:.2f} to {by['max']:.2f})")
        cells += [f"{figures.peak:,.0f}", f"{figures.peak - figures.before:,.0f}"] if figures else ["", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def trl_table(per_token: Runs) -> str:
    """Microseconds per token in Markdown."""
    beside = ratio(per_token, "trl", "ours")
    lines = ["| texts alone | microseconds a written token | ours is faster by |", "| --- | ---: | ---: |"]
    by = {"ours": "", "trl": f"{beside['median']:.2f} ({beside['min']:.2f} to {beside['max']:.2f})"}
    lines += [f"| {name} | {1e6 * spread(own)['median']:,.0f} | {by[name]} |" for name, own in per_token.items()]
    return "\n".join(lines)


def floor_tables(lessons: Lessons) -> tuple[list[str], dict[str, Any]]:
    """Of the tiny model beside what it takes, and of Qwen2-VL-2B, at the rates of this machine."""
    counts = counted(lessons, 0)
    taken = {"vision": looking(lessons, 0), **Passes().of(lambda: lessons(0))}
    flops, moved = float32_rate(), copy_rate()
    sizes = sizes_of(lessons.embedder.backbone)
    tiny = table(floor(sizes, counts), flops, moved, taken)
    large = table(floor(Sizes(), SceneCounts(), lora=True), flops, moved)
    ours, plain = (
        sum(part.flops for part in parts.values()) for parts in (floor(sizes, counts), apart(sizes, lessons))
    )
    shown = [
        f"{flops / 1e9:.1f} GFLOP/s in a product of matrices, {moved / 1e9:.1f} GB/s in a copy.",
        f"tiny-base, {_told(counts)}:",
        tiny[0],
        f"The straightforward way computes {plain / 1e9:,.0f} GFLOP at the least, {plain / ours:.2f} times as many.",
        f"Qwen2-VL-2B with LoRA, {_told(SceneCounts())}:",
        large[0],
    ]
    least = {"flops_per_second": flops, "bytes_per_second": moved, "tiny": tiny[1], "2b": large[1]}
    return shown, {**least, "counts": asdict(counts), "straightforward_flops": plain}


def apart(sizes: Sizes, lessons: Lessons) -> dict[str, Part]:
    """The floor where nothing is shared: in each pass every rollout of every query's items reads turn and picture."""
    scene, counts = lessons.scene(0), counted(lessons, 0)
    rollouts = scene.sets.numel() + len(scene.queries)
    pictures = round(rollouts * counts.pictures / counts.items)
    alone = replace(counts, items=rollouts * counts.group, pictures=pictures * counts.group, group=1)
    parts = floor(sizes, alone)
    seen = parts["vision"]
    return {**parts, "vision": Part(3 * seen.tokens, 3 * seen.flops)}


def _told(counts: SceneCounts) -> str:
    return (
        f"{counts.items} items of {counts.text:.0f} text tokens, {counts.pictures} of them with a picture of "
        f"{counts.visual:.0f} visual tokens, {counts.group} summaries of {counts.written:.1f} tokens each"
    )


if __name__ == "__main__":
    main()
