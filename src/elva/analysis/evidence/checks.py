"""What a sceptic would ask, answered from the records where they can answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from elva.analysis.evidence.arms import Trial
from elva.analysis.evidence.judged import Judged
from elva.analysis.evidence.paths import reward_paths
from elva.evaluation.significance import DRAWS, FLIPS, LEVEL

TOLERATED = 0.05
"""How far an arm's seconds may lie from the median, as a share of it, before it is listed."""

FORCED = 0.05
"""The share of summaries without [RET] from which an arm is listed."""

Verdict = Literal["yes", "no", "open"]


@dataclass(frozen=True, slots=True)
class Check:
    """A question, whether its answer is in order (`open`: a note, or not to be told from records), and the answer."""

    question: str
    verdict: Verdict
    answer: str


def checks(trial: Trial, judged: Judged) -> list[Check]:
    """The checklist of a trial."""
    return [*_fairness(trial), *_luck(trial, judged), *_gaming(trial)]


def _fairness(trial: Trial) -> Iterator[Check]:
    yield _starts(trial)
    yield _seconds(trial)
    yield from _charges(trial)
    seeds = sorted({seed for arm in trial.arms.values() for seed in arm.seeds})
    lacking = [
        f"{arm.name} lacks {_listed(missing)}"
        for arm in trial.arms.values()
        if (missing := [seed for seed in seeds if seed not in arm.seeds])
    ]
    yield Check(
        "Has every arm the same seeds?",
        "no" if lacking else "yes",
        f"Seeds {_listed(seeds)}. {'; '.join(lacking) or 'All arms have all of them'}.",
    )


def _luck(trial: Trial, judged: Judged) -> Iterator[Check]:
    queries = ", ".join(f"{task} {count:,}" for task, count in trial.queries.items())
    together = f" They are {judged.clusters:,} clusters, resampled as wholes." if judged.clusters else ""
    yield Check("How many queries?", "open", f"{sum(trial.queries.values()):,} per run: {queries}.{together}")
    family = sum(each.against_control is not None for each in judged.rows.values())
    yield Check(
        "Which tests?",
        "open",
        f"Paired by query, hits averaged over seeds: sign-flip randomisation test, two-sided, {FLIPS:,} flips, with "
        f"Holm's correction over the {family} comparisons with the strongest control; {LEVEL} % percentile bootstrap "
        f"of {DRAWS:,} draws for intervals. ± is the sample standard deviation over seeds.",
    )
    yield from _training_luck(judged)
    if control := trial.control:
        yield Check(
            "Who chose the strongest control?",
            "open",
            f"{control.name}: the highest mean hit@1 of all controls on these very queries. "
            "That choice favours the control.",
        )
    candidates = [arm.name for arm in trial.arms.values() if arm.role == "candidate"]  # best first
    if len(candidates) > 1 and not trial.default:
        yield Check(
            "Who chose the best candidate?",
            "open",
            f"{candidates[0]}: the highest mean hit@1 of {len(candidates)} on these very queries. That choice favours "
            "it: Holm's correction allows for this in p, but the difference and its interval are too good. Take them "
            "from other queries.",
        )


def _training_luck(judged: Judged) -> Iterator[Check]:
    """The tests know nothing of seeds: that they point the same way says little where they are few and arms many."""
    clear = {
        row.name: (100 * interval[0], 100 * interval[1])
        for row in judged.rows.values()
        if (against := row.against_control)
        and against.clear
        and against.found.difference > 0
        and (interval := against.found.seed_interval)
    }
    if clear:
        within = [name for name, (low, _) in clear.items() if low <= 0]
        told = "; ".join(f"{name} {low:+.1f} to {high:+.1f}" for name, (low, high) in clear.items())
        yield Check(
            "Do clear gains exceed the luck of training?",
            "no" if within else "yes",
            f"95 % interval over seeds (Student's t) of what clearly beats the strongest control, in points of hit@1: "
            f"{told}. It holds 0 for: {_listed(within) or 'no arm'}.",
        )


