from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.building import picture, rows
from elva.data.import_report import ImportReport, chance_hits
from elva.data.importer import import_table
from elva.data.mbeir import MBeir, Query, TaskName
from elva.data.nli import read_triples
from elva.data.validation import validate
from elva.errors import DataError, DataErrors

COLUMNS = {
    "attributes": ["attributes.gender", "attributes.baseColour", "attributes.articleType"],
    "entity": "articleType",
    "rename": {"attributes.baseColour": "colour", "attributes.articleType": "type"},
    "id_column": "id",
    "split_column": "split",
    "brand_from_text": True,
    "brand_min_rows": 5,
}
COLOURS = ("Red", "Blue", "Black")
TYPES = ("Shirts", "Watches")
GENDERS = ("Men", "Women")
BRANDS = ("Acme", "Zeta")


def product(number: int, split: str) -> dict[str, Any]:
    gender, kind = GENDERS[number % 2], TYPES[number // 2 % 2]
    colour, brand = COLOURS[number // 4 % 3], BRANDS[number // 12 % 2]
    values = {"gender": gender, "baseColour": colour, "articleType": kind, "season": "NA"}
    return {
        "id": f"sku-{number}",
        "image": f"images/{number}.png",
        "title": f"{brand} {gender} {colour} {kind} No {number}",
        "attributes": values,
        "split": split,
    }


def catalogue(folder: Path, *changed: dict[str, Any] | bytes) -> Path:
    """72 products, every combination of values three times: train, train and held out."""
    products = [product(n, "train" if n < 48 else "val" if n % 3 == 0 else "test") for n in range(72)]
    for number in range(72):
        picture(folder / f"images/{number}.png", 3 * number)
    return rows(folder / "shop.jsonl", *products, *changed)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[MBeir, ImportReport]:
    folder = tmp_path_factory.mktemp("shop")
    report = import_table(catalogue(folder), folder / "out", **COLUMNS)
    return MBeir.open(folder / "out"), report


def multigrain(data: MBeir, dataset: str, split: str = "test") -> list[Query]:
    return data.queries(TaskName(dataset, 0, split))


def values_of(data: MBeir) -> dict[str, dict[str, str]]:
    """Image path -> canonical values, as the canonical captions tell them."""
    lexicon = data.lexicon()
    name = TaskName("shop", 3, "test")
    found = {}
    for split in ("train", "val", "test"):
        for query in data.queries(TaskName(name.dataset, name.task, split)):
            assert query.image is not None
            caption = " ".join(grain.text for grain in query.grains)
            (found[query.image],) = (dict(e) for e in lexicon.parse(caption).entities)
    return found


def test_an_import_is_sound_and_counted(shop: tuple[MBeir, ImportReport]) -> None:
    data, report = shop
    assert validate(data.root).errors == ()
    assert report.rows == {"train": 48, "val": 8, "test": 16}
    assert report.values == {"gender": 2, "colour": 3, "brand": 2, "type": 2}
    assert report.unknown == dict.fromkeys(report.values, 0)
    assert report.queries["shop_task3_train"] == 48
    assert "a random ranking hits" in str(report)


def test_positives_are_all_that_satisfy_every_grain_and_near_misses_fail_just_one(
    shop: tuple[MBeir, ImportReport],
) -> None:
    data, _ = shop
    truth, lexicon = values_of(data), data.lexicon()
    for dataset in ("shop_multigrain", "shop_multigrain_heldout"):
        pool = {one.did: truth[str(one.image)] for one in data.pool(TaskName(dataset, 0, "test"))}
        for query in multigrain(data, dataset):
            (wanted,) = (dict(e) for e in lexicon.parse(query.text or "").entities)
            assert 2 <= len(wanted) <= 4
            satisfying = {did for did, has in pool.items() if wanted.items() <= has.items()}
            assert set(query.positives) == satisfying
            for miss in query.near_misses:
                wrong = {kind for kind in wanted if pool[miss.did][kind] != wanted[kind]}
                assert wrong == {miss.kind}
            assert {miss.kind for miss in query.near_misses} == set(wanted)


def test_queries_are_distinct_sets_of_grains_with_spans_and_a_paraphrase(
    shop: tuple[MBeir, ImportReport],
) -> None:
    data, _ = shop
    lexicon = data.lexicon()
    queries = multigrain(data, "shop_multigrain")
    sets = [lexicon.parse(query.text or "").entities for query in queries]
    assert len(sets) == len({json.dumps(dict(one[0]), sort_keys=True) for one in sets}) > 16
    for query, facts in zip(queries, sets, strict=True):
        assert lexicon.parse(query.paraphrase or query.text or "").entities == facts
        for grain in query.grains:
            assert grain.span is not None
            assert (query.text or "")[slice(*grain.span)] == grain.text
            assert grain.masked_txt


def test_both_pools_are_asked_the_same_and_training_sees_no_held_out_photo(
    shop: tuple[MBeir, ImportReport],
) -> None:
    data, _ = shop
    everywhere, apart = (multigrain(data, f"shop_multigrain{end}") for end in ("", "_heldout"))
    assert [query.text for query in everywhere] == [query.text for query in apart]
    sizes = [len(data.pool(TaskName(f"shop_multigrain{end}", 0, "test"))) for end in ("", "_heldout")]
    assert sizes == [72, 24]
    held_out = {one.did for one in data.pool(TaskName("shop_multigrain_heldout", 0, "test"))}
    train = data.train_examples()
    assert not held_out & train.candidates.keys()
    for name in data.tasks("train"):
        assert not held_out & {one.did for one in data.pool(name)}


def test_products_alike_are_no_negatives_of_each_other(shop: tuple[MBeir, ImportReport]) -> None:
    data, _ = shop
    truth = values_of(data)
    pool = {one.did: truth[str(one.image)] for one in data.pool(TaskName("shop", 0, "test"))}
    for query in data.queries(TaskName("shop", 0, "test")):
        own = next(iter(query.positives))
        assert {did for did, has in pool.items() if has == pool[own]} == set(query.positives)


def test_an_image_never_finds_itself(shop: tuple[MBeir, ImportReport]) -> None:
    data, _ = shop
    for split in ("train", "val", "test"):
        name = TaskName("shop", 4, split)
        found = {one.image for one in data.pool(name)}
        queries = data.queries(name)
        assert queries
        assert not found & {query.image for query in queries}


def test_the_base_split_says_all_grains_in_one_order(shop: tuple[MBeir, ImportReport]) -> None:
    data, _ = shop
    name = TaskName("shop", 3, "base")
    captions = {one.did: one.text for one in data.pool(name)}
    queries = data.queries(name)
    assert len(queries) == 48
    assert captions[queries[0].positives[0]] == "men red acme shirts"
    texts = {q.text: captions[q.positives[0]] for q in data.queries(TaskName("shop", 1, "base"))}
    assert texts["Acme Men Red Shirts No 0"] == "men red acme shirts"


def test_triples_change_one_grain(shop: tuple[MBeir, ImportReport]) -> None:
    data, report = shop
    lexicon = data.lexicon()
    triples = read_triples(data.root / "nli/shop_triples.csv")
    assert len(triples) == report.triples == 48
    for triple in triples:
        first, second, third = (
            dict(lexicon.parse(text or "").entities[0]) for text in (triple.anchor, triple.positive, triple.negative)
        )
        assert first == second
        assert first.keys() == third.keys()
        assert sum(first[kind] != third[kind] for kind in first) == 1


def test_every_query_has_an_instruction_and_pictures_keep_the_users_id_and_annotation(
    shop: tuple[MBeir, ImportReport],
) -> None:
    data, _ = shop
    for name in data.tasks("test"):
        assert all(data.instruction(query) for query in data.queries(name))
    first = data.pool(TaskName("shop", 0, "test"))[0]
    assert json.loads(first.source or "") == {"id": "sku-0", "caption": "men red acme shirts"}


def test_the_same_table_and_seed_write_the_same_bytes(shop: tuple[MBeir, ImportReport], tmp_path: Path) -> None:
    data, _ = shop
    for seed, same in ((0, True), (1, False)):
        out = tmp_path / str(seed)
        import_table(data.root.parent / "shop.jsonl", out, seed=seed, **COLUMNS)
        assert (MBeir.open(out).fingerprint() == data.fingerprint()) is same


def test_equal_photos_are_answers_too_and_no_near_misses(tmp_path: Path) -> None:
    again = product(99, "test") | {"title": "Nameless thing"}
    table = catalogue(tmp_path, again)
    (tmp_path / "images/99.png").write_bytes((tmp_path / "images/0.png").read_bytes())
    import_table(table, tmp_path / "out", **COLUMNS)
    data = MBeir.open(tmp_path / "out")
    twins = {"1000:0", "1000:72"}
    titles = {query.text: query for query in data.queries(TaskName("shop", 0, "test"))}
    assert twins <= set(titles["Nameless thing"].positives)
    for query in multigrain(data, "shop_multigrain"):
        if twins & set(query.positives):
            assert not twins & {miss.did for miss in query.near_misses}


def test_a_csv_with_drawn_splits_and_no_brands(tmp_path: Path) -> None:
    lines = ["photo,name,kind,colour"]
    for number in range(60):
        picture(tmp_path / f"{number}.png", number)
        colour, kind = COLOURS[number % 3], TYPES[number % 2]
        lines.append(f'{number}.png,"{colour} {kind}, {number}",{kind},{colour}')
    report = import_table(
        rows(tmp_path / "Old Shop.csv", *lines),
        tmp_path / "out",
        attributes=["colour", "kind"],
        entity="kind",
        image_column="photo",
        text_column="name",
        link_images=True,
    )
    assert sum(report.rows.values()) == 60
    assert report.rows["train"] > 40
    assert (tmp_path / "out/mbeir_images/old_shop/0.png").stat().st_nlink == 2
    assert validate(tmp_path / "out").errors == ()


def bad_rows(folder: Path) -> Iterator[tuple[dict[str, Any] | bytes, str, str | None]]:
    (folder / "images/cut.png").write_bytes((folder / "images/1.png").read_bytes()[:45])
    yield product(80, "train") | {"image": "images/none.png"}, "does not exist", "image"
    yield product(81, "train") | {"image": "images/cut.png"}, "truncated or damaged", "image"
    yield product(82, "train") | {"image": ""}, "empty", "image"
    yield product(83, "train") | {"title": " "}, "empty", "title"
    yield product(3, "train"), "sku-3 comes twice", "id"
    yield product(84, "elsewhere"), "unknown split 'elsewhere'", "split"
    yield b'{"id": "\xff"}', "not UTF-8", None
    yield b"{", "no JSON", None


def test_bad_rows_are_reported_with_file_line_and_field_or_counted(tmp_path: Path) -> None:
    catalogue(tmp_path)
    expected = list(bad_rows(tmp_path))
    table = catalogue(tmp_path, *(row for row, _, _ in expected))
    with pytest.raises(DataErrors) as caught:
        import_table(table, tmp_path / "out", **COLUMNS)
    errors = caught.value.errors
    assert [error.line for error in errors] == list(range(73, 73 + len(expected)))
    for error, (_, found, field) in zip(errors, expected, strict=True):
        assert found in error.found
        assert error.field == field
    assert not (tmp_path / "out").exists()
    report = import_table(table, tmp_path / "out", skip_bad_rows=True, **COLUMNS)
    assert len(report.skipped) == len(expected)
    assert sum(report.rows.values()) == 72


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"image_column": "photo"}, "there is no such column"),
        ({"attributes": ["attributes.size"]}, "'articleType' is no attribute"),
        ({"attributes": [*COLUMNS["attributes"], "colour"]}, "a second kind 'colour'"),  # type: ignore[misc]
        ({"query_attributes": ["size"]}, "'size' is no attribute"),
        ({"dataset_id": 9}, "ids below 1000"),
        ({"name": "!"}, "names no dataset"),
        ({"rename": {"attributes.gender": "brand"}, "brand_from_text": True}, "an attribute 'brand' of its own"),
        ({"name": "a_task0"}, "names no dataset"),
        ({"attributes": ["attributes.season"], "entity": "season"}, "no training row says"),
    ],
)
def test_options_that_do_not_fit_the_table_are_named(tmp_path: Path, changes: dict[str, Any], found: str) -> None:
    table = catalogue(tmp_path)
    with pytest.raises(DataError, match=found):
        import_table(table, tmp_path / "out", **COLUMNS | {"brand_from_text": False} | changes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "shop.jsonl"]


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    table = catalogue(tmp_path)
    with pytest.raises(DataError, match="holds something already"):
        import_table(table, tmp_path, **COLUMNS)


