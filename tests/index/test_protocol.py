"""What every store does alike: the same suite runs on each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from elva.encoding import ModelIdentity
from elva.errors import FolderInUse, IndexMismatch, InputError
from elva.index.address import Address
from elva.index.condition import parse
from elva.index.exact import ExactIndex
from elva.index.folder import FolderError
from elva.index.gallery import VectorError
from elva.index.opening import STORES, create_index, open_index
from elva.index.protocol import NOWHERE, Entry, Index, Origin, UnknownItem, image_path

MODEL = ModelIdentity("one", "abc", "generative", 2)
ENTRIES = [
    Entry("b", "Red shoe", metadata={"price": 20, "tags": ["new", "it's"]}, content="1"),
    Entry("a", image="a.png", summary="a RED hat", metadata={"price": "9.5", "colour": "Rot"}, thumbnail=b"picture"),
    Entry("c", "nothing"),
]
VECTORS = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
QUERY = np.array([[0.6, 0.8]], np.float32)


@pytest.fixture(params=list(STORES))
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


Make = Callable[..., Index]


@pytest.fixture(scope="session")
def make(addressed: Callable[[Path, str], Address | None]) -> Make:
    """`create_index` with an address where the store needs one."""

    def created(folder: Path, model: ModelIdentity, store: str, origin: Origin = NOWHERE) -> Index:
        return create_index(folder, model, origin, store, addressed(folder, store))

    return created


@pytest.fixture
def index(make: Make, store: str, tmp_path: Path) -> Index:
    index = make(tmp_path / "i", MODEL, store, Origin(Path("data"), Path("from"), "m"))
    index.add(ENTRIES, VECTORS)
    return index


def ids(index: Index, **asked: Any) -> list[str]:
    return [hit.entry.id for hit in index.search(QUERY, 10, **asked)[0]]


def test_search_orders_by_cosine_then_id(index: Index) -> None:
    (hits,) = index.search(QUERY)
    assert [(hit.rank, hit.score, hit.entry.id) for hit in hits] == [(1, 0.8, "a"), (2, 0.6, "b"), (3, -0.6, "c")]
    assert hits[0].entry == Entry("a", image="a.png", summary="a RED hat", metadata=ENTRIES[1].metadata)
    (hits,) = index.search(np.full((1, 2), 0.5**0.5, np.float32), k=1)
    assert hits[0].entry.id == "a"
    assert [len(each) for each in index.search(np.eye(2, dtype=np.float32), k=2)] == [2, 2]


def test_conditions_and_words_narrow_a_search(index: Index) -> None:
    assert ids(index, where=parse("price < 15")) == ["a"]
    assert ids(index, where=parse("not price < 15")) == ["b", "c"]
    assert ids(index, where=parse('tags = "it\'s" or colour = rot')) == ["a", "b"]
    assert ids(index, where=parse("gone = 1")) == []
    assert ids(index, match="red") == ["a", "b"]
    assert ids(index, match="Hat, red!") == ["a"]
    assert ids(index, match="re") == [], "words are whole"
    assert ids(index, match=" ?") == ["a", "b", "c"]
    assert ids(index, match="red", where=parse("price = 20")) == ["b"]
    assert index.fields() == ("colour", "price", "tags")


def test_words_rank_by_how_often_they_stand_and_in_how_short_a_text(index: Index) -> None:
    index.add([Entry("d", "red red red"), Entry("e", "a nothing"), Entry("f", "a nothing")], VECTORS)
    assert [each for each, _ in index.by_words("RED nothing? nothing")] == ["d", "c", "b", "e", "f", "a"]
    assert index.by_words("hat")[0] == ("a", 1.331)
    assert [each for each, _ in index.by_words("nothing", 2)] == ["c", "e"]
    assert [each for each, _ in index.by_words("red", where=parse("price < 15"))] == ["a"]
    assert [each for each, _ in index.by_words("red", match="shoe")] == ["b"]
    assert index.by_words("?!") == index.by_words("gone") == []
    with pytest.raises(VectorError, match="1 or more"):
        index.by_words("red", 0)
    index.delete(["c", "e"])
    assert [each for each, _ in index.by_words("nothing")] == ["f"]


def test_entries_vectors_thumbnails_and_contents_are_got_by_id(index: Index) -> None:
    assert [each.id for each in index.get(["c", "a", "c"])] == ["c", "a", "c"]
    assert index.vectors(["c", "a"]).tolist() == [[-1, 0], [0, 1]]
    assert index.vectors([]).shape == (0, 2)
    assert index.thumbnail("a") == b"picture"
    assert index.thumbnail("b") is None
    assert index.contents() == {"a": "", "b": "1", "c": ""}
    assert image_path(index, ENTRIES[1]) == Path("data/a.png")
    for ask in (lambda: index.get(["a", "z"]), lambda: index.vectors(["z"]), lambda: index.thumbnail("z")):
        with pytest.raises(UnknownItem, match="'z'"):
            ask()


def test_upsert_replaces_and_delete_counts(index: Index) -> None:
    index.upsert([Entry("a", "new", metadata={"weight": 3}), Entry("d")], VECTORS[:2])
    assert [(hit.entry.id, hit.entry.text) for hit in index.search(QUERY)[0]] == [
        ("d", None),
        ("a", "new"),
        ("b", "Red shoe"),
        ("c", "nothing"),
    ]
    assert index.thumbnail("a") is None
    assert ids(index, where=parse("weight = 3")) == ["a"]
    assert index.delete(["a", "a", "z"]) == 1
    assert len(index) == 3
    assert index.delete([]) == 0


def test_what_can_not_be_added_changes_nothing(index: Index) -> None:
    bad: dict[str, tuple[list[Entry], Any]] = {
        "'x' holds NaN": ([Entry("x")], [[np.nan, 0]]),
        "'a' occurs twice": ([Entry("a")], [[1, 0]]),
        "'x' occurs twice": ([Entry("x"), Entry("x")], [[1, 0], [0, 1]]),
        "expected": ([Entry("x")], [[1, 0, 0]]),
        "metadata of 'x' are no JSON": ([Entry("x", metadata={"at": float("nan")})], [[1, 0]]),
    }
    for message, (entries, vectors) in bad.items():
        with pytest.raises(InputError, match=message):
            index.add(entries, np.array(vectors, np.float32))
    assert len(index) == 3
    for queries, k, message in ((QUERY[:, :1], 1, "expected"), (QUERY * np.nan, 1, "NaN"), (QUERY, 0, "1 or more")):
        with pytest.raises(VectorError, match=message):
            index.search(queries, k)


def test_changes_are_seen_after_publication_and_not_before(index: Index, tmp_path: Path) -> None:
    before = open_index(tmp_path / "i", MODEL)
    assert len(before) == 0
    assert before.search(QUERY) == [[]]
    version = index.publish()
    assert index.stats().version == version == before.stats().version + 1
    reader = open_index(tmp_path / "i")
    assert reader.search(QUERY) == index.search(QUERY)
    assert reader.stats() == index.stats()
    assert (reader.stats().items, reader.stats().images, reader.stats().bytes) == (3, 1, 24)
    assert reader.origin == Origin(Path("data"), Path("from"), "m")
    assert (reader.thumbnail("a"), reader.fields(), reader.contents()) == (
        b"picture",
        index.fields(),
        index.contents(),
    )
    assert len(before) == 0, "an open index stays what it was"


def test_who_reads_is_not_disturbed_by_publications(index: Index, tmp_path: Path) -> None:
    index.publish()
    reader = open_index(tmp_path / "i")
    for number in range(3):
        index.upsert([Entry("a", str(number))], VECTORS[:1])
        index.publish()
    assert [each.text for each in reader.get(["a", "b"])] == [None, "Red shoe"]
    assert reader.thumbnail("a") == b"picture"
    assert open_index(tmp_path / "i").get(["a"])[0].text == "2"


def test_changes_that_were_not_published_are_forgotten(index: Index, store: str, tmp_path: Path) -> None:
    index.publish()
    index.upsert([Entry("a", metadata={"other": 1}), Entry("x")], VECTORS[:2])
    index.close()
    again = open_index(tmp_path / "i", writing=True)
    assert sorted(again.contents()) == ["a", "b", "c"]
    assert again.fields() == ("colour", "price", "tags")
    again.add([Entry("d", metadata={"later": 5})], VECTORS[:1])
    again.publish()
    again.close()
    assert ids(open_index(tmp_path / "i"), where=parse("later = 5 or price = 20")) == ["b", "d"]


def test_one_process_writes_at_a_time_and_a_reader_writes_nothing(index: Index, tmp_path: Path) -> None:
    index.publish()
    with pytest.raises(FolderInUse, match="in use by process"):
        open_index(tmp_path / "i", writing=True)
    with pytest.raises(FolderError, match="writing=True"):
        open_index(tmp_path / "i").publish()
    index.close()
    open_index(tmp_path / "i", writing=True).close()


def test_another_model_is_refused_by_name(index: Index, tmp_path: Path) -> None:
    index.publish()
    for other in (ModelIdentity("two", "xyz", "generative", 3), ModelIdentity("two", "abc", "one_word", 2)):
        with pytest.raises(IndexMismatch, match=r"built with one \(generative.*2 numbers\), not with two"):
            open_index(tmp_path / "i", other)
    open_index(tmp_path / "i", ModelIdentity("renamed", "abc", "generative", 2))


def test_a_folder_that_holds_something_is_kept(make: Make, store: str, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FolderError, match="holds something already"):
        make(tmp_path, MODEL, store)
    with pytest.raises(FolderError, match="is a file"):
        make(tmp_path / "thesis.tex", MODEL, store)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_index_of_an_older_version_is_told_and_replaced(make: Make, store: str, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for name, content in (("meta.json", '{"schema": "elva-index-1"}'), ("items.jsonl", ""), ("vectors.npy", "")):
        (old / name).write_text(content)
    with pytest.raises(FolderError, match=r"elva-index-1.*elva index"):
        open_index(old)
    make(old, MODEL, store).close()
    assert len(open_index(old)) == 0


def test_ties_go_by_id_and_none_is_missed(make: Make, store: str, tmp_path: Path) -> None:
    index = make(tmp_path / "i", MODEL, store)
    names = [f"{number:03d}" for number in range(100)]
    index.add([Entry(each) for each in reversed(names)], np.tile(np.float32([[0.6, 0.8]]), (100, 1)))
    assert [hit.entry.id for hit in index.search(QUERY, k=5)[0]] == names[:5]


# -- the stores beside each other ----------------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["red", "Red", "it's", "", " a  b ", "ÄÖ", "äö", "5", "-0", "-0.0", "1e3", "007", "%_", '"', "日本"]
)
SCALARS = st.one_of(
    WORDS, st.text(max_size=4), st.integers(-3, 10), st.floats(-3, 10), st.booleans(), st.none(), st.just(2**70)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("x"), inner), max_leaves=4
)
METADATA = st.dictionaries(st.sampled_from(["a", "b", "it's a", "a.x"]), VALUES, max_size=3)


def literal(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"


LITERALS = st.one_of(
    st.text(max_size=4).map(literal),
    WORDS.map(literal),
    st.one_of(st.integers(-3, 10), st.floats(-3, 10)).map(str),
    st.sampled_from(["5", "1e3", "red", "true", "1180591620717411303424"]),
)
COMPARISONS = st.tuples(
    st.sampled_from(["a", "b", '"it\'s a"', "a.x", "gone"]),
    st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
    LITERALS,
).map(" ".join)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        inner.map(lambda one: f"not ({one})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({' '.join(t)})"),
    ),
    max_leaves=4,
)


Stores = Callable[[], list[Index]]


@pytest.fixture(scope="module")
def stores(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """All stores, empty; the exact one, the measure of the others, first."""
    others = [make(tmp_path_factory.mktemp(each) / "i", MODEL, each) for each in STORES if each != "exact"]

    def emptied() -> list[Index]:
        for index in others:
            index.delete(list(index.contents()))
        return [ExactIndex(MODEL), *others]

    return emptied


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(METADATA, min_size=1, max_size=5), st.lists(CONDITIONS, min_size=1, max_size=8))
@example([{"a": ["\0", "nul"]}], ["a = '\0'"])
def test_stores_agree_on_every_condition(stores: Stores, said: list[dict[str, Any]], conditions: list[str]) -> None:
    entries = [Entry(str(number), metadata=each) for number, each in enumerate(said)]
    vectors = np.tile(np.float32([[1, 0]]), (len(entries), 1))
    all_stores = stores()
    for index in all_stores:
        index.add(entries, vectors)
    for condition in map(parse, conditions):
        wanted = [each.id for each in entries if condition.holds(each.metadata)]
        assert [ids(index, where=condition) for index in all_stores] == [wanted] * len(all_stores), condition
    assert [index.get(["0"])[0].metadata for index in all_stores] == [said[0]] * len(all_stores)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4), st.text(max_size=6))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(["Straße, naïve", "STRASSE nai\u0308ve"], "strasse NAÏVE")
def test_stores_agree_on_every_word(stores: Stores, texts: list[str], match: str) -> None:
    entries = [Entry(str(number), text) for number, text in enumerate(texts)]
    all_stores = stores()
    for index in all_stores:
        index.add(entries, np.tile(np.float32([[1, 0]]), (len(entries), 1)))
    found = [ids(index, match=match) for index in all_stores]
    assert found == [found[0]] * len(found)
    if match == "strasse NAÏVE":
        assert found[0] == ["0", "1"]


SPOKEN = st.lists(
    st.text(max_size=4) | st.sampled_from(["red", "Red", "shoe", "the", "running", "äö", "x" * 60]), max_size=8
)


@given(st.lists(SPOKEN.map(" ".join), min_size=1, max_size=6), SPOKEN.map(" ".join))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stores_agree_on_ranks_by_words(stores: Stores, texts: list[str], asked: str) -> None:
    entries = [Entry(str(number), text) for number, text in enumerate(texts)]
    all_stores = stores()
    for index in all_stores:
        index.add(entries, np.tile(np.float32([[1, 0]]), (len(entries), 1)))
    found = [[index.by_words(asked, k) for k in (1, 10)] for index in all_stores]
    assert found == [found[0]] * len(found)


def test_stores_agree_on_order_and_scores(make: Make, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = ModelIdentity("one", "abc", "generative", 48)
    queries = rng.standard_normal((8, 48)).astype(np.float32)
    pool = np.concatenate([rng.standard_normal((300, 48)), queries.repeat(60, axis=0) + 1e-6]).astype(np.float32)
    queries, pool = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (queries, pool))
    entries = [Entry(f"{number}") for number in rng.permutation(len(pool))]
    exact = ExactIndex(model)
    exact.add(entries, pool)
    for store in STORES:
        index = make(tmp_path / store, model, store)
        index.add(entries, pool)
        assert index.search(queries, 25) == exact.search(queries, 25), store


@pytest.mark.parametrize(
    "condition",
    [
        " or ".join(["price = 1"] * 99 + ["price = 20"]),
        " and ".join(["price = 20"] * 100),
        "not " * 28 + "price = 20",
        "(" * 29 + "price = 20" + ")" * 29,
        f"price in ({', '.join(map(str, range(99)))}) and price != 9.5",
        " or ".join(["(price = 20 and not (not (tags = new)))"] * 50),
    ],
)
def test_conditions_at_the_limits_are_answered(index: Index, condition: str) -> None:
    assert ids(index, where=parse(condition)) == ["b"]
    assert ids(index, where=parse(condition), match="w" * 100_000) == []
