"""The benchmarks run; how long they take is no test's matter."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import averaging
import codes
import contrast_memory
import contrastive
import data_at_size
import embed_ray
import encode
import estimators
import inspector
import mining_at_size
import ranking_at_size
import rerank
import search
import sizing
import two_speed
import without
from elva.grains import Grain
from elva.model.embedder import Embedder
from elva.search.inspector import Change, Heard
from measure import measured
from moments import Moments, Target, compared


@pytest.mark.parametrize("benchmark", [data_at_size, mining_at_size, contrast_memory, ranking_at_size])
def test_a_benchmark_shows_and_writes_its_figures(
    benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark.main(["--quick", "--out", str(tmp_path / "results/figures.json")])
    phases = json.loads((tmp_path / "results/figures.json").read_text())["phases"]
    shown = capsys.readouterr().out
    for phase, (figures,) in phases.items():
        assert f"| {phase} | " in shown
        assert all(figure >= 0 for figure in figures.values()) and figures["peak"] >= figures["before"]


@pytest.mark.parametrize("benchmark", [encode, contrastive])
def test_a_benchmark_beside_a_peer_agrees_with_it_and_shows_how_much_faster_it_is(
    benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark.main(["--quick", "--out", str(tmp_path / "results/figures.json")])
    ratios = json.loads((tmp_path / "results/figures.json").read_text())["ratios"]["vs_sentence_transformers"]
    shown = capsys.readouterr().out
    for name, figures in ratios.items():
        assert f"| {name} | " in shown
        assert 0 < figures["min"] <= figures["median"] <= figures["max"]


@pytest.mark.long
def test_averaging_shows_how_much_longer_more_summaries_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    averaging.main(["--quick", "--out", str(tmp_path / "figures.json")])
    shown = capsys.readouterr().out
    for bottleneck, counts in json.loads((tmp_path / "figures.json").read_text())["ratios"].items():
        assert counts["1"]["median"] == 1
        assert all(f"| {bottleneck} | {count} | " in shown for count in counts)


@pytest.mark.long
def test_reranking_is_shown_beside_the_search_that_it_follows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rerank.main(["--quick", "--out", str(tmp_path / "figures.json")])
    shown = capsys.readouterr().out
    ratios = json.loads((tmp_path / "figures.json").read_text())["ratios"]
    assert len(ratios) == 6
    assert all(f"| {name} | " in shown for name in ratios)
    assert ratios["search, one by one"]["median"] == ratios["search, together"]["median"] == 1


@pytest.mark.long
def test_searching_is_shown_beside_what_stands_below_it_and_nothing_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search.main(["--quick", "--out", str(tmp_path / "figures.json")])
    shown = capsys.readouterr().out
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {*figures["ratios"]["vs_bare"]} == {"lance, 500", "exact, 500"}
    for store, row in figures["stores"]["500"].items():
        assert {*row["recall"].values()} == {1} and f"| {store} | 500 | " in shown
    assert {*figures["service"]["beside"]} == {"words", "like an item"}
    for row in figures["service"]["loads"].values():
        assert row["statuses"] == {"200": row["requests"]}
    end = figures["service"]["stopped"]
    assert end["lost"] == end["exit_status"] == 0 and end["answered"].keys() == {"200"}
    assert ", 0 lost, " in shown


def test_codes_are_shown_beside_whole_vectors_and_rescoring_finds_what_they_lose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes.main(["--quick", "--out", str(tmp_path / "figures.json")])
    shown = capsys.readouterr().out
    rows = json.loads((tmp_path / "figures.json").read_text())["rows"]["clustered"]
    assert all(f"| {name} | {row['bytes']:,} | {row['recall']:.3f} | " in shown for name, row in rows.items())
    assert rows["float32"]["recall"] == rows["elva index --codes none"]["recall"] == 1
    assert rows["binary, 1/4"]["recall"] < rows["binary"]["recall"] < rows["binary, rescored"]["recall"]
    assert [rows[name]["bytes"] for name in ("float32", "int8", "binary", "binary, 1/4")] == [1024, 256, 32, 8]


def test_vectors_drawn_around_real_ones_keep_their_spread() -> None:
    rng = np.random.default_rng(0)
    real = codes.unit(rng.standard_normal((500, 16)) * np.linspace(2, 0.2, 16) + 0.5)
    drawn = codes.around(real, 4000, rng)
    assert drawn.shape == (4000, 16) and np.allclose(np.linalg.norm(drawn, axis=1), 1, atol=1e-5)
    assert len(np.unique(drawn, axis=0)) == 4000
    own, other = (np.linalg.eigvalsh(np.cov(each.T))[::-1] for each in (real, drawn))
    assert np.allclose(own / own.sum(), other / other.sum(), atol=0.03)


def test_sizes_follow_from_bytes_and_prices(capsys: pytest.CaptureFixture[str]) -> None:
    given = sizing.Given(1e15, 1e12, 0.5, 2.0, 5.0, 0.1, filled=0.5, machine_gb=100, rest=500)
    assert sizing.kept(1e9, 100, 900, False, given) == "1,000 GB of disk, $100 a month"
    assert sizing.kept(1e9, 100, 900, True, given) == "100 GB in 2 machines, $1,090 a month"
    sizing.main(["--items", "36e5", "--reached", "1"])
    row = next(line.split(" | ") for line in capsys.readouterr().out.splitlines() if "2B | reading" in line)
    hours, money = (float(word.strip("$,")) for word in row[4].replace(" |", "").split() if word[0] in "$0123456789")
    assert hours == pytest.approx(float(row[2]), abs=0.5), "3.6 million items of a millisecond each are an hour"
    assert money == pytest.approx(3 * float(row[2]), abs=0.5)


@pytest.mark.long
@pytest.mark.skipif(not find_spec("ray"), reason='Ray is not installed: pip install -e ".[ray]"')
def test_a_cluster_is_shown_beside_one_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    embed_ray.main(["--quick", "--out", str(tmp_path / "figures.json")])
    rows = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert set(rows) == {embed_ray.ALONE, "Ray, 1 actors"}
    assert "items/s beyond" in capsys.readouterr().out


def test_a_line_through_two_corpora_parts_the_start_from_the_rate() -> None:
    row = embed_ray.line([12.0], [3.0], items=1000, least=100)
    assert row == {"seconds": 12.0, "start": pytest.approx(2.0), "items_per_second": pytest.approx(100.0)}


def test_two_speeds_are_shown_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_speed.main(["--quick", "--out", str(tmp_path / "figures.json")])
    shown = capsys.readouterr().out
    rows = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert [*rows] == ["fast", "generative", "fast, first 3 refined", "index, fast", "index, generative"]
    assert all(f"| {name} | " in shown for name in rows)
    assert 0 < rows["fast, first 3 refined"]["refined_share"] <= 1
    assert rows["generative"]["times_as_fast"]["median"] == 1


def test_memory_is_that_of_the_thing_measured(tmp_path: Path) -> None:
    rows = tmp_path / "mbeir_rows.jsonl"
    rows.write_text('{"txt": "a row of some length"}\n' * 50_000)
    (dropped,) = measured(data_at_size.dropped, tmp_path).values()
    (kept,) = measured(data_at_size.kept, tmp_path).values()
    assert kept.peak - kept.before > 10 > dropped.peak - dropped.before


@pytest.mark.long
def test_estimators_shows_and_writes_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    estimators.main(["--quick", "--out", str(tmp_path / "figures.json")])
    shown = capsys.readouterr().out
    measures = json.loads((tmp_path / "figures.json").read_text())["ratios"]
    assert [*measures] == [*estimators.FORMS]
    for name, own in measures.items():
        assert f"| {name} | " in shown
        assert own["seconds"][0] > 0


def test_noise_is_not_taken_for_bias() -> None:
    """Gradients of 400 numbers, mean 1 each: the other form leans by half of that in half of them, with less noise."""
    generator = torch.Generator().manual_seed(0)
    lean = torch.tensor([0.5, 0.0]).repeat_interleave(200)
    targets = {name: Target("plain") for name in ("plain", "leaning", "noisy")}
    targets |= {"halved": Target("plain", 2), "leaning, of any length": Target("plain", None)}
    scenes = []
    for _ in range(2):
        moments = Moments([*targets], 8)
        for repeat in range(64):
            noise, other = torch.randn(2, 400, generator=generator) * 4
            moments.add("plain", repeat // 8, 1 + noise)
            for name in ("leaning", "leaning, of any length"):
                moments.add(name, repeat // 8, 1 + lean + noise / 2)
            moments.add("noisy", repeat // 8, 1 + noise + other)
            moments.add("halved", repeat // 8, (1 + noise) / 2)
        scenes.append(moments.sums())
    found = compared(scenes, targets, "plain")

    def near(name: str, measure: str, expected: float) -> bool:
        value, error = found[name][measure]
        return abs(value - expected) < max(4 * error, 1e-5) and error < 0.3 * max(expected, 1)

    assert near("plain", "noise", 16) and near("plain", "bias", 0)
    assert near("leaning", "bias", 0.125) and near("leaning", "variance", 0.25)
    assert near("leaning", "cosine", 1.25 / (0.5 * (1.5**2 + 1)) ** 0.5)
    assert near("noisy", "bias", 0) and near("noisy", "variance", 2)
    assert near("halved", "bias", 0) and near("halved", "variance", 1)
    assert near("leaning, of any length", "variance", 0.25 / 1.25**2), "half its lean points the right way"


def test_forms_of_minus_queries_are_compared_on_the_world(world: Path) -> None:
    rows = without.compare(world, Embedder.load("tiny-base"), least=1)
    assert [name for name, *_ in rows][:2] == ["the query alone", "in words: not"]
    assert all(0 <= share <= 1 for _, *shares in rows for share in shares)


def test_verdicts_of_the_inspector_are_set_beside_what_the_model_gets_right(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inspector.main([str(world), "--model", "tiny-base", "--queries", "4"])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["| ignored", "| in doubt", "| heard"]
    assert sum(int(row[1]) for row in rows) > 0


def test_a_near_miss_counts_only_where_all_grains_of_its_kind_were_judged_alike() -> None:
    def heard(kind: str, ignored: bool | None, clearly: bool | None = False) -> Heard:
        return Heard(Grain(kind, "a"), 0.1, 1.0, ignored, clearly, "", Change((), (), ()))

    grains = [heard("colour", True), heard("colour", True), heard("size", True), heard("size", False)]
    grains += [heard("shape", False, True), heard("fill", False), heard("pose", None, None)]
    assert inspector.verdicts(grains) == {"colour": "ignored", "shape": "heard", "fill": "in doubt"}
