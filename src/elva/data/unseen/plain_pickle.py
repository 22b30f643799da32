"""Pickles of plain values: MSVD's captions are published as one. Nothing that they could run is ever looked up."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NoReturn

from elva.errors import DataError


def plain_pickle(path: Path) -> Any:
    """What a pickle of lists, dicts, texts and numbers holds; one that names anything else is refused unread.

    Code can only be run by what a pickle looks up, so nothing is looked up.

    Raises:
        DataError: it can't be read, or holds anything else.
    """
    try:
        with path.open("rb") as file:
            return _Plain(file, encoding="utf-8", errors="replace").load()
    except OSError as error:
        raise DataError(path, None, None, f"can't be read ({error.strerror})", "check the path") from error
    except Exception as error:  # bytes made to harm raise whatever they like
        fix = "reading it could run code, so it is refused: download the file again, from its authors"
        raise DataError(path, None, None, "it is damaged, or holds more than plain values", fix) from error


class _Plain(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is no plain value")
