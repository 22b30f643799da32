"""A corpus in shards gives the folder of one process, however often it is stopped, and of nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from elva.data.mbeir import Choice
from elva.data.opening import EVERYTHING, Selection
from elva.encoding import ModelIdentity
from elva.errors import IndexMismatch
from elva.evaluation import shards
from elva.evaluation.embed import embed_root
from elva.evaluation.shards import Corpus, Done, begin, embed_shard, finish, require_embeddable
from elva.evaluation.store import Counts, VectorStore
from elva.index.folder import FolderError
from judging import FakeEncoder, draw, write_root
from sharded import Telling


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shards, "BLOCK", 10)
    return write_root(tmp_path / "root")


def corpus_of(root: Path, choice: Choice = 0) -> Corpus:
    bench, names, _ = EVERYTHING.open(root)
    return Corpus(bench, tuple(names), choice, bench.fingerprint())


def embed(root: Path, out: Path, encoder: FakeEncoder, numbers: Sequence[int] | None = None) -> list[Done]:
    """Embed some shards, or the missing ones and join them."""
    corpus, model = corpus_of(root), ModelIdentity.of(encoder)
    cut = corpus.shards()
    begin(out, model, corpus, Selection(instruction_choice=corpus.choice), cut)
    chosen = cut if numbers is None else [cut[number] for number in numbers]
    done = [embed_shard(out, corpus, shard, model, lambda: encoder, 64) for shard in chosen]
    if numbers is None:
        counts = Counts()
        for each in done:
            counts.merge(each.counts)
        finish(out, model, corpus, cut, counts)
    return done


def test_shards_hold_every_item_once_and_never_cross_a_file(root: Path) -> None:
    corpus = corpus_of(root)
    cut = corpus.shards()
    assert [(shard.number, shard.part, len(shard.rows)) for shard in cut] == [
        (4 * part + at, part, rows) for part in range(4) for at, rows in enumerate((10, 10, 10, 2))
    ]
    ids = [(corpus.parts[shard.part].kind, each) for shard in cut for each in corpus.items(shard)]
    assert len(ids) == len({*ids}) == 128


def test_an_id_of_several_files_is_embedded_where_it_comes_first(root: Path) -> None:
    pools = root / "cand_pool/local"
    shared = (pools / "mbeir_mrbench_task0_cand_pool.jsonl").read_text().splitlines()[:7]
    with (pools / "mbeir_mrbench_task3_cand_pool.jsonl").open("a") as file:
        file.writelines(f"{line}\n" for line in shared)
    assert sum(len(shard.rows) for shard in corpus_of(root).shards()) == 128


def test_the_folder_is_that_of_one_process(root: Path, tmp_path: Path) -> None:
    alone = embed_root(root, Telling(), tmp_path / "alone")
    embed(root, tmp_path / "team", Telling())
    for name in ("ids.jsonl", "meta.json"):
        assert (tmp_path / "team" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    team = VectorStore.load(tmp_path / "team")
    assert team.counts == alone.counts and team.counts.forced_ret == 32
    assert (team.stacked.take(np.arange(128)) == alone.stacked.take(np.arange(128))).all()
    assert {path.name[:7] for path in (tmp_path / "team").iterdir()} == {"ids.jso", "meta.js", "vectors"}


def test_what_is_embedded_is_not_embedded_again(root: Path, tmp_path: Path) -> None:
    embed(root, tmp_path / "out", Telling(), [0, 3, 9])
    encoder = Telling()
    done = embed(root, tmp_path / "out", encoder)
    assert [each.number for each in done if each.found] == [0, 3, 9]
    assert len(encoder.seen) == 128 - 22
    embed_root(root, Telling(), tmp_path / "alone")
    assert (tmp_path / "out/meta.json").read_bytes() == (tmp_path / "alone/meta.json").read_bytes()


def test_a_half_embedded_folder_is_read_by_nobody(root: Path, tmp_path: Path) -> None:
    embed(root, tmp_path / "out", Telling(), [0])
    with pytest.raises(FolderError, match=r"half embedded: run the `elva embed --ray` that began it again"):
        VectorStore.load(tmp_path / "out")
    with pytest.raises(FolderError, match="half embedded: run"):
        embed_root(root, Telling(), tmp_path / "out")
    require_embeddable(tmp_path / "out")


def test_another_model_does_not_go_on(root: Path, tmp_path: Path) -> None:
    embed(root, tmp_path / "out", Telling(), [0])
    with pytest.raises(IndexMismatch, match=r"half embedded by fake \(generative, .* not by other .* to begin anew"):
        embed(root, tmp_path / "out", FakeEncoder("other"))


def test_other_data_do_not_go_on(root: Path, tmp_path: Path) -> None:
    embed(root, tmp_path / "out", Telling(), [0])
    with (root / "cand_pool/local/mbeir_mrbench_task3_cand_pool.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(IndexMismatch, match="half embedded with other data, or the data changed"):
        embed(root, tmp_path / "out", Telling())


@pytest.mark.parametrize(("key", "value"), [("version", "0.0.0"), ("split", "val"), ("instruction_choice", "qid")])
def test_other_choices_do_not_go_on(root: Path, tmp_path: Path, key: str, value: str) -> None:
    embed(root, tmp_path / "out", Telling(), [0])
    marker = tmp_path / "out/unfinished.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), key: value}))
    with pytest.raises(IndexMismatch, match=f"half embedded with {key} '{value}', not "):
        embed(root, tmp_path / "out", Telling())


def test_a_picture_that_changed_is_told(root: Path, tmp_path: Path) -> None:
    embed(root, tmp_path / "out", Telling(), [4])
    draw(("square", "blue", "large")).save(root / "mbeir_images/circle-crimson-small.png")
    with pytest.raises(IndexMismatch, match=r"shards/00004 was embedded from other items: a picture"):
        embed(root, tmp_path / "out", Telling())


def test_a_worker_with_another_model_is_refused(root: Path, tmp_path: Path) -> None:
    corpus = corpus_of(root)
    with pytest.raises(IndexMismatch, match="not by other"):
        embed_shard(
            tmp_path / "out", corpus, corpus.shards()[0], ModelIdentity.of(Telling()), lambda: FakeEncoder("other"), 64
        )


def test_a_place_that_holds_something_is_refused(root: Path, tmp_path: Path) -> None:
    embed(root, tmp_path / "out", Telling())
    with pytest.raises(FolderError, match="holds a finished embedding already"):
        require_embeddable(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "out").mkdir()
    require_embeddable(tmp_path / "out")
    (tmp_path / "out/mine").touch()
    with pytest.raises(FolderError, match=r"holds no meta\.json"):
        require_embeddable(tmp_path / "out")
