from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from elva.errors import ItemError
from elva.items import LABEL_LENGTH, Item


@pytest.mark.parametrize("text", [None, "", "  \n\t"])
def test_an_item_without_text_and_image_is_refused(text: str | None) -> None:
    with pytest.raises(ItemError, match="neither text nor image"):
        Item(text, instruction="Find it.")


@pytest.mark.parametrize(
    ("item", "modality"),
    [
        (Item("a"), "text"),
        (Item(image="a.png"), "image"),
        (Item(" ", "a.png"), "image"),
        (Item("a", b"\x89PNG"), "image,text"),
    ],
)
def test_the_modality_follows_from_the_content(item: Item, modality: str) -> None:
    assert item.modality == modality


@given(st.text(min_size=1).filter(str.strip))
def test_a_label_is_one_short_line(text: str) -> None:
    label = Item(text).label()
    assert 0 < len(label) <= LABEL_LENGTH
    assert "\n" not in label


def test_the_label_of_an_image_names_it() -> None:
    assert Item(image=Path("shop/1.jpg")).label() == "shop/1.jpg"
    assert Item(image=Image.new("RGB", (3, 4))).label() == "image of 3 x 4 pixels"
    assert Item(image=b"abc").label() == "image of 3 bytes"


def test_items_of_paths_can_be_counted_and_cached() -> None:
    assert len({Item("a", "b.png"), Item("a", "b.png"), Item("a", "c.png")}) == 2
