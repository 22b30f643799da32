"""The words of a turn: what stands above the prompt, and what the prompt calls it."""

from __future__ import annotations

import pytest
from PIL import Image

from elva.encoding import Extraction
from elva.items import Item
from elva.prompts import Prompts, as_sentence, clock, step_by_step

PICTURE = Image.new("RGB", (8, 8))
NAMING = Prompts("Sum up:", "{modality}, above: {above}", sentences=False)
OWN_BREAK = Prompts("Sum up:", "\nIn one word: ")


def words(prompts: Prompts, item: Item, extraction: Extraction = "one_word") -> str:
    (text,) = prompts.user_texts(item, [item.text], extraction)
    return text


def test_an_instruction_is_no_text_of_the_item_but_stands_above() -> None:
    assert words(NAMING, Item(text="red")) == "red\nsentence, above: sentence"
    assert words(NAMING, Item(image=PICTURE)) == "image, above: image"
    assert words(NAMING, Item(image=PICTURE, instruction="find it")) == "find it\nimage, above: image and sentence"
    assert words(NAMING, Item("red", PICTURE)) == "red\nimage and sentence, above: image and sentence"


def test_a_line_break_parts_words_and_prompt_once() -> None:
    assert words(OWN_BREAK, Item(text="red")) == "red\nIn one word: "
    assert words(OWN_BREAK, Item(image=PICTURE)) == "\nIn one word: "
    assert words(OWN_BREAK, Item(image=PICTURE), "generative") == "Sum up:"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("a dog", "A dog."),
        ("  A dog!\r\n", "A dog!"),
        ('"is it?"', "Is it?"),
        ("A. B", "A. B."),
        ('""', ""),
        ("", ""),
        ("ärger", "Ärger."),
    ],
)
def test_a_sentence_begins_large_and_ends(given: str, written: str) -> None:
    assert as_sentence(given) == written


def test_instruction_and_text_become_sentences_where_the_model_wants_them() -> None:
    prompts = Prompts("Sum up:", "{above}:", sentences=True)
    assert words(prompts, Item("a dog", instruction="find it")) == "Find it. a dog.\nsentence:"
    assert words(prompts, Item("a dog", instruction="find it"), "generative") == "Find it. a dog.\nSum up:"
    assert words(prompts, Item('"a dog"')) == "A dog.\nsentence:"
    assert words(prompts, Item('""')) == "sentence:", "a text of nothing is a text"
    assert words(prompts, Item('""', PICTURE)) == "image:"


def test_turns_are_parted_by_line_breaks_and_the_first_stands_behind_the_instruction() -> None:
    turns = Item(turns=[Item("a", PICTURE), Item(image=PICTURE), Item("b"), Item("c", PICTURE)], instruction="find it")
    texts = [turn.text for turn in turns.parts]
    assert NAMING.user_texts(turns, texts, "generative") == ["find it a\n", "", "b\n", "c\nSum up:"]
    assert NAMING.own_texts(turns, texts) == ["find it a\n", "", "b\n", "c"]
    assert NAMING.user_texts(turns, texts, "one_word")[-1] == "c\nimage and sentence, above: image and sentence"


def test_a_last_turn_without_words_leaves_the_prompt_behind_its_picture() -> None:
    turns = Item(turns=[Item("a"), Item(image=PICTURE)])
    assert NAMING.user_texts(turns, ["a", None], "generative") == ["a\n", "Sum up:"]


def test_turns_that_show_images_and_videos_are_called_both() -> None:
    clip, picture = Item(video=[PICTURE]), Item(image=PICTURE)
    assert NAMING.user_texts(Item(turns=[clip, picture]), [None, None], "one_word")[-1].startswith("image and video,")
    both = NAMING.user_texts(Item(turns=[picture, Item("a", video=[PICTURE])]), [None, "a"], "one_word")
    assert both[-1].startswith("a\nimage, video and sentence,")


def test_what_asks_by_its_own_words_is_left_as_it_is() -> None:
    asked = Item(turns=[Item(video=[PICTURE]), Item("a\n"), Item("which? A. red")])
    texts = [part.text for part in asked.parts]
    for prompts in (NAMING, Prompts("Sum up:", "{above}:", sentences=True)):
        assert prompts.user_texts(asked, texts, "own") == ["", "a\n", "which? A. red"]
    assert NAMING.user_texts(Item("which?", instruction="look"), ["which?"], "own") == ["look which?"]


def test_moments_read_as_the_steps_write_them() -> None:
    assert [clock(seconds) for seconds in (0, 0.5, 59.97, 65, 600.04)] == ["0:00", "0:00.5", "1:00", "1:05", "10:00"]


def test_a_question_whose_steps_are_judged_tells_when_its_frames_are() -> None:
    assert step_by_step("Who?", []).startswith("Who?\nSolve")
    assert "\nThe video is shown at 0:00, 0:01.5.\nSolve" in step_by_step("Who?", [0, 1.5])
