"""The commands end to end, with a model made of word vectors in place of the real one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from fastapi.testclient import TestClient
from PIL import Image
from typer.testing import CliRunner

from data.published import SUB_TASKS, published
from elva.cli import embedding, indexing, options, report, search, train
from elva.cli.app import app
from elva.cli.evaluating import mbeir
from elva.cli.options import RerankMode
from elva.data import published_counts
from elva.data.opening import Selection
from elva.evaluation.cluster import Embedded
from elva.evaluation.ray_cluster import Team
from elva.evaluation.store import Counts
from elva.index.address import Address
from elva.index.opening import open_index
from elva.index.pointer import Pointer
from elva.model.embedder import Embedder
from elva.search.rerank import Reranker
from elva.search.searcher import Searcher
from elva.service.app import create_app
from experiments import cure, write_records
from judging import FakeEncoder, write_root
from smallest import smallest_embedder


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path / "data")


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Commands get a fake model; the names that they asked for."""
    names: list[str] = []

    def load(model: str, *_: object) -> FakeEncoder:
        names.append(model)
        return FakeEncoder(model)

    for module in (embedding, indexing, options, report, train):
        monkeypatch.setattr(module, "load_embedder", load)
    return names


def test_world_then_check(tmp_path: Path) -> None:
    out = tmp_path / "world"
    assert "queries" in run("world", out, "--size", "tiny").stdout
    assert "It was there already." in run("world", out, "--size", "tiny").stdout
    checked = run("data", "check", out)
    assert "is sound" in checked.stdout
    assert "good rows in query/" in checked.stdout


