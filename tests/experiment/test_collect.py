"""What a record is made of: curves, and which queries belong together."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from chain import Chain, metrics
from elva.analysis.evidence.paths import RANK, REWARD
from elva.evaluation.mbeir import evaluate
from elva.experiment.collect import CURVE, clusters, judgement, thinned
from judging import FakeEncoder


def test_a_long_curve_keeps_its_ends_and_is_spread_evenly() -> None:
    points = [{"step": step} for step in range(600)]
    kept = [point["step"] for point in thinned(points)]
    assert (len(kept), kept[0], kept[-1]) == (60, 0, 599)
    assert {after - before for before, after in pairwise(kept)} <= {10, 11}
    assert thinned(points[:60]) == points[:60]


def test_every_metric_of_a_curve_is_one_that_a_training_logs(chain: Chain) -> None:
    objectives = [f"reinforce.weights.{each}=0.1" for each in ("policy", "order", "infonce", "lm")]
    rollouts = [f"reinforce.rollouts.{each}" for each in ("group_size=2", "own_caption=true")]
    chain.stage3("elva", *objectives, *rollouts, "budget.steps=1", out="objectives")
    logged = {key for run in ("stage2", "objectives") for point in metrics(chain.home / run) for key in point}
    assert set(CURVE) <= logged
    assert {REWARD, RANK} <= set(CURVE), "what the report draws"


def test_queries_of_one_thing_share_a_number_in_all_tasks() -> None:
    assert clusters({"t0": ["a", "b", "a", "", ""], "t3": ["b", "c"]}) == {"t0": (0, 1, 0, 2, 3), "t3": (1, 4)}
    assert clusters({"t0": ["a", "b", ""], "t3": [""]}) is None, "nothing is shared"
    chained = {"t0": ["ab", "c"], "t3": ["d", "bd"]}
    assert clusters(chained) == {"t0": (0, 1), "t3": (0, 0)}, "by different signs, and whatever comes first"


def test_an_evaluation_is_told_by_qid_with_the_scenes_that_queries_share(world: Path, tmp_path: Path) -> None:
    results = evaluate(world, FakeEncoder(), out=tmp_path / "e", split="test", datasets=["mrbench"])
    told = judgement(world, tmp_path / "e")
    assert told["split"] == "test"
    assert told["dominant"] == ("shape", "colour")
    for task, each in results.row["ranks"].items():
        ranks = dict(zip(each["qids"], each["best_positive"], strict=True))
        assert told["ranks"][task] == tuple(ranks[qid] for qid in sorted(ranks))
    assert len(told["clusters"]) == 4
    for each in told["clusters"].values():
        assert sorted(each) == list(range(7)), "all four tasks ask for the same seven scenes"
