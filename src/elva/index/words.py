"""How texts are compared where words matter, not vectors: the same in every store."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """A text as it is compared: case, composition of accents and white space make no difference."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def all_words(text: str) -> list[str]:
    """The words of a text, each as often as it stands there: runs of letters and digits, folded."""
    return _WORD.findall(folded(text))


def words(text: str) -> list[str]:
    """The different words of a text, sorted."""
    return sorted(set(all_words(text)))