def _gaming(trial: Trial) -> Iterator[Check]:
    paths = reward_paths(trial)
    hacked = [name for name, each in paths.items() if all(path.reward > 0 and path.worse > 0 for path in each)]
    told = f"In every seed the reward up and the positive's rank worse at the end: {_listed(hacked) or 'no arm'}."
    yield Check(
        "Was the reward gamed?",
        "open" if not paths else "no" if hacked else "yes",
        f"{told} ({len(paths)} arms log both.)" if paths else "No arm logs both a reward and the positive's rank.",
    )
    forced = [
        f"{arm.name} {100 * share:.1f} %"
        for arm in trial.arms.values()
        if (share := fmean(run.missing_ret or 0.0 for run in arm.runs)) > FORCED
    ]
    yield Check(
        "Do the summaries end by themselves?",
        "no" if forced else "yes",
        f"Without [RET] in more than {100 * FORCED:.0f} % of the summaries: {_listed(forced) or 'no arm'}.",
    )


def _starts(trial: Trial) -> Check:
    question = "Do all arms of a seed start from the same checkpoint?"
    starts: dict[int, set[str]] = {}
    for run in (run for arm in trial.arms.values() if arm.role != "reference" for run in arm.runs):
        starts.setdefault(run.seed, set()).add(run.start)
    several = [seed for seed, each in starts.items() if len(each) > 1]
    answer = f"Several starts in seed {_listed(several)}." if several else "One checkpoint per seed."
    return Check(question, "no" if several else "yes", answer)


def _seconds(trial: Trial) -> Check:
    question = "Did all arms train for the same seconds?"
    trained = [
        arm
        for arm in trial.arms.values()
        if arm.role in ("candidate", "control") and any(run.updates for run in arm.runs)  # others read the start anew
    ]
    given = [f"{arm.name} {arm.runs[0].updates}" for arm in trained if arm.runs[0].budget_seconds is None]
    if given and len(given) == len(trained):
        return Check(question, "open", f"No: the plan gives each its updates, whatever they take: {_listed(given)}.")
    taken = {arm.name: fmean(run.seconds for run in arm.runs) for arm in trained}
    if not taken or min(taken.values()) <= 0:
        return Check(question, "open", "There are no trained candidates and controls with seconds to compare.")
    middle = median(taken.values())
    off = [
        f"{name} {seconds:.0f} s ({seconds / middle - 1:+.0%})"
        for name, seconds in taken.items()
        if abs(seconds / middle - 1) > TOLERATED
    ]
    ratio = max(taken.values()) / min(taken.values())
    answer = f"Trained candidates and controls: median {middle:.0f} s, longest over shortest {ratio:.2f}. "
    return Check(
        question,
        "no" if off else "yes",
        answer + (f"Off by more than {TOLERATED:.0%}: {_listed(off)}." if off else f"None is off by {TOLERATED:.0%}."),
    )


def _charges(trial: Trial) -> Iterator[Check]:
    """What the updates of each arm follow from, where it was measured."""
    runs = [run for arm in trial.arms.values() for run in arm.runs]
    costs = [
        f"{arm.name} {pace:.3g} s and {fmean(run.preparation_seconds for run in arm.runs):.0f} s"
        for arm in trial.arms.values()
        if (pace := arm.runs[0].seconds_per_update) is not None
    ]
    if costs:
        budgets = sorted({run.budget_seconds for run in runs if run.budget_seconds is not None})
        yield Check(
            "Had all arms the same budget?",
            "yes" if len(budgets) == 1 else "no",
            f"{_listed([f'{each:g} s' for each in budgets])}. As measured before the runs, an update takes and own "
            f"preparation took: {'; '.join(costs)}.",
        )


def _listed(words: Sequence[object]) -> str:
    return ", ".join(map(str, words))
