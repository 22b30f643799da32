"""The sceptic's checklist answers from the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elva.analysis.evidence.arms import trials
from elva.analysis.evidence.checks import Check, checks
from elva.analysis.evidence.judged import judge
from elva.analysis.evidence.paths import reward_paths
from elva.analysis.records import read_records
from experiments import cure, curve, record, write_records


def answers(folder: Path, *records: Any) -> dict[str, Check]:
    (trial,) = trials(read_records([write_records(folder, *records)]))
    return {check.question.split("?")[0]: check for check in checks(trial, judge(trial))}


def test_equal_seconds_are_in_order_and_others_are_listed(tmp_path: Path) -> None:
    question = "Did all arms train for the same seconds"
    even = answers(tmp_path / "a", *cure())[question]
    assert even.verdict == "yes" and "longest over shortest 1.00" in even.answer
    longer = [each | ({"seconds": 66.0} if each["arm"] == "elva" else {}) for each in cure()]
    found = answers(tmp_path / "b", *longer)[question]
    assert found.verdict == "no"
    assert "longest over shortest 1.10" in found.answer and "elva 66 s (+10%)" in found.answer


def test_the_baseline_may_take_no_seconds_at_all(tmp_path: Path) -> None:
    nothing = {"seconds": 0.0, "preparation_seconds": 0.0}
    free = [each | (nothing if each["role"] == "baseline" else {}) for each in cure()]
    assert answers(tmp_path, *free)["Did all arms train for the same seconds"].verdict == "yes"


def test_an_arm_that_reads_the_start_otherwise_took_no_seconds_that_count(tmp_path: Path) -> None:
    nothing = {"updates": 0, "seconds": 0.0, "preparation_seconds": 0.0}
    longer = [each | ({"seconds": 66.0} if each["arm"] == "elva" else {}) for each in cure()]
    read = [record("read", seed, {"t": [2] * 8}, role="control", **nothing) for seed in (0, 1)]
    found = answers(tmp_path, *longer, *read)["Did all arms train for the same seconds"]
    assert found.verdict == "no" and "elva 66 s (+10%)" in found.answer and "read" not in found.answer


def test_updates_that_the_plan_gives_are_told(tmp_path: Path) -> None:
    given = [each | {"budget_seconds": None} for each in cure()]
    found = answers(tmp_path, *given)["Did all arms train for the same seconds"]
    updates = given[-1]["updates"]
    assert found.verdict == "open" and f"elva {updates}" in found.answer


def test_starts_are_compared(tmp_path: Path) -> None:
    question = "Do all arms of a seed start from the same checkpoint"
    records = cure()
    assert answers(tmp_path / "a", *records)[question].verdict == "yes"
    records[-1]["start"] = "elsewhere"
    found = answers(tmp_path / "b", *records)[question]
    assert found.verdict == "no" and "seed 1" in found.answer


def test_what_updates_follow_from_is_told_where_it_was_measured(tmp_path: Path) -> None:
    question = "Had all arms the same budget"
    assert question not in answers(tmp_path / "a", *cure())
    pace = {"baseline": None, "control": 0.25, "candidate": 0.5}
    records = [each | {"seconds_per_update": pace[each["role"]]} for each in cure()]
    found = answers(tmp_path / "b", *records)[question]
    assert found.verdict == "yes"
    assert found.answer == (
        "60 s. As measured before the runs, an update takes and own preparation took: elva 0.5 s and 2 s; "
        "more 0.25 s and 2 s; other 0.25 s and 2 s."
    )
    records[-1]["budget_seconds"] = 90.0
    found = answers(tmp_path / "c", *records)[question]
    assert found.verdict == "no" and found.answer.startswith("60 s, 90 s.")


def test_a_candidate_that_was_chosen_by_these_queries_is_told(tmp_path: Path) -> None:
    question = "Who chose the best candidate"
    assert question not in answers(tmp_path / "a", *cure()), "the default was chosen before"
    several = [record(name, 0, {"t": [1] * hits + [2] * (8 - hits)}) for name, hits in (("a", 3), ("b", 5))]
    found = answers(tmp_path / "b", *several)[question]
    assert found.answer.startswith("b: the highest mean hit@1 of 2 on")


def test_a_clear_gain_within_the_luck_of_training_is_told(tmp_path: Path) -> None:
    def gains(name: str, role: str, *hits: int) -> list[Any]:
        return [record(name, i, {"t": [1] * n + [2] * (80 - n)}, role=role) for i, n in enumerate(hits)]

    control, steady = gains("more", "control", 20, 20, 20), gains("steady", "candidate", 40, 40, 42)
    question = "Do clear gains exceed the luck of training"
    found = answers(tmp_path / "a", *control, *steady)[question]
    assert found.verdict == "yes" and "steady +22.2 to +29.4. It holds 0 for: no arm." in found.answer
    found = answers(tmp_path / "b", *control, *steady, *gains("lucky", "candidate", 22, 60, 21))[question]
    assert found.verdict == "no" and found.answer.endswith("It holds 0 for: lucky.")
    assert question not in answers(tmp_path / "c", *control)


def test_missing_seeds_are_listed(tmp_path: Path) -> None:
    found = answers(tmp_path, *cure(), record("late", 1, {"t": [1] * 8}))["Has every arm the same seeds"]
    assert found.verdict == "no" and "late lacks 0" in found.answer


def test_a_reward_that_rises_while_the_rank_falls_is_called_gamed(tmp_path: Path) -> None:
    honest, hacked = curve([-1, -0.5, 0], [3, 2, 1]), curve([-1, 0, 2], [1, 2, 4])
    records = [
        record("honest", 0, {"t": [1]}, curve=honest),
        record("hacked", 0, {"t": [1]}, curve=hacked),
        record("silent", 0, {"t": [1]}, curve=[{"step": 1, "loss": 1.0}]),
    ]
    found = answers(tmp_path, *records)["Was the reward gamed"]
    assert found.verdict == "no"
    assert "at the end: hacked. (2 arms log both.)" in found.answer
    (trial,) = trials(read_records([tmp_path]))
    (path,) = reward_paths(trial)["hacked"]
    assert (path.reward, path.worse) == (3, 3)
    assert path.points == ((0, 1), (1, 2), (3, 4))


def test_forced_summaries_are_told(tmp_path: Path) -> None:
    found = answers(tmp_path, *cure(missing_ret=0.25))["Do the summaries end by themselves"]
    assert found.verdict == "no" and "elva 25.0 %" in found.answer


def test_queries_and_clusters_are_counted(tmp_path: Path) -> None:
    found = answers(tmp_path, *cure(clusters={"t": [1, 1, 1, 1, 2, 2, 2, 2]}))["How many queries"]
    assert found.answer == "8 per run: t 8. They are 2 clusters, resampled as wholes."