def test_chance_is_the_expectation_of_a_random_ranking() -> None:
    assert chance_hits([1, 3], 10) == pytest.approx((0.2, (0.5 + 1 - 1 / 12) / 2, 1.0))
    assert chance_hits([1], 3).hit5 == 1.0


def test_what_the_first_row_leaves_open_is_a_column_all_the_same(tmp_path: Path) -> None:
    table = catalogue(tmp_path)
    products = [json.loads(line) for line in table.read_text().splitlines()]
    del products[0]["attributes"]["gender"]
    products[0]["attributes"]["baseColour"] = None
    rows(table, *products)
    report = import_table(table, tmp_path / "out", **COLUMNS)
    assert report.unknown == {"gender": 1, "colour": 1, "brand": 0, "type": 0}


def test_missing_columns_are_named_together(tmp_path: Path) -> None:
    changes = {"image_column": "photo", "text_column": "name"}
    with pytest.raises(DataError, match=r"photo, name: there are no such columns; .*image, title, attributes, split"):
        import_table(catalogue(tmp_path), tmp_path / "out", **COLUMNS | changes)


def test_a_table_without_rows_says_so(tmp_path: Path) -> None:
    table = rows(tmp_path / "shop.csv", "image,title,type")
    with pytest.raises(DataError, match="holds no rows"):
        import_table(table, tmp_path / "out", attributes=["type"], entity="type")


def test_an_empty_split_is_told(tmp_path: Path) -> None:
    table = catalogue(tmp_path)
    products = [json.loads(line) | {"split": "train"} for line in table.read_text().splitlines()]
    report = import_table(rows(table, *products), tmp_path / "out", **COLUMNS)
    assert "no row came into val" in str(report)
    assert "no row came into test" in str(report)
    assert "came into train" not in str(report)