def table(folder: Path) -> Path:
    """Forty products of five colours and two types, the last without its picture."""
    rows = ["image,title,colour,type"]
    for number in range(40):
        colour = ("red", "blue", "green", "black", "white")[number % 5]
        kind = ("shirt", "shoe")[number // 5 % 2]
        if number < 39:
            Image.new("RGB", (16, 16), (number, number, number)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,Fine {colour} {kind} {number},{colour},{kind}")
    path = folder / "products.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_import_then_check(tmp_path: Path) -> None:
    arguments = ["import", table(tmp_path), "--entity", "type", "-a", "colour", "-a", "type"]
    arguments += ["--rename", "colour=hue", "--out", tmp_path / "data"]
    refused = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert refused.exit_code == 2
    assert "39.png" in refused.stderr
    assert not (tmp_path / "data").exists()
    imported = run(*arguments, "--skip-bad-rows")
    assert "1 bad rows left out" in imported.stdout
    assert "hue: 5 values" in imported.stdout
    assert "39.png" in imported.stderr
    assert "is sound" in run("data", "check", tmp_path / "data").stdout


def test_check_counts_sub_tasks_and_a_subset_is_sound(root: Path, tmp_path: Path) -> None:
    shown = run("data", "check", root).stdout
    assert "32         32  mrbench_task0_test\n" in shown
    assert "published" not in shown
    assert "M-BEIR" not in shown
    drawn = run("data", "subset", root, "--split", "test", "--share", 0.25, "--out", tmp_path / "part").stdout
    assert "mrbench_task0_test: 8 of 32 queries, 32 candidates" in drawn
    assert "16 queries" in drawn
    assert "8         32  mrbench_task3_test" in run("data", "check", tmp_path / "part").stdout


def test_check_sets_mbeir_s_counts_beside_the_published_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = published(tmp_path)
    shown = run("data", "check", root, "--no-images").stdout
    assert "2         11  cirr_task7_test  differs from the published 4,170, pool 21,551\n" in shown
    assert "4          -  oven_task6_train  differs from the published 150K\n" in shown
    assert "0 of 48 sub-tasks have the published counts; a subset, or an incomplete download?\n" in shown
    assert "not here" not in shown
    monkeypatch.setattr(
        published_counts, "COUNTS", {name: ("4", "2", "2", "3" if "mscoco" in name else "11") for name in SUB_TASKS}
    )
    shown = run("data", "check", root, "--no-images").stdout
    assert "2         11  cirr_task7_test  published: 2, pool 11\n" in shown
    assert "48 of 48 sub-tasks have the published counts\n" in shown
    (root / "query/val/mbeir_cirr_task7_val.jsonl").unlink()
    (root / "query/train/mbeir_nights_train.jsonl").unlink()
    shown = run("data", "check", root, "--no-images", "--split", "train", "--split", "val").stdout
    assert "30 of 30 sub-tasks have the published counts\n" in shown
    assert "M-BEIR's sub-tasks that are not here: nights_task4_train, cirr_task7_val\n" in shown


def test_check_reports_every_bad_row(root: Path) -> None:
    pictures = sorted((root / "mbeir_images").iterdir())
    pictures[0].unlink()
    pictures[1].write_bytes(pictures[1].read_bytes()[:80])
    result = CliRunner().invoke(app, ["data", "check", str(root)])
    assert result.exit_code == 2
    assert pictures[0].name in result.stderr
    assert pictures[1].name in result.stderr
    assert "Traceback" not in result.output


def test_evaluate_prints_the_table_it_wrote(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "eval"
    shown = run("evaluate", "mbeir", root, "--model", "m", "--out", out, "--task", 0).stdout
    assert (out / "table.md").read_text() in shown
    assert list(json.loads((out / "results.json").read_text())["tasks"]) == ["mrbench_task0_test"]


def test_evaluate_says_how_many_queries_the_qrels_lack(root: Path, tmp_path: Path) -> None:
    qrels = root / "qrels/test/mbeir_mrbench_task0_test_qrels.txt"
    qrels.write_text("".join(qrels.read_text().splitlines(keepends=True)[5:]))
    shown = run("evaluate", "mbeir", root, "-m", "m", "--out", tmp_path / "e", "--task", 0).stdout
    assert "5 queries that the qrels files lack were judged by their own positives." in shown


def test_evaluate_takes_an_instruction_by_number_or_by_qid(root: Path, tmp_path: Path, loaded: list[str]) -> None:
    arguments = ["evaluate", "mbeir", root, "-m", "m", "--task", 0, "--instruction"]
    run(*arguments, "2", "--out", tmp_path / "2")
    run(*arguments, "qid", "--out", tmp_path / "qid")
    for choice in (2, "qid"):
        assert json.loads((tmp_path / f"{choice}/results.json").read_text())["instruction_choice"] == choice
    loaded.clear()
    for wrong in ("-1", "did", "1.5"):
        refused = CliRunner().invoke(app, [*map(str, arguments), wrong, "--out", str(tmp_path / "no")])
        assert refused.exit_code == 2
        assert "a number from 0, or qid" in refused.output
    assert loaded == [], "refused before the model is loaded"


def test_evaluate_warns_on_stderr_of_what_makes_figures_worthless(root: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", "mbeir", str(root), "-m", "m", "--out", str(tmp_path / "e")])
    (warning,) = json.loads((tmp_path / "e/results.json").read_text())["warnings"]
    assert warning["kind"] == "missing_ret"
    assert f"warning: {warning['message']}\n" in result.stderr


def test_evaluate_asks_the_pool_of_all_data_sets(world: Path, tmp_path: Path, loaded: list[str]) -> None:
    arguments = ["evaluate", "mbeir", world, "-m", "m", "--dataset", "mrbench", "--task", 0, "--out", tmp_path / "e"]
    shown = run(*arguments, "--pool", "both").stdout
    assert "| mrbench_task0_test | " in shown and "| mrbench_task0_test@global | " in shown
    refused = CliRunner().invoke(app, [*map(str, arguments), "--pool", "global", "--rerank", "5"])
    assert refused.exit_code == 2
    assert "--pool goes with a model's own ranking" in " ".join(refused.output.split())


def test_evaluate_keeps_vectors_in_a_cache(root: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", "mbeir", root, "-m", "m", "--cache", tmp_path / "cache"]
    for out in ("a", "b"):
        run(*arguments, "--out", tmp_path / out)
    assert (tmp_path / "a/results.json").read_bytes() == (tmp_path / "b/results.json").read_bytes()
    assert len([*(tmp_path / "cache").rglob("vectors.npy")]) > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cache", "c", "--vectors", "v"], "give --vectors or --cache, not both"),
        (["--processes", "2", "--rerank", "5"], "--processes embed: give --model, and leave out --rerank"),
    ],
)
def test_evaluate_refuses_what_does_not_go_together(
    root: Path, tmp_path: Path, loaded: list[str], options: list[str], said: str
) -> None:
    arguments = ["evaluate", "mbeir", str(root), "-m", "m", "--out", str(tmp_path / "e"), *options]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert said in " ".join(refused.output.replace("│", " ").split())
    assert loaded == [], "before a model is loaded"


def test_embedding_first_gives_the_same_figures(root: Path, tmp_path: Path) -> None:
    shown = run("embed", root, "-m", "m", "--out", tmp_path / "vectors").stdout
    assert "128 vectors" in shown
    run("evaluate", "mbeir", root, "-m", "m", "--out", tmp_path / "a")
    run(
        "evaluate",
        "mbeir",
        root,
        "-m",
        "m",
        "--out",
        tmp_path / "b",
        "--vectors",
        tmp_path / "vectors",
    )
    first, second = (json.loads((tmp_path / x / "results.json").read_text()) for x in "ab")
    assert first["tasks"] == second["tasks"]


def test_an_index_is_made_from_vectors_of_a_data_folder(root: Path, tmp_path: Path) -> None:
    run("embed", root, "-m", "m", "--out", tmp_path / "vectors")
    told = run("index", root, "-m", "m", "--vectors", tmp_path / "vectors", "--out", tmp_path / "i").stdout
    assert "64 new" in told and "0 embedded" in told
    assert "64 were embedded before" in told
    pictures = root / "mbeir_images"
    arguments = ["index", pictures, "-m", "m", "--vectors", tmp_path / "vectors", "--out", tmp_path / "j"]
    refused = CliRunner().invoke(app, [*map(str, arguments)])
    assert refused.exit_code == 2
    assert "--vectors go with a data folder" in " ".join(refused.output.replace("│", " ").split())


def test_embedding_on_a_cluster_hands_on_what_was_asked(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def embed_on_cluster(
        root: Path, load: object, out: Path, team: Team, selection: Selection, **rest: Any
    ) -> Embedded:
        asked.extend([out, team, selection, rest["model_folder"]])
        return Embedded(Counts(embedded=1234, skipped_rows=2), 7, 3)

    monkeypatch.setattr("elva.evaluation.cluster.embed_on_cluster", embed_on_cluster)
    told = run(
        "embed", root, "-m", "m", "--out", tmp_path / "v", "--ray", "head:6379", "--ray-actors", 4, "--ray-gpus", 0.5,
        "--ray-batch", 32, "--threads", 2, "--task", 3, "--skip-bad-rows",
    ).stdout  # fmt: skip
    team = Team("head:6379", actors=4, cpus=2, gpus=0.5, batch_size=32)
    assert asked == [tmp_path / "v", team, Selection(tasks=[3], skip_bad_rows=True), None]
    assert "1,234 vectors" in told and "2 bad rows left out" in told
    assert "7 shards, 3 of them embedded by an earlier run" in told


@pytest.mark.parametrize("option", [("--ray-actors", "2"), ("--ray-gpus", "1"), ("--ray-batch", "8")])
def test_what_is_said_of_a_cluster_needs_one(root: Path, tmp_path: Path, option: tuple[str, str]) -> None:
    refused = CliRunner().invoke(app, ["embed", str(root), "-m", "m", "--out", str(tmp_path / "v"), *option])
    assert refused.exit_code == 2
    assert "go with --ray" in " ".join(refused.output.replace("│", " ").split())


def test_without_ray_the_command_that_installs_it_is_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    refused = CliRunner().invoke(app, ["embed", str(root), "-m", "m", "--out", str(tmp_path / "v"), "--ray", "local"])
    assert refused.exit_code == 2
    assert 'Ray is not installed; install it with: pip install "elva-retrieval[ray]"' in " ".join(
        refused.output.split()
    )


def test_index_then_search(root: Path, tmp_path: Path, loaded: list[str]) -> None:
    out = tmp_path / "index"
    assert "64 items, 32 of them with an image" in run("index", root, "-m", "m", "--out", out).stdout
    found = run("search", out, "small crimson circle", "-k", 2)
    assert loaded == ["m", "m"], "the search takes the model that made the index"
    assert "The model reads it as: small crimson circle" in found.stdout
    assert "circle-crimson-small.png" in found.stdout
    assert Image.open(out / "last-search.png").width > 100


def test_search_by_image_into_a_sheet_of_its_own(root: Path, tmp_path: Path) -> None:
    run("index", root, "-m", "m", "--out", tmp_path / "index", "--task", 3)
    picture, sheet = root / "mbeir_images/square-blue-large.png", tmp_path / "sheet.png"
    shown = run("search", tmp_path / "index", "--image", picture, "--sheet", sheet).stdout
    assert "large blue square" in shown.split("\n", 5)[5]
    assert sheet.is_file()


@pytest.fixture
def rereads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Commands get a small random model that can score what was found; what they asked for."""
    asked: list[tuple[object, ...]] = []

    def load(mode: RerankMode, ranks: object, model: str | None, *_: object) -> Reranker:
        asked.append((mode.value, model))
        return Reranker(smallest_embedder(), mode.value)

    for module in (mbeir, search):
        monkeypatch.setattr(module, "load_reranker", load)
    return asked


def test_a_search_is_reranked(root: Path, tmp_path: Path, rereads: list[tuple[object, ...]]) -> None:
    out = tmp_path / "index"
    run("index", root, "-m", "m", "--out", out)
    found = run("search", out, "small crimson circle", "-k", 3, "--rerank", 2, "--rerank-cosine", 0)
    assert "Ranked by likelihood (nats) + 0 x cosine: the first 2" in found.stdout
    scores = [line.split("\u2502")[3].strip() for line in found.stdout.splitlines() if line.startswith("\u2502")]
    assert scores[2] == "-"
    assert 0 > float(scores[0]) >= float(scores[1])
    (root / "mbeir_images/circle-crimson-small.png").unlink()
    arguments = ["search", out, "small crimson circle", "--rerank", 9, "--rerank-mode", "yes_no", "--rerank-model", "x"]
    found = run(*arguments)
    assert rereads == [("likelihood", None), ("yes_no", "x")]
    assert "1 pictures that are gone were reranked by their thumbnails" in found.stderr


def test_a_model_is_judged_with_a_reranker(root: Path, tmp_path: Path, rereads: list[tuple[object, ...]]) -> None:
    arguments = ["evaluate", "mbeir", root, "-m", "m", "--task", 0, "--rerank", 5, "--out", tmp_path / "e"]
    shown = run(*arguments, "--rerank-mode", "words").stdout
    assert "# m reranked by random" in shown
    assert "the top 5 reranked by words, test split" in shown
    assert "160 candidates of 32 queries" in shown
    assert rereads == [("words", None)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("search INDEX circle --rerank-model x", "give --rerank N with --rerank-model"),
        ("evaluate mbeir ROOT -m m --out OUT --rerank-model x", "give --rerank N with --rerank-model"),
        ("evaluate mbeir ROOT --scores s --out OUT --rerank 5", "give --scores or --rerank, not both"),
        ("serve INDEX --rerank-mode vectors", "the page tells scores in nats; use elva search"),
    ],
)
def test_reranking_that_makes_no_sense_is_refused(arguments: str, told: str) -> None:
    result = CliRunner().invoke(app, arguments.split())
    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("\u2502", " ").split())


def read_as(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands get a small random model that reads vectors as they ask for."""

    def load(model: str, *options: object) -> Embedder:
        embedder = smallest_embedder()
        extraction, dimensions = [*options, None, None][4:6]
        embedder.read_as(extraction and extraction.value, dimensions)
        return embedder

    for module in (embedding, indexing, options):
        monkeypatch.setattr(module, "load_embedder", load)


def test_an_index_of_short_and_fast_vectors_is_searched_as_it_was_made(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_as(monkeypatch)
    out = tmp_path / "index"
    arguments = ["index", root, "-m", "m", "--out", out, "--task", 0, "--codes", "int8", "--store", "lance"]
    shown = run(*arguments, "--extraction", "prefill", "--dimensions", 8).stdout
    assert "Codes: int8, from 50,000 items on" in shown
    made = Pointer.read(out).model
    assert (made.extraction, made.dimension) == ("prefill", 8)
    found = run("search", out, "small crimson circle", "-k", 3, "--rerank", 2, "--rerank-mode", "vectors").stdout
    assert "Ranked by vectors (second cosine) + 0 x cosine: the first 2" in found
    scores = [line.split("\u2502")[3].strip() for line in found.splitlines() if line.startswith("\u2502")]
    assert scores[2] == "-"
    assert 1 >= float(scores[0]) >= float(scores[1])
    refused = CliRunner().invoke(app, [*map(str, arguments[:-4]), "--extraction", "prefill", "--codes", "binary"])
    assert "has codes int8, not binary" in " ".join(refused.output.split())


def test_a_fast_ranking_is_judged_with_its_refining(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_as(monkeypatch)
    arguments = ["evaluate", "mbeir", root, "-m", "m", "--task", 0, "--rerank", 5, "--rerank-mode", "vectors"]
    shown = run(*arguments, "--extraction", "prefill", "--out", tmp_path / "e").stdout
    assert "the top 5 reranked by vectors" in shown
    refused = CliRunner().invoke(app, [*map(str, arguments), "--out", str(tmp_path / "f")])
    assert "the generative vectors of random rank already" in " ".join(refused.output.split())


def test_index_lists_what_it_leaves_out(root: Path, tmp_path: Path) -> None:
    (root / "mbeir_images/square-blue-large.png").unlink()
    result = run("index", root, "-m", "m", "--out", tmp_path / "index")
    assert "left out: " in result.stderr
    assert "square-blue-large.png" in result.stderr
    assert "63 new, 0 changed, 0 unchanged, 0 gone, 1 left out" in result.stdout


def test_index_stops_before_any_work_when_it_is_strict(root: Path, tmp_path: Path) -> None:
    (root / "mbeir_images/square-blue-large.png").unlink()
    (root / "mbeir_images/circle-blue-large.png").write_bytes(b"no picture")
    arguments = ["index", str(root), "-m", "m", "--strict", "--out", str(tmp_path / "index")]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert refused.stderr.count("cand_pool.jsonl:") == 2, "every bad row is named"
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("store", ["lance", "exact", "milvus"])
def test_a_table_is_indexed_twice_and_searched_with_conditions(
    tmp_path: Path, loaded: list[str], store: str, addressed: Callable[[Path, str], Address | None]
) -> None:
    out, rows = tmp_path / "index", tmp_path / "shoes.csv"
    rows.write_text("sku,name,price\nx1,crimson shoe,30\nx2,green shoe,50\nx3,green hat,20\n")
    columns = ["--text-column", "name", "--id-column", "sku", "--store", store]
    address = addressed(out, store)
    columns += ["--uri", address.uri, "--collection", address.collection] if address else []
    shown = run("index", rows, "-m", "m", "--out", out, *columns).stdout
    assert "shoes.csv: a table" in shown
    assert f"store {store}" in shown
    rows.write_text("sku,name,price\nx1,crimson shoe,35\nx2,green shoe,50\nx4,blue hat,20\n")
    shown = run("index", rows, "-m", "m", "--out", out, *columns).stdout
    assert "1 new, 1 changed, 1 unchanged, 1 gone, 0 left out; 1 embedded" in shown
    found = run("search", out, "green", "--where", "price > 30", "--match", "shoe").stdout
    assert "x1" in found and "x2" in found and "x4" not in found
    fused = run("search", out, "blue", "--hybrid", "-k", "1").stdout
    assert "both rankings were fused" in fused and "x4" in fused
    refused = CliRunner().invoke(app, ["search", str(out), "green", "--where", "prize > 30"])
    assert refused.exit_code == 2
    assert "column 1: no entry has a field 'prize'; did you mean 'price'?" in refused.stderr
    if address:
        with TestClient(create_app(Searcher(FakeEncoder("m"), open_index(out)))) as client:
            assert client.get("/search", params={"q": "blue"}).json()["results"][0]["id"] == "x4"
        elsewhere = ["--out", str(out), *columns[:4], "--uri", "http://elsewhere:1"]
        moved = CliRunner().invoke(app, ["index", str(rows), "-m", "m", *elsewhere])
        assert moved.exit_code == 2
        assert "collection elva_index of http://elsewhere:1" in moved.stderr and "meta.json" in moved.stderr


def test_options_of_milvus_without_its_address_are_refused(tmp_path: Path, loaded: list[str]) -> None:
    (tmp_path / "shoes.csv").write_text("title\nred shoe\n")
    start = ["index", str(tmp_path / "shoes.csv"), "-m", "m", "--out", str(tmp_path / "index")]
    for given, message in (
        (["--store", "milvus"], "--store milvus needs --uri"),
        (["--store", "milvus", "--token-env", "TOKEN"], "give --uri with"),
        (["--store", "exact", "--uri", "http://host:19530"], "--uri is for --store milvus"),
        (["--store", "milvus", "--uri", "http://host:19530", "--token-env", "GONE"], "GONE isn't set"),
    ):
        refused = CliRunner().invoke(app, [*start, *given])
        assert refused.exit_code == 2 and message in refused.stderr, refused.output
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    "command",
    ["evaluate mbeir ROOT --task 0", "embed ROOT --task 0", "caption ROOT --split test",
     "mine ROOT --split test"],
)  # fmt: skip
def test_bad_rows_stop_a_command_before_any_work_unless_skipped(
    root: Path, tmp_path: Path, loaded: list[str], command: str
) -> None:
    (root / "mbeir_images/square-blue-large.png").unlink()
    (root / "mbeir_images/circle-blue-large.png").write_bytes(b"no picture")
    arguments = [*command.replace("ROOT", str(root)).split(), "-m", "m", "--out", tmp_path / "out"]
    refused = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert refused.exit_code == 2
    assert refused.stderr.count("cand_pool.jsonl:") == 2, "every bad row is named"
    assert not (tmp_path / "out").exists()
    result = run(*arguments, "--skip-bad-rows")
    assert "left out" in result.stdout


def test_what_is_bad_elsewhere_does_not_stop_a_task(root: Path, tmp_path: Path) -> None:
    with (root / "query/test/mbeir_mrbench_task3_test.jsonl").open("a") as file:
        file.write("{half\n")
    with (root / "cand_pool/local/mbeir_mrbench_task3_cand_pool.jsonl").open("a") as file:
        file.write("{half\n")
    run("evaluate", "mbeir", root, "-m", "m", "--task", 0, "--out", tmp_path / "out")
    both = CliRunner().invoke(app, ["evaluate", "mbeir", str(root), "-m", "m", "--out", str(tmp_path / "all")])
    assert both.exit_code == 2
    assert "2 bad places" in both.stderr


def test_another_model_is_refused(root: Path, tmp_path: Path) -> None:
    run("index", root, "-m", "m", "--out", tmp_path / "index")
    result = CliRunner().invoke(app, ["search", str(tmp_path / "index"), "circle", "-m", "other"])
    assert result.exit_code == 2
    assert "other" in result.stderr


def test_mine_and_caption(root: Path, tmp_path: Path) -> None:
    shown = run("mine", root, "-m", "m", "--split", "test", "--top", 5, "--out", tmp_path / "n.jsonl").stdout
    assert "64 queries" in shown
    rows = [json.loads(line) for line in (tmp_path / "n.jsonl").read_text().splitlines()]
    assert all(len(row["candidates"]) == 5 for row in rows)
    shown = run(
        "mine",
        root,
        "-m",
        "m",
        "--split",
        "test",
        "--exclude-task",
        3,
        "--max-margin",
        -0.5,
        "--out",
        tmp_path / "n.jsonl",
    ).stdout
    assert "32 queries" in shown
    assert " 0 candidates filtered" not in shown
    shown = run("caption", root, "--split", "test", "--out", tmp_path / "c.jsonl").stdout
    assert "captions" in shown
    assert (tmp_path / "c.jsonl").is_file()


def test_report_tells_what_the_records_say(tmp_path: Path) -> None:
    write_records(tmp_path / "results", *cure())
    out, document = tmp_path / "out/report.html", tmp_path / "page.md"
    document.write_text("<!-- evidence: begin -->\n<!-- evidence: end -->\n", encoding="utf-8")
    told = run(
        "report", tmp_path / "results/cure", "--out", out, "--dominant", "colour", "--show", "elva",
        "--table", document, "--images", tmp_path / "images",
    )  # fmt: skip
    assert "elva (default) against the strongest control, more: +25.0 points" in told.stdout
    assert out.is_file() and (out.parent / "summary.json").is_file()
    assert "minor kinds" in document.read_text(encoding="utf-8")
    assert (tmp_path / "images/evidence-cure-shapes-test-hits.svg").is_file()


def test_project_draws_models_and_folders_of_vectors(root: Path, tmp_path: Path, loaded: list[str]) -> None:
    run("embed", root, "--model", "first", "--out", tmp_path / "vectors")
    out = tmp_path / "seen.png"
    asked = ["--dataset", "mrbench", "-q", "101:0", "-q", "101:3", "--easy", 5, "--out", out]
    told = run("project", root, "-m", tmp_path / "vectors", "-m", "runs/second/model", *asked)
    assert "2 queries as 2 models see them" in told.stdout
    assert loaded == ["first", "runs/second/model"]
    assert Image.open(out).width > 0


def test_likelihoods_of_captions_are_judged_as_scores(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("caption", root, "--model", "m", "--split", "test", "--out", tmp_path / "c.jsonl")
    monkeypatch.setattr(train, "load_embedder", lambda *_: smallest_embedder())
    evaluation, scores = tmp_path / "eval", tmp_path / "s.jsonl"
    arguments = ["likelihood", root, "--captions", tmp_path / "c.jsonl", "--split", "test", "--out", scores]
    refused = CliRunner().invoke(app, [*map(str, arguments), "--negatives", "n", "--evaluation", "e"])
    assert refused.exit_code == 2
    assert "not both" in refused.output
    wordless = CliRunner().invoke(app, ["likelihood", str(root), "--out", str(scores)])
    assert wordless.exit_code == 2
    assert "--own-words" in wordless.output
    run("evaluate", "mbeir", root, "--model", "m", "--out", evaluation, "--depth", 12)
    assert len((evaluation / "runs/mrbench_task0_test.trec").read_text().splitlines()) == 32 * 12
    shown = run(*arguments, "--evaluation", evaluation, "--top", 3, "--task", 0).stdout
    assert "32 queries, 96 candidates scored; 0 queries that the shortlist lacks, 0 texts cut" in shown
    shown = run("evaluate", "mbeir", root, "--scores", scores, "--model", "m", "--out", tmp_path / "reranked").stdout
    assert "# s over m" in shown
    assert "32 queries without scores were ranked by the model alone." in shown
    assert (
        "a file of scores"
        in run("evaluate", "mbeir", root, "--scores", scores, "--out", evaluation, "--task", 0).stdout
    )
    neither = CliRunner().invoke(app, ["evaluate", "mbeir", str(root), "--out", str(tmp_path / "no")])
    assert neither.exit_code == 2
    assert "give --model MODEL, or --scores FILE" in neither.output
