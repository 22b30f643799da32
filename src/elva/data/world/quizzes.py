"""Questions about stories, with four options of which one is right.

What a question says is drawn first, all four options alike; only then comes which of them is right, and the story that
makes it so. So the words alone never tell: whoever doesn't look is right one time in four.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from elva.data.world.stories import INVERSES, STILL, Role, Story, actions_of, follows, starts
from elva.data.world.telling import concluded, seen, seen_now
from elva.data.world.words import VALUES

OPTIONS = 4


@dataclass(frozen=True, slots=True)
class Values:
    """The shapes and backgrounds that a level draws from; four shapes, so that a question can offer them all."""

    shapes: tuple[str, ...]
    backgrounds: tuple[str, ...]


FAMILIAR = Values(("circle", "triangle", "heart", "arrow"), ("white", "gray"))
"""What questions in training show."""
NEW = Values(("square", "house", "moon", "drop"), ("mint", "tan"))
"""What they never show."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the reasoning, in a sentence: what is seen ("perception") or what follows ("reasoning")."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class Quiz:
    """A question about a story whose clip ends after ``shown`` beats; a picture shows how the story ends.

    Attributes:
        kind: which of `KINDS`.
        goal: what the things are up to, in words.
        question: the question.
        options: four texts.
        right: which of them is right.
        story: what happens.
        shown: beats of the clip.
        steps: how to find the answer.
    """

    kind: str
    goal: str
    question: str
    options: tuple[str, ...]
    right: int
    story: Story
    shown: int
    steps: tuple[Step, ...]

    @property
    def answer(self) -> str:
        """The right option."""
        return self.options[self.right]


def draw_quiz(kind: str, values: Values, right: int, rng: Random) -> Quiz:
    """A question of this kind on things and backgrounds of these values, whose option number ``right`` is right."""
    return KINDS[kind](kind, values, right, rng)


def _which(kind: str, values: Values, right: int, rng: Random) -> Quiz:
    """By what it does, one of two things is meant: which colour, shape or fill is it?"""
    options = tuple(rng.sample(values.shapes if kind == "shape" else VALUES[kind], OPTIONS))
    shapes = options if kind == "shape" else values.shapes
    doable = [action for action in VALUES["action"] if len(_able(shapes, action)) == len(shapes) or kind != "shape"]
    action = rng.choice(doable)
    question = f"Which {kind} is the thing that is {action}?"
    return _of_two(kind, kind, question, action, options, right, values, rng)


def _still(kind: str, values: Values, right: int, rng: Random) -> Quiz:
    """The colour of the thing that does nothing."""
    options = tuple(rng.sample(VALUES["colour"], OPTIONS))
    return _of_two(kind, "colour", f"Which colour is the thing that is {STILL}?", STILL, options, right, values, rng)


def _of_two(
    kind: str, asked: str, question: str, action: str, options: tuple[str, ...], right: int, values: Values, rng: Random
) -> Quiz:
    """A thing of the right value of the kind that is ``asked``, which does ``action``, and one of a wrong value."""
    mine, others = options[right], [option for option in options if option != options[right]]
    looks: dict[str, tuple[str, str]] = {asked: (mine, rng.choice(others))}
    if "shape" not in looks:
        shape = rng.choice(_able(values.shapes, action))
        looks["shape"] = (shape, rng.choice([each for each in values.shapes if each != shape]))
    looks.setdefault("colour", _pair(rng.sample(VALUES["colour"], 2)))
    looks.setdefault("fill", (rng.choice(VALUES["fill"]), rng.choice(VALUES["fill"])))
    beside = [each for each in actions_of(looks["shape"][1]) if each != action]
    other = STILL if action != STILL and rng.random() < 0.5 else rng.choice(beside)
    story = _story([looks["shape"], looks["colour"], looks["fill"]], [(action,), (other,)], values, rng)
    return _quiz(kind, question, options, right, story, _seen_first(story))


def _action(kind: str, values: Values, right: int, rng: Random) -> Quiz:
    """By its looks, one of two things is meant: what does it do? If the other does something, it is a wrong option."""
    shapes = _pair(rng.sample(values.shapes, 2))
    colours = _pair(rng.sample(VALUES["colour"], 2))
    options = tuple(rng.sample(actions_of(shapes[0]), OPTIONS))
    fills = (rng.choice(VALUES["fill"]), rng.choice(VALUES["fill"]))
    wrong = [each for each in options if each != options[right] and each in actions_of(shapes[1])]
    other = STILL if rng.random() < 0.5 else rng.choice(wrong)
    story = _story([shapes, colours, fills], [(options[right],), (other,)], values, rng)
    question = f"What is the {colours[0]} {shapes[0]} doing?"
    return _quiz(kind, question, options, right, story, _seen_first(story))


