"""A .pt file of plain values, read without running what it may hold: such a file is a pickle."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from elva.errors import DataError


def load_plain(path: Path) -> Any:
    """What a .pt file holds, where it holds numbers, texts, tensors, lists and dicts alone.

    Raises:
        DataError: it can't be read, or holds anything else: reading that could run code of whoever wrote it.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        fix = "reading it could run code, so it is refused: get the file from its authors, or save plain values alone"
        raise DataError(path, None, None, "it is damaged, or holds more than plain values", fix) from error
    except OSError as error:
        raise DataError(path, None, None, f"can't be read ({error.strerror})", "check the path") from error
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, None, None, "this is no .pt file, or a damaged one", "download the file again") from error
