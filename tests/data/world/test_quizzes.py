"""Questions about clips: their words never tell the answer, and what happens does."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elva.data.world.quiz_rows import response
from elva.data.world.quizzes import FAMILIAR, HELD_OUT, KINDS, NEW, OPTIONS, PRACTISED, Quiz, draw_quiz
from elva.data.world.render import SIDE
from elva.data.world.stories import INVERSES, STILL, Role
from elva.data.world.story_film import box, film_story, moments
from elva.data.world.telling import told
from elva.data.world.words import VALUES
from elva.reasoning.responses import chosen_letter, consistency

seeds = st.integers(0, 2**32)
kinds = st.sampled_from([*KINDS])
levels = st.sampled_from([FAMILIAR, NEW])


def actors(quiz: Quiz, action: str) -> list[Role]:
    return [role for role in quiz.story.roles if role.actions[0] == action]


def true_options(quiz: Quiz) -> list[str]:
    """The options that the story makes true, found from the question's words alone and what happens."""
    words = quiz.question.rstrip("?").split()
    if quiz.kind in ("colour", "shape", "fill", STILL):
        (role,) = actors(quiz, quiz.question.rstrip("?").split(" that is ")[1])
        return [option for option in quiz.options if option == getattr(role, words[1])]
    named = next(role for role in quiz.story.roles if f"{role.colour} {role.shape}" in quiz.question)
    if quiz.kind == "undo":
        return [option for option in quiz.options if INVERSES[option] == named.actions[0]]
    if quiz.kind in ("next", "before"):
        dance = quiz.question.split(": ")[1].split(".")[0].split(", ")
        step = 1 if quiz.kind == "next" else -1
        return [dance[(dance.index(named.actions[0]) + step) % len(dance)]]
    return [named.actions[-1 if quiz.kind == "last" else 0]]


@given(kinds, levels, seeds)
def test_the_words_of_a_question_are_the_same_whichever_option_is_right(kind: str, values: object, seed: int) -> None:
    asked = [draw_quiz(kind, values, right, Random(seed)) for right in range(OPTIONS)]  # type: ignore[arg-type]
    assert len({(quiz.question, quiz.options, quiz.goal) for quiz in asked}) == 1
    assert len({quiz.answer for quiz in asked}) == OPTIONS


@given(kinds, levels, st.integers(0, OPTIONS - 1), seeds)
def test_what_happens_makes_one_option_right(kind: str, values: object, right: int, seed: int) -> None:
    quiz = draw_quiz(kind, values, right, Random(seed))  # type: ignore[arg-type]
    assert true_options(quiz) == [quiz.answer]
    assert len(set(quiz.options)) == OPTIONS and quiz.answer == quiz.options[right]


@given(st.sampled_from(["colour", "shape", "fill", STILL]), seeds)
def test_the_other_thing_has_a_wrong_option(kind: str, seed: int) -> None:
    quiz = draw_quiz(kind, FAMILIAR, 0, Random(seed))
    values = {getattr(role, "colour" if kind == STILL else kind) for role in quiz.story.roles}
    assert len(values) == 2 and values < {*quiz.options}


@pytest.mark.parametrize("kind", [*KINDS])
def test_who_knows_only_how_often_options_are_right_is_at_chance(kind: str) -> None:
    rng, right, seen = Random(0), Counter[str](), Counter[str]()
    for n in range(600):
        quiz = draw_quiz(kind, FAMILIAR, n % OPTIONS, rng)
        right[quiz.answer] += 1
        seen.update(quiz.options)
    hits = 0
    for n in range(600):
        quiz = draw_quiz(kind, FAMILIAR, n % OPTIONS, rng)
        hits += max(quiz.options, key=lambda option: right[option] / max(seen[option], 1)) == quiz.answer
    assert abs(hits / 600 - 1 / OPTIONS) < 4 * (0.25 * 0.75 / 600) ** 0.5


@given(kinds, seeds)
def test_steps_say_what_is_seen_then_what_follows_and_end_in_the_answer(kind: str, seed: int) -> None:
    quiz = draw_quiz(kind, FAMILIAR, 2, Random(seed))
    types = [step.type for step in quiz.steps]
    assert types == sorted(types) and {*types} == {"perception", "reasoning"}
    assert quiz.steps[-1].text == f"So the answer is {quiz.answer}."
    thought = " ".join(step.text for step in quiz.steps)
    assert response(quiz) == f"<think>{thought}</think><answer>{quiz.answer}</answer>"
    assert chosen_letter(response(quiz), quiz.options) == "C" and consistency(response(quiz), quiz.options)
    for role in quiz.story.roles:
        assert role.name in quiz.steps[0].text + quiz.steps[1].text


def test_responses_are_short_and_their_words_few() -> None:
    rng, words, lengths = Random(0), set[str](), list[int]()
    for n in range(2000):
        quiz = draw_quiz([*KINDS][n % len(KINDS)], (FAMILIAR, NEW)[n % 2], n % OPTIONS, rng)
        thought = " ".join(step.text for step in quiz.steps)
        lengths.append(len(thought.split()))
        words |= {*thought.split(), *quiz.question.split(), *told(quiz.story).split()}
    assert min(lengths) >= 15 and max(lengths) <= 35
    assert len(words) < 220  # with the marks behind them


def test_levels_share_no_shape_and_no_background_and_no_kind() -> None:
    assert {*FAMILIAR.shapes, *NEW.shapes} == {*VALUES["shape"]} and len(FAMILIAR.shapes) == len(NEW.shapes)
    assert {*FAMILIAR.backgrounds, *NEW.backgrounds} == {*VALUES["background"]}
    assert not PRACTISED.keys() & HELD_OUT.keys()


@given(kinds, seeds)
@example("first", 603)
def test_things_stay_in_the_picture_and_apart(kind: str, seed: int) -> None:
    quiz = draw_quiz(kind, FAMILIAR, 1, Random(seed))
    for moment in [*moments(quiz.shown), float(quiz.story.beats)]:
        for which in range(len(quiz.story.roles)):
            left, top, right, bottom = box(quiz.story, which, moment, Random(seed))
            assert 0 <= left < right <= SIDE and 0 <= top < bottom <= SIDE, "a tip may touch the edge"
    for one, two in pairwise([role.states for role in quiz.story.roles]):
        for (a, b), (x, y) in [(here.place, there.place) for here, there in zip(one, two, strict=True)]:
            assert max(abs(a - x), abs(b - y)) >= 2


@given(kinds, seeds)
def test_what_happens_lies_between_two_temporal_patches(kind: str, seed: int) -> None:
    quiz = draw_quiz(kind, FAMILIAR, 1, Random(seed))
    frames = film(quiz, seed)
    changed = [int((np.abs(a - b).max(axis=2) > 25).sum()) for a, b in pairwise(frames)]
    assert changed[1] >= 8 and changed[1] > max(changed[0], changed[2])
    if quiz.story.beats == quiz.shown:
        assert changed[3] == 0, "the picture is the last frame"
    else:
        assert changed[3] >= 8, "something happened since"


def film(quiz: Quiz, seed: int) -> list[np.ndarray]:
    at = [*moments(quiz.shown), float(quiz.story.beats)]
    return [np.asarray(frame, int) for frame in film_story(quiz.story, at, Random(seed))]
