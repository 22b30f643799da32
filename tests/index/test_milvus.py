"""What only the store in Milvus has: an address, rows with versions, a server that may be gone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elva.encoding import ModelIdentity
from elva.errors import FolderInUse, IndexMismatch, InputError, MissingExtra, StoreError
from elva.index import milvus as module
from elva.index import milvus_server
from elva.index.address import Address
from elva.index.condition import parse
from elva.index.exact import ExactIndex
from elva.index.folder import FolderError
from elva.index.gallery import VectorError
from elva.index.milvus import MilvusIndex
from elva.index.milvus_collection import Collection
from elva.index.milvus_filters import expression
from elva.index.milvus_rows import FOREVER
from elva.index.opening import create_index, open_index
from elva.index.protocol import NOWHERE, Entry

MODEL = ModelIdentity("one", "abc", "generative", 2)
OTHER = ModelIdentity("two", "xyz", "generative", 3)
EAST = np.array([[1, 0]], np.float32)
Addressed = Callable[[Path, str], Address | None]


@pytest.fixture
def address(addressed: Addressed, tmp_path: Path) -> Address:
    address = addressed(tmp_path / "i", "milvus")
    assert address is not None
    return address


@pytest.fixture
def index(address: Address, tmp_path: Path) -> MilvusIndex:
    return MilvusIndex.create(tmp_path / "i", MODEL, NOWHERE, address)


def rows(index: MilvusIndex, clause: str = "born >= 0") -> list[dict[str, Any]]:
    return sorted(index._collection.rows(clause, ["id", "born", "died"]), key=lambda row: (row["id"], row["born"]))


def test_rows_say_which_versions_hold_them_and_a_tidy_publication_removes_those_that_nobody_reads(
    index: MilvusIndex, tmp_path: Path
) -> None:
    index.add([Entry("a", image="a.png"), Entry("b")], EAST.repeat(2, axis=0))
    index.publish()
    reader = open_index(tmp_path / "i")
    index.upsert([Entry("a", "new")], EAST)
    index.upsert([Entry("a", "newer")], EAST)  # an unpublished row leaves no trace
    assert [(row["id"], row["born"], row["died"]) for row in rows(index)] == [
        ("a", 2, 3),
        ("a", 3, FOREVER),
        ("b", 2, FOREVER),
    ]
    index.publish()
    assert (reader.stats().images, index.stats().images) == (1, 0)
    assert reader.get(["a"])[0].text is None
    assert index.get(["a"])[0].text == "newer"
    reader.close()
    index.publish()
    assert [(row["id"], row["born"]) for row in rows(index)] == [("a", 3), ("b", 2)]


def test_what_a_killed_writer_left_is_taken_back(index: MilvusIndex, tmp_path: Path) -> None:
    index.add([Entry("a", "old text")], EAST)
    index.publish()
    index.upsert([Entry("a", "new"), Entry("x")], EAST.repeat(2, axis=0))
    index.close()
    again = open_index(tmp_path / "i", writing=True)
    assert isinstance(again, MilvusIndex)
    assert [(row["id"], row["born"], row["died"]) for row in rows(again)] == [("a", 2, FOREVER)]
    assert again.get(["a"])[0].text == "old text"
    assert again.by_words("old")[0][0] == "a"


def test_a_copy_of_the_folder_that_is_behind_writes_nothing(index: MilvusIndex, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "i", tmp_path / "copy")
    index.add([Entry("a")], EAST)
    index.publish()
    with pytest.raises(FolderError, match=r"published by another folder since: version 2, and .*copy knows 1"):
        open_index(tmp_path / "copy", writing=True)
    shutil.copy(tmp_path / "i/meta.json", tmp_path / "copy/meta.json")
    assert len(open_index(tmp_path / "copy")) == 1


def test_a_copy_writes_nothing_where_the_publication_it_lacks_was_cut_short(index: MilvusIndex, tmp_path: Path) -> None:
    index.add([Entry("a")], EAST)
    index.publish()
    shutil.copytree(tmp_path / "i", tmp_path / "copy")
    index.add([Entry("b")], EAST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "give_up_unread", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            index.publish()
    index.close()
    with pytest.raises(FolderError, match=r"published by another folder since: version 3, and .*copy knows 2"):
        open_index(tmp_path / "copy", writing=True)
    assert len(open_index(tmp_path / "i", writing=True)) == 2


def test_who_was_cut_short_before_the_folder_named_the_version_goes_on(index: MilvusIndex, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "i", tmp_path / "copy")
    index.add([Entry("a")], EAST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.Pointer, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            index.publish()
    index.close()
    with pytest.raises(FolderError, match="published by another folder since"):
        open_index(tmp_path / "copy", writing=True)
    again = open_index(tmp_path / "i", writing=True)
    assert len(again) == len(again.contents()) == 0, "what no meta.json named is taken back"
    again.add([Entry("b")], EAST)
    again.publish()
    assert [*open_index(tmp_path / "i").contents()] == ["b"]


def test_rows_that_can_not_be_removed_do_not_hide_that_a_version_is_published(
    index: MilvusIndex, tmp_path: Path
) -> None:
    index.add([Entry("a")], EAST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Collection, "delete", lambda *_: (_ for _ in ()).throw(StoreError("gone")))
        with pytest.raises(StoreError, match=r"version 2 of .*i is published; removing the rows .* failed.*: gone"):
            index.publish()
    assert len(open_index(tmp_path / "i")) == 1


def test_a_collection_is_not_taken_from_another_folder_model_or_program(
    index: MilvusIndex, address: Address, tmp_path: Path
) -> None:
    with pytest.raises(FolderError, match=r"index of another folder already: .*--collection.*drop_collection"):
        MilvusIndex.create(tmp_path / "j", MODEL, NOWHERE, address)
    with pytest.raises(IndexMismatch, match=r"vectors of one \(generative, abc, 2 numbers\), not of two"):
        MilvusIndex.create(tmp_path / "j", OTHER, NOWHERE, address)
    assert not (tmp_path / "j").exists()
    index._collection._client.alter_collection_properties(
        address.collection, properties={milvus_server.MODEL: json.dumps(OTHER.to_row())}
    )
    with pytest.raises(IndexMismatch, match=r"vectors of two .*not of one"):
        open_index(tmp_path / "i")
    index._collection._client.drop_collection(address.collection)
    with pytest.raises(FolderError, match=rf"collection {address.collection} of .*lite\.db is not there any more"):
        open_index(tmp_path / "i")
    index._collection._client.create_collection(address.collection, dimension=2)
    with pytest.raises(FolderError, match="was not made by `elva index`"):
        MilvusIndex.create(tmp_path / "j", MODEL, NOWHERE, address)


def test_a_collection_that_was_made_and_never_used_is_made_again(
    index: MilvusIndex, address: Address, tmp_path: Path
) -> None:
    index._collection._client.drop_collection(address.collection)
    milvus_server.make_collection(index._collection._client, address, MODEL)
    MilvusIndex.create(tmp_path / "j", MODEL, NOWHERE, address).add([Entry("a")], EAST)


def test_a_server_that_is_not_there_is_told_after_some_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_server, "PAUSES", (0.0, 0.0))
    monkeypatch.setenv("TOKEN", "root:secret")
    address = Address.checked("http://127.0.0.1:9", tmp_path / "i", token_env="TOKEN")
    with pytest.raises(StoreError, match=r"http://127\.0\.0\.1:9 can't be reached, tried 2 times") as told:
        create_index(tmp_path / "i", MODEL, store="milvus", address=address)
    assert "secret" not in str(told.value)
    assert not (tmp_path / "i").exists()


def test_a_server_that_fails_later_is_told_by_its_address(index: MilvusIndex, address: Address) -> None:
    index._collection._client.drop_collection(address.collection)
    with pytest.raises(StoreError, match=rf"collection {address.collection} of .* does not answer as it should"):
        index.search(EAST)


def test_a_milvus_lite_of_another_process_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_server, "PAUSES", (0.0,))
    held = f"import fcntl; file = open({str(tmp_path / 'x.db/LOCK')!r}, 'w'); fcntl.flock(file, fcntl.LOCK_EX); "
    (tmp_path / "x.db").mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", held + "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline()
        with pytest.raises(FolderInUse, match=r"x\.db is in use by another process"):
            milvus_server.connected(Address(str(tmp_path / "x.db"), "c"))
    finally:
        holder.communicate(b"\n")


def test_addresses_that_can_not_be_used_are_refused_with_what_to_do(tmp_path: Path) -> None:
    bad: dict[str, dict[str, Any]] = {
        "ftp://host": {"uri": "ftp://host"},
        "--token-env": {"uri": "http://root:secret@host:19530"},
        "ends in .db": {"uri": str(tmp_path / "folder")},
        "lies in the index folder": {"uri": str(tmp_path / "i/x.db")},
        "is no folder": {"uri": str(tmp_path / "gone/x.db")},
        "GONE isn't set": {"uri": "http://host:19530", "token_env": "GONE"},
        "letters, digits and _": {"uri": "http://host:19530", "collection": "a b"},
        "there is no consistency 'Weak'": {"uri": "http://host:19530", "consistency": "Weak"},
    }
    for message, options in bad.items():
        with pytest.raises(InputError, match=message) as told:
            Address.checked(folder=tmp_path / "i", **options)
        assert "secret" not in str(told.value)
    assert Address.checked("http://host:19530", tmp_path / "my-photos").collection == "elva_my_photos"
    with pytest.raises(InputError, match="--uri"):
        create_index(tmp_path / "i", MODEL, store="milvus")
    with pytest.raises(InputError, match="exact has no address"):
        create_index(tmp_path / "i", MODEL, store="exact", address=Address("http://host:19530", "c"))


def test_the_folder_holds_the_address_and_no_token(
    addressed: Addressed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = addressed(tmp_path / "i", "milvus")
    assert local is not None
    monkeypatch.setenv("TOKEN", "root:secret")
    address = Address(local.uri, local.collection, "TOKEN", "Bounded")
    MilvusIndex.create(tmp_path / "i", MODEL, NOWHERE, address).close()
    meta = (tmp_path / "i/meta.json").read_text()
    assert json.loads(meta)["address"] == {
        "uri": local.uri,
        "collection": local.collection,
        "token_env": "TOKEN",
        "consistency": "Bounded",
    }
    assert "secret" not in meta
    monkeypatch.delenv("TOKEN")
    with pytest.raises(InputError, match="TOKEN isn't set"):
        open_index(tmp_path / "i")


def test_what_does_not_fit_into_a_row_is_refused_and_changes_nothing(index: MilvusIndex) -> None:
    bad = {
        "4,100 different words": Entry("x", " ".join(map(str, range(4100)))),
        "4,101 values in its metadata": Entry("x", metadata={"a": [f"v{n}" for n in range(4100)]}),
        "bytes of what its metadata can be asked": Entry("x", metadata={"a": "long " * 10_000}),
        "70,000 bytes of its id": Entry("x" * 70_000),
    }
    for message, entry in bad.items():
        with pytest.raises(InputError, match=rf"doesn't fit into a row of Milvus: .*{message}"):
            index.add([entry], EAST)
    assert len(index) == 0 and index.fields() == ()
    long = Entry("x", "long " * 30_000, metadata={"a": "1" * 20_000}, thumbnail=b"\0\xff" * 50_000)
    index.add([long], EAST)
    assert index.get(["x"])[0].text == long.text
    assert index.thumbnail("x") == long.thumbnail


def test_more_than_milvus_gives_is_refused(index: MilvusIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VectorError, match="16,384 at most"):
        index.search(EAST, MilvusIndex.most + 1)
    monkeypatch.setattr(MilvusIndex, "most", 20)
    index.add([Entry(f"{number:02d}", "tie") for number in range(30)], EAST.repeat(30, axis=0))
    assert [len(index.search(EAST, 10)[0]), len(index.by_words("tie", 10))] == [10, 10]


def test_words_are_ranked_as_by_the_exact_store_while_the_mean_length_grows(
    index: MilvusIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact, rng = ExactIndex(MODEL), np.random.default_rng(0)
    for batch in range(4):  # each with longer texts than the last
        names = [f"{batch}-{number:03d}" for number in range(60)]
        texts = [" ".join(rng.choice(list("abcdefgh"), rng.integers(1, 8 + batch))) for _ in names]
        for store in (index, exact):
            store.add([Entry(*each) for each in zip(names, texts, strict=True)], EAST.repeat(60, axis=0))
    for asked in ("a", "b c", "a h g"):
        assert index.by_words(asked, 5) == exact.by_words(asked, 5)


@pytest.mark.parametrize("condition", ["a < 3", "not a < 3", "a >= 'x' and not (b = 1 or a <= 2)", "not gone = 1"])
def test_no_negation_stands_before_a_comparison_of_what_may_be_missing(condition: str) -> None:
    filter = expression(parse(condition), {"a": 0, "b": 1})
    assert "not ranges" not in filter and "not (" not in filter


def test_without_the_packages_they_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package, uri in (("pymilvus", "http://host:19530"), ("milvus_lite", str(tmp_path / "x.db"))):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, package, None)
            with pytest.raises(
                MissingExtra, match=rf'{package.replace("_", "-")}.*pip install "elva-retrieval\[milvus\]"'
            ):
                milvus_server.connected(Address(uri, "c"))
