from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from elva.clips import Clip
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
        (Item(video=["a.png", "b.png"]), "video"),
        (Item(" ", video=[Image.new("RGB", (3, 4))]), "video"),
        (Item("a", video=("a.png", b"\x89PNG")), "video,text"),
        (Item(turns=[Item("a"), Item("b")]), "text"),
        (Item(turns=[Item("a"), Item(image="a.png")]), "image,text"),
        (Item(turns=[Item(image="a.png"), Item(image="b.png")]), "image"),
        (Item(turns=[Item(video=["a.png"]), Item("a")]), "video,text"),
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


def test_the_label_of_a_video_names_its_first_frame() -> None:
    assert Item(video=["shop/1.jpg", "shop/2.jpg"]).label() == "video of 2 frames (shop/1.jpg first)"
    assert Item(video=[Path("1.jpg")]).label() == "video of 1 frame (1.jpg first)"


def test_items_of_paths_can_be_counted_and_cached() -> None:
    assert len({Item("a", "b.png"), Item("a", "b.png"), Item("a", "c.png")}) == 2
    videos = (["a.png", "b.png"], ("a.png", "b.png"), ["b.png", "a.png"])
    assert len({Item(video=frames) for frames in videos}) == 2


def test_what_is_shown_is_the_image_or_the_frames() -> None:
    frames = ["a.png", "b.png"]
    item = Item(video=frames)
    frames.append("c.png")
    assert item.shown == ("a.png", "b.png"), "an item does not change behind one's back"
    assert Item(image="a.png").shown == "a.png"
    assert Item("a").shown is None


def test_an_image_and_a_video_at_once_are_refused() -> None:
    with pytest.raises(ItemError, match="an image and a video; give one"):
        Item(image="a.png", video=["a.png"])


def test_a_video_without_frames_is_refused() -> None:
    with pytest.raises(ItemError, match="no frames"):
        Item("a", video=[])


def test_a_frame_that_is_no_image_is_named() -> None:
    with pytest.raises(ItemError, match="frame 2 of the video is of type ndarray; give a path"):
        Item(video=["a.png", np.zeros((2, 2, 3))])  # type: ignore[list-item]


@pytest.mark.parametrize("video", ["clip.mp4", Path("clip.mp4"), b"\x00\x00", Image.new("RGB", (3, 4))])
def test_a_video_that_is_no_sequence_of_frames_is_refused(video: Any) -> None:
    with pytest.raises(ItemError, match=r"the video is (clip\.mp4|of type \w+); give its frames"):
        Item(video=video)


def test_turns_are_the_parts_of_an_item_in_their_order() -> None:
    turns = [Item("a", "a.png"), Item("b"), Item(image="b.png")]
    item = Item(turns=turns, instruction="find it")
    assert item.parts == tuple(turns)
    assert item.visuals == ("a.png", "b.png")
    assert item.label() == "3 turns (a first)"
    turns.pop()
    assert len(item.parts) == 3, "an item does not change behind one's back"
    assert len({item, Item(turns=item.turns, instruction="find it"), Item(turns=turns)}) == 2


def test_turns_may_show_videos_and_images() -> None:
    item = Item(turns=[Item(video=["a.png", "b.png"]), Item(image="c.png"), Item("what next?")])
    assert item.visuals == (("a.png", "b.png"), "c.png")
    assert item.modality == "video,text"
    assert Item(turns=item.parts[1::-1]).modality == "video"


def test_an_item_without_turns_is_its_own_single_part() -> None:
    item = Item("a", video=["a.png", "b.png"])
    assert item.parts == (item,)
    assert item.visuals == (("a.png", "b.png"),)
    assert Item("a").visuals == ()


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        ([], "the turns are no list of items, or none"),
        ("red", "the turns are no list of items"),
        (Item("a"), "the turns are no list of items"),
        (["red"], "turn 1 is of type str; give an item"),
        ([Item("a"), Item("b", instruction="find it")], "turn 2 has an instruction of its own; give it to the whole"),
        ([Item(turns=[Item("a")])], "turn 1 has turns of its own; put all turns in one list"),
    ],
)
def test_turns_that_are_no_plain_items_are_refused(turns: Any, told: str) -> None:
    with pytest.raises(ItemError, match=told):
        Item(turns=turns)


@pytest.mark.parametrize("beside", [{"text": "a"}, {"image": "a.png"}, {"video": ["a.png"]}])
def test_nothing_stands_beside_turns(beside: Any) -> None:
    with pytest.raises(ItemError, match="has turns and something beside them"):
        Item(turns=[Item("b")], **beside)


def test_a_video_may_be_a_clip_on_disk() -> None:
    item = Item("a", video=Clip("clip.mp4"))
    assert item.shown == Clip("clip.mp4")
    assert item.modality == "video,text"
    assert Item(video=Clip("clip.mp4")).label() == "video clip.mp4"
    assert len({item, Item("a", video=Clip("clip.mp4")), Item("a", video=Clip("clip.mp4", frames=4))}) == 2
