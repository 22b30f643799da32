"""What only the store in LanceDB has: versions, an approximate index, a package that may be missing."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import numpy as np
import pytest

from elva.encoding import ModelIdentity
from elva.errors import InputError, MissingExtra
from elva.index import lance as module
from elva.index.accepting import MOST_FIELDS
from elva.index.condition import parse
from elva.index.exact import ExactIndex
from elva.index.folder import FolderError
from elva.index.lance import LanceIndex
from elva.index.opening import create_index, open_index
from elva.index.pointer import Pointer
from elva.index.protocol import Codes, Entry

MODEL = ModelIdentity("one", "abc", "generative", 32)


def unit(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, 32)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def entries(count: int) -> list[Entry]:
    return [Entry(f"{number:05d}", f"thing {number % 7}", metadata={"number": number}) for number in range(count)]


def versions(folder: Path) -> set[str]:
    return {each.name for each in (folder / "readers").iterdir()}


def test_many_rows_get_an_index_and_filters_still_find_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INDEXED_FROM", 2000)
    index, exact = LanceIndex.create(tmp_path / "i", MODEL), ExactIndex(MODEL)
    for store in (index, exact):
        store.add(entries(3000), unit(3000))
    index.publish()
    assert index._indices() == {module.VECTORS, module.WORDS, module.BM25}
    for store in (index, exact):
        store.upsert([Entry("later", "thing 3", metadata={"number": 1})], unit(1))
    queries = unit(20, seed=1)
    found, wanted = ([{hit.entry.id for hit in hits} for hits in each.search(queries)] for each in (index, exact))
    recall = sum(len(one & other) for one, other in zip(found, wanted, strict=True)) / 200
    assert recall > 0.9
    for asked in ({"where": parse("number < 30")}, {"match": "3 thing"}, {"where": parse("number = 1"), "match": "3"}):
        found, wanted = (each.search(queries, 10, **asked) for each in (index, exact))  # type: ignore[arg-type]
        assert [len(each) for each in found] == [len(each) for each in wanted]
    assert [store.by_words("thing 3", 12) for store in (index, exact)] != [[], []]
    index.publish()
    for text in ("thing 3", "3", "later thing"):
        assert index.by_words(text, 12) == exact.by_words(text, 12)


@pytest.mark.parametrize("codes", ["int8", "binary"])
def test_what_is_near_by_its_codes_is_compared_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codes: Codes
) -> None:
    monkeypatch.setattr(module, "INDEXED_FROM", 2000)
    index, exact = LanceIndex.create(tmp_path / "i", MODEL, codes=codes), ExactIndex(MODEL)
    for store in (index, exact):
        store.add(entries(3000), unit(3000))
    index.publish()
    index.close()
    index = LanceIndex.open(tmp_path / "i")
    assert index.stats().codes == Pointer.read(tmp_path / "i").codes == codes
    kind = next(each.index_type for each in index._table.list_indices() if each.name == module.VECTORS)
    assert kind == {"int8": "IvfSq", "binary": "IvfRq"}[codes]
    queries = unit(20, seed=1)
    found, wanted = (each.search(queries) for each in (index, exact))
    both = [
        ({h.entry.id: h.score for h in one}, {h.entry.id: h.score for h in other})
        for one, other in zip(found, wanted, strict=True)
    ]
    assert sum(len(one.keys() & other.keys()) for one, other in both) / 200 > 0.9
    assert all(one[each] == other[each] for one, other in both for each in one.keys() & other.keys()), "exact scores"
    monkeypatch.setitem(module.SHORTLIST, "binary", 1)
    alone = [{hit.entry.id for hit in hits} for hits in index.search(queries)]
    if codes == "binary":
        assert sum(len(one & {*other[1]}) for one, other in zip(alone, both, strict=True)) / 200 < 0.9, "codes alone"


def test_a_folder_of_an_older_version_has_no_codes(tmp_path: Path) -> None:
    LanceIndex.create(tmp_path / "i", MODEL).close()
    assert "codes" not in (tmp_path / "i/meta.json").read_text()
    assert LanceIndex.open(tmp_path / "i").stats().codes == "none"


def test_the_exact_store_has_no_codes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the store exact compares whole vectors, without codes such as int8"):
        create_index(tmp_path / "i", MODEL, store="exact", codes="int8")
    assert not (tmp_path / "i").exists()


def test_a_tidy_publication_leaves_indices_of_all_rows_and_one_of_nothing_leaves_them_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INDEXED_FROM", 1000)
    index = LanceIndex.create(tmp_path / "i", MODEL)
    index.add(entries(1200), unit(1200))
    index.publish()
    index.upsert([Entry("later", "thing 3", metadata={"number": 1})], unit(1))
    for tidy in (False, True):
        index.publish(tidy=tidy)
    named = index._indices()
    assert named == {module.VECTORS, module.WORDS, module.BM25}
    assert {index._table.index_stats(each).num_unindexed_rows for each in named} == {0}
    before = index._table.version
    index.publish()
    assert index._table.version == before


def test_a_version_goes_when_its_last_reader_does(tmp_path: Path) -> None:
    folder = tmp_path / "i"
    index = LanceIndex.create(folder, MODEL)
    index.add(entries(10), unit(10))
    index.publish()
    assert versions(folder) == {str(Pointer.read(folder).table)}
    reader, forgotten = open_index(folder), open_index(folder)
    read = str(Pointer.read(folder).table)
    for number in range(3):
        index.upsert([Entry("00001", str(number))], unit(1))
        index.publish()
    assert versions(folder) == {read, str(Pointer.read(folder).table)}
    assert reader.get(["00001"])[0].text == "thing 1"
    reader.close()
    index.publish(tidy=False)
    assert read in versions(folder), "the other one still reads it"
    del forgotten
    gc.collect()
    index.publish()
    assert versions(folder) == {str(Pointer.read(folder).table)}
    assert len(list((folder / "entries.lance/_versions").glob("*.manifest"))) == 1
    assert len(list((folder / "entries.lance/data").iterdir())) == 1
    assert open_index(folder).get(["00001"])[0].text == "2"


def test_files_that_are_missing_are_told_with_what_to_do(tmp_path: Path) -> None:
    index = LanceIndex.create(tmp_path / "i", MODEL)
    index.add(entries(10), unit(10))
    index.publish()
    for path in (tmp_path / "i/entries.lance/data").iterdir():
        path.unlink()
    with pytest.raises(FolderError, match=r"entries\.lance can't be read .*make the folder again with `elva index`"):
        open_index(tmp_path / "i").search(unit(1))
    for path in (tmp_path / "i/entries.lance/_versions").iterdir():
        path.unlink()
    with pytest.raises(FolderError, match=r"entries\.lance can't be read"):
        open_index(tmp_path / "i")


def test_too_many_fields_are_refused(tmp_path: Path) -> None:
    index = LanceIndex.create(tmp_path / "i", MODEL)
    keys = {f"key {number}": 1 for number in range(MOST_FIELDS + 1)}
    with pytest.raises(InputError, match=r"more than 300 fields, such as 'key 300': .* list of values"):
        index.add([Entry("a", metadata=keys)], unit(1))
    assert index.fields() == ()
    index.add([Entry("a", metadata={"keys": list(keys)})], unit(1))


def test_without_the_package_it_is_named_and_the_exact_store_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LanceIndex.create(tmp_path / "i", MODEL).close()
    monkeypatch.setitem(sys.modules, "lancedb", None)
    monkeypatch.setattr("elva.index.opening.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "elva-retrieval\[lancedb\]"'):
        open_index(tmp_path / "i")
    assert create_index(tmp_path / "j", MODEL).stats().store == "exact"


def test_an_unknown_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no store 'qdrant'; there are auto, exact, lance, milvus"):
        create_index(tmp_path / "i", MODEL, store="qdrant")
    create_index(tmp_path / "i", MODEL, store="exact").close()
    meta = tmp_path / "i/meta.json"
    meta.write_text(meta.read_text().replace('"exact"', '"qdrant"'))
    with pytest.raises(FolderError, match="of an unknown store 'qdrant'"):
        open_index(tmp_path / "i")