def _dance(kind: str, values: Values, right: int, rng: Random) -> Quiz:
    """A thing repeats four actions in a row. Of one that is seen: which comes next, or which came before?"""
    shape, colour, fill = _looks(values, rng)
    dance = rng.sample(actions_of(shape), OPTIONS)
    options = tuple(rng.sample(dance, OPTIONS))
    ahead = 1 if kind == "next" else -1
    done = dance[(dance.index(options[right]) - ahead) % OPTIONS]
    story = _story([(shape,), (colour,), (fill,)], [(done,)], values, rng)
    goal = ", ".join(dance)
    words = "What comes next?" if kind == "next" else "What came before?"
    said = f"{'After' if kind == 'next' else 'Before'} {done} comes {options[right]}."
    steps = [*_seen_first(story), Step("reasoning", said)]
    return _quiz(kind, f"The {colour} {shape} repeats: {goal}. {words}", options, right, story, steps, goal=goal)


def _order(kind: str, values: Values, right: int, rng: Random) -> Quiz:
    """A thing does one thing in the clip and another, a wrong option, until the picture: which first, or last?"""
    shape, colour, fill = _looks(values, rng)
    options = tuple(rng.sample(actions_of(shape), OPTIONS))
    mine, first = options[right], kind == "first"
    pairs = [(mine, other) if first else (other, mine) for other in options if other != mine]
    story = _story([(shape,), (colour,), (fill,)], [rng.choice([*filter(follows, pairs)])], values, rng)
    (role,) = story.roles
    steps = [Step("perception", seen(role)), Step("perception", seen_now(role, 1))]
    return _quiz(kind, f"What is the {colour} {shape} doing {kind}?", options, right, story, steps)


def _undo(kind: str, values: Values, right: int, rng: Random) -> Quiz:
    """What would take back what a thing does?"""
    shape, colour, fill = _looks(values, rng)
    options = tuple(rng.sample([*INVERSES], OPTIONS))
    story = _story([(shape,), (colour,), (fill,)], [(INVERSES[options[right]],)], values, rng)
    said = f"{options[right].capitalize()} undoes {INVERSES[options[right]]}."
    steps = [*_seen_first(story), Step("reasoning", said)]
    return _quiz(kind, f"What undoes what the {colour} {shape} is doing?", options, right, story, steps)


def _quiz(
    kind: str,
    question: str,
    options: tuple[str, ...],
    right: int,
    story: Story,
    steps: Sequence[Step],
    goal: str = "tell what happens",
) -> Quiz:
    last = Step("reasoning", concluded(options[right]))
    return Quiz(kind, goal, question, options, right, story, 1, (*steps, last))


def _story(looks: Sequence[tuple[str, ...]], actions: Sequence[tuple[str, ...]], values: Values, rng: Random) -> Story:
    """Things with these shapes, colours and fills, in the order in which their places are read."""
    places = starts(actions, rng)
    shapes, colours, fills = looks
    roles = [Role(*each) for each in zip(shapes, colours, fills, actions, places, strict=True)]
    roles.sort(key=lambda role: role.start[::-1])
    return Story(tuple(roles), rng.choice(values.backgrounds))


def _seen_first(story: Story) -> list[Step]:
    return [Step("perception", seen(role)) for role in story.roles]


def _looks(values: Values, rng: Random) -> tuple[str, str, str]:
    return rng.choice(values.shapes), rng.choice(VALUES["colour"]), rng.choice(VALUES["fill"])


def _able(shapes: Sequence[str], action: str) -> list[str]:
    """The shapes of which this can be seen."""
    return [shape for shape in shapes if action == STILL or action in actions_of(shape)]


def _pair(drawn: Sequence[str]) -> tuple[str, str]:
    one, two = drawn
    return one, two


PRACTISED: dict[str, Callable[[str, Values, int, Random], Quiz]] = {
    "colour": _which,
    "shape": _which,
    "fill": _which,
    "action": _action,
    "next": _dance,
    "first": _order,
}
"""The kinds of question that training holds."""
HELD_OUT = {"still": _still, "before": _dance, "last": _order, "undo": _undo}
"""Those that it does not."""
KINDS = PRACTISED | HELD_OUT


def quizzes(kinds: Sequence[str], values: Values, number: int, rng: Random) -> Iterator[Quiz]:
    """So many, the kinds in turn, and of every kind the right options."""
    for n in range(number):
        yield draw_quiz(kinds[n % len(kinds)], values, n // len(kinds) % OPTIONS, rng)
