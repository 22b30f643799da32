"""`elva experiment` from end to end, on the smallest world."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from elva.analysis.evidence.report import write_evidence
from elva.analysis.records import read_record
from elva.errors import InputError
from elva.experiment.laboratory import Choice, run_experiment
from experiment.small import plan_row, start_forked, written


class Started:
    """Starts jobs, and remembers which."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.names: list[str] = []

    def __call__(self, command: Sequence[str], log: Path) -> int:
        self.names.append(log.stem)
        return start_forked(command, log)


def test_arms_and_seeds_leave_their_records_and_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    row = plan_row()
    row["arms"]["averaged"] = {"role": "candidate", "read": ["summaries=3"]}
    row["arms"]["three"] = {"extends": "more", "updates": 3}
    plan, out, results = written(tmp_path, row), tmp_path / "lab", tmp_path / "results"
    started = Started()
    judged = run_experiment(plan, out, results, Choice(arms=["stage2", "more", "averaged", "three"]), start=started)
    assert judged == (8, results / "small")
    runs = {path.name for path in results.rglob("*-s*.json")}
    assert runs == {f"{arm}-s{seed}.json" for arm in ("stage2", "more", "averaged", "three") for seed in (0, 1)}
    trained = read_record(results / "small/world/more-s0.json")
    kept = json.loads((results / "small/pace.json").read_text())["world"]
    pace = kept["arms"]["more"]["seconds_per_update"]
    assert (trained.seconds_per_update, trained.preparation_seconds) == (pace, 0.0)
    assert trained.updates == int(0.4 / pace), "captions are the start's, so nobody is charged for them"
    assert [point["step"] for point in trained.curve][:3] == [0, 1, 2]
    assert {task: len(ranks) for task, ranks in trained.ranks.items()} == {
        "mrbench_task0_val": 2,
        "mrbench_task3_val": 2,
    }
    fixed = read_record(results / "small/world/three-s0.json")
    assert (fixed.updates, fixed.seconds_per_update, fixed.budget_seconds) == (3, None, None)
    assert "three" not in kept["arms"]
    start = read_record(results / "small/world/stage2-s1.json")
    assert (start.updates, start.seconds, start.budget_seconds, start.recipe) == (0, 0.0, None, "")
    assert start.named["colour"][1] > 0
    averaged = read_record(results / "small/world/averaged-s1.json")
    assert (averaged.updates, averaged.settings) == (0, ("elva.json summaries=3",))
    assert averaged.named == start.named, "the summaries that are told are the greedy ones"
    assert start.start == read_record(results / "small/world/more-s1.json").start != trained.start
    (section,) = write_evidence([results / "small"], out / "report.html")
    assert {check.question: check.verdict for check in section.checks}["Had all arms the same budget?"] == "yes"

    # one run is lost, one is cut off, and an arm joins
    (out / "world/seed-1/arms/more/model/config.json").unlink()
    (results / "small/world/stage2-s0.json").unlink()
    again = Started()
    with pytest.raises(InputError, match=r"(?s)job 'world s0 mined' failed.*a budget of 0\.4 s less"):
        run_experiment(plan, out, results, Choice(seeds=[0]), start=again)
    assert again.names == ["world-s0-prepare-negatives", "world-pace"]
    assert (results / "small/world/stage2-s0.json").exists(), "a record is written again without its run"
    third = Started()
    run_experiment(plan, out, results, Choice(arms=["stage2", "more"]), start=third)
    assert third.names == ["world-s1-more", "world-s1-more-judged"]
    assert json.loads((results / "small/pace.json").read_text())["world"]["arms"]["more"] == kept["arms"]["more"]


def test_answers_in_words_are_judged_and_recorded_as_rankings_are(tmp_path: Path) -> None:
    row = plan_row()
    data = {"world": {"size": "tiny", "questions": True}, "judge": {"questions": "reasoning/seed-bench-r1"}}
    row |= {"seeds": [0], "data": {"asked": data}}
    tuned = {"role": "control", "recipe": "reasoning/sft", "below": "reasoning/seed-bench-r1", "updates": 2}
    row["arms"] = {
        "base": {"role": "baseline"},
        "sft": {**tuned, "settings": ["answer.questions_per_step=2", "log.every_steps=1"]},
    }
    results = tmp_path / "results"
    run_experiment(written(tmp_path, row), tmp_path / "lab", results, start=start_forked)
    record = read_record(results / "small/asked/sft-s0.json")
    assert (record.split, record.updates, [*record.ranks]) == ("validation", 2, ["L1", "L2", "L3"])
    assert {rank for ranks in record.ranks.values() for rank in ranks} <= {1, None}
    assert len({*record.mean.values()}) == 1, "an answer is right or wrong"
    (section,) = write_evidence([results / "small"], tmp_path / "report.html")
    assert section.checks
