from __future__ import annotations

import importlib
import pickle
import pkgutil

import pytest

import elva
from elva import errors
from elva.errors import DataError, DataErrors, ElvaError, MissingExtra


def family(root: type[ElvaError] = ElvaError) -> set[str]:
    """The names of a class and all below it, wherever they are defined."""
    return {root.__name__}.union(*(family(child) for child in root.__subclasses__()))


def bad(line: int | None = 3, field: str | None = "qid") -> DataError:
    return DataError("query/x.jsonl", line, field, "'7' is no id", "write another")


def test_the_tree_in_the_docstring_names_every_class() -> None:
    for module in pkgutil.walk_packages(elva.__path__, "elva."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    tree = (errors.__doc__ or "").split("The command line")[0]
    drawn = {word for word in tree.split() if word.endswith(("Error", "Errors")) or word in family()}
    assert drawn == family()


def test_a_data_error_names_file_line_field_find_and_fix() -> None:
    assert str(bad()) == "query/x.jsonl:3: qid: '7' is no id; write another"
    assert str(bad(None, None)) == "query/x.jsonl: '7' is no id; write another"


def test_many_data_errors_show_the_first_twenty_and_the_count() -> None:
    text = str(DataErrors([bad(line) for line in range(1, 51)]))
    assert text.startswith("50 bad places")
    assert "x.jsonl:20:" in text
    assert "x.jsonl:21:" not in text
    assert text.endswith("and 30 more")


def test_one_data_error_is_in_the_singular() -> None:
    assert str(DataErrors([bad()])).startswith("1 bad place in")


def test_a_missing_extra_names_the_install_command() -> None:
    assert 'pip install "elva-retrieval[peft]"' in str(MissingExtra("peft", "peft"))


@pytest.mark.parametrize("error", [bad(), DataErrors([bad()]), MissingExtra("a", "b")])
def test_errors_survive_a_process_border(error: ElvaError) -> None:
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
