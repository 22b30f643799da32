"""Data made to do harm, and work cut off half way: a clear error, and nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.building import PICTURES, TEST, candidate, picture, query, rows, text_to_image, tree
from elva.data import importer
from elva.data.importer import import_table
from elva.data.mbeir import MBeir, write_queries
from elva.data.records import Query
from elva.data.table import table_rows
from elva.data.validation import validate
from elva.errors import DataError, ElvaError


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "a/../../b.png", "mbeir_images/..", "a\0.png"])
def test_no_row_reaches_outside_the_tree(tmp_path: Path, path: str) -> None:
    picture(tmp_path / "secret.png")
    root = tree(tmp_path / "root", pool=[candidate(0), candidate(1, img_path=path)])
    report = validate(root, ["test"])
    assert [(error.line, error.field) for error in report.errors[:1]] == [(2, "img_path")]
    assert "leaves the data folder" in report.errors[0].found


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"qid": ' * 50_000,
        '{"qid": ' + "9" * 5000 + "}",
        '{"qid": "1000:1", "query_txt": "\\ud83d", "query_modality": "text"}',
        '{"qid": NaN}',
        "\0",
        json.dumps(query(0, task_id=10**30) | {"query_modality": {}}),
    ],
)
def test_malicious_json_is_an_error_of_its_line(tmp_path: Path, line: str) -> None:
    report = validate(tree(tmp_path, [query(0), line]))
    assert [error.line for error in report.errors] == [2]


@pytest.mark.parametrize("content", [b"", b"\n\n", b'a,b\n"never closed\n1,2\n', b"a,b\n1,2\n" + b"x" * 11_000_000])
def test_malicious_tables_are_errors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    errors: list[DataError] = []
    try:
        list(table_rows(path, errors))
    except DataError as error:
        errors.append(error)
    assert errors
    assert all(error.path == path for error in errors)


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"give a \.csv, \.tsv, \.jsonl or \.parquet file"):
        table_rows(tmp_path / "table.xlsx", [])


def test_writing_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    queries = text_to_image(tmp_path, TEST)
    path = tmp_path / TEST.query_path
    before = path.read_bytes()

    def failing() -> Iterator[Query]:
        yield queries[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_queries(tmp_path, TEST, failing())
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_an_import_cut_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        picture(tmp_path / f"{number}.png", number)
    lines = [f"{n}.png,thing {n},{'ab'[n % 2]},train" for n in range(8)]
    table = rows(tmp_path / "t.csv", "image,title,kind,split", *lines)

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importer, "write_qrels", cut)
    with pytest.raises(KeyboardInterrupt):
        import_table(table, tmp_path / "out", attributes=["kind"], entity="kind")
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_pool_that_is_a_folder_is_a_user_error(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / TEST.pool_path).unlink()
    (root / TEST.pool_path).mkdir()
    with pytest.raises(ElvaError, match="can't be read"):
        MBeir.open(root).pool(TEST)


def test_an_image_that_is_a_folder_is_an_error_of_its_row(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / PICTURES[3]).unlink()
    (root / PICTURES[3]).mkdir()
    assert [error.line for error in validate(root).errors] == [4]
