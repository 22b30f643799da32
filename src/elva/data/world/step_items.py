"""Questions with the steps that lead to their answers, as VCR-Bench has them: one for each of its seven dimensions.

One thing does something in each of three beats, and another may stand by. A frame is shown for a second, two frames
show each state: a beat lasts from the second frame of the state before it to the second one of the state behind it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from random import Random
from typing import Any

from elva.data.world.quizzes import FAMILIAR, OPTIONS, Step
from elva.data.world.reel import save_story
from elva.data.world.shots import STEPS
from elva.data.world.stories import INVERSES, STILL, Role, Story, actions_of, fit, follows, place_name, starts
from elva.data.world.story_film import box
from elva.data.world.telling import concluded, seen
from elva.data.world.words import VALUES
from elva.data.writing import write_lines
from elva.prompts import clock

FOLDER = Path("reasoning/vcr-bench")
BEATS = 3
FRAME_SECONDS = 1
_ORDINALS = ("first", "second", "last")
LETTERS = "ABCD"


@dataclass(frozen=True, slots=True)
class Item:
    """A question on a story.

    Attributes:
        story: what happens; the first of its ``roles`` named `acting` is asked about.
        acting: which role that is.
        question: the words.
        options: four texts, or none where the answer is open.
        answer: the right option, or the text of an open answer.
        concluded: what follows from what is seen, before the answer is named.
    """

    story: Story
    acting: int
    question: str
    options: tuple[str, ...]
    answer: str
    concluded: tuple[str, ...] = ()

    def steps(self) -> list[tuple[str, Step]]:
        """When, as "0:01-0:03, " or nothing, and what is seen or concluded, in order."""
        role = self.story.roles[self.acting]
        described = [
            (f"{clock(first)}-{clock(last)}, ", Step("perception", _small(seen(role, beat))))
            for beat in range(BEATS)
            for first, last in [seconds(beat)]
        ]
        said = [*self.concluded, concluded(self.answer)]
        return [*described, *(("", Step("reasoning", each)) for each in said)]

    def numbered(self) -> list[str]:
        """The steps as they are published: "1. 0:01-0:03, ..."."""
        return [f"{place}. {when}{step.text}" for place, (when, step) in enumerate(self.steps(), 1)]


def draw_item(dimension: str, turn: int, rng: Random, look: str) -> Item:
    """A question of this dimension; letters and numbers take turns, ``look`` is what its clip is filmed with."""
    return DIMENSIONS[dimension](turn % OPTIONS, rng, look)


def seconds(beat: int) -> tuple[int, int]:
    """When a beat begins and ends, in seconds."""
    return FRAME_SECONDS * (2 * beat + 1), FRAME_SECONDS * (2 * beat + 3)


def write_items(root: Path, each: int, seed: int, progress: Callable[[str, int], None]) -> int:
    """Write so many items of each dimension, and their clips; returns how many there are."""
    rng = Random(f"{seed}/reasoning/steps")
    videos = root / FOLDER / "videos"
    videos.mkdir(parents=True)
    rows = []
    for n in range(each * len(DIMENSIONS)):
        dimension = [*DIMENSIONS][n % len(DIMENSIONS)]
        name = f"{n + 1:05d}.png"
        look = f"{seed}/reasoning/steps/{name}"
        item = draw_item(dimension, n // len(DIMENSIONS), rng, look)
        save_story(videos / name, item.story, look, shown=BEATS, milliseconds=1000 * FRAME_SECONDS)
        progress("questions steps", 1)
        rows.append(_row(n + 1, f"videos/{name}", dimension, item))
    write_lines(root / FOLDER / "meta_info_video.json", json.dumps(rows, indent=1).splitlines())
    return len(rows)


def _row(number: int, video: str, dimension: str, item: Item) -> dict[str, Any]:
    lettered = dict(zip(LETTERS, item.options, strict=False))
    options = [f"{letter}. {option}" for letter, option in lettered.items()]
    return {
        "id": number,
        "video_path": video,
        "duration": 2 * (BEATS + 1) * FRAME_SECONDS,
        "dimension": dimension,
        "question": "\n".join([item.question, *options]),
        "multiple-choice": bool(options),
        "choices": lettered or "",
        "answer": LETTERS[item.options.index(item.answer)] if options else item.answer,
        "reasoning": item.numbered(),
        "reasoning_types": [step.type for _, step in item.steps()],
    }


def _order(right: int, rng: Random, look: str) -> Item:
    """What it does first, second or last, of three actions."""
    shape, place = rng.choice(FAMILIAR.shapes), rng.randrange(BEATS)
    options = tuple(rng.sample(actions_of(shape), OPTIONS))
    done = rng.choice([p for p in permutations(options, BEATS) if p[place] == options[right]])
    story, acting, name = _story(shape, done, rng)
    return Item(story, acting, f"What is the {name} doing {_ORDINALS[place]}?", options, options[right])


def _count(right: int, rng: Random, look: str) -> Item:
    """How often it moves: never to three times."""
    shape = rng.choice(FAMILIAR.shapes)
    ways = product([*actions_of(shape), STILL], repeat=BEATS)
    done = rng.choice([way for way in ways if sum(each in STEPS for each in way) == right and follows(way)])
    story, acting, name = _story(shape, done, rng)
    return Item(story, acting, f"How many times is the {name} moving?", (), str(right))


def _when(right: int, rng: Random, look: str) -> Item:
    """From which second to which it does what it does once."""
    shape, place = rng.choice(FAMILIAR.shapes), rng.randrange(BEATS)
    done = tuple(rng.sample(actions_of(shape), BEATS))
    story, acting, name = _story(shape, done, rng)
    first, last = seconds(place)
    return Item(story, acting, f"From when to when is the {name} {done[place]}?", (), f"[{first},{last}]")


def _undo(right: int, rng: Random, look: str) -> Item:
    """What would take back its last action."""
    shape = rng.choice(FAMILIAR.shapes)
    options = tuple(rng.sample([*INVERSES], OPTIONS))
    last = INVERSES[options[right]]
    ways = [(*way, last) for way in permutations(actions_of(shape), BEATS - 1)]
    story, acting, name = _story(shape, rng.choice([way for way in ways if follows(way)]), rng)
    said = f"{options[right].capitalize()} undoes {last}."
    return Item(story, acting, f"What undoes what the {name} is doing last?", options, options[right], (said,))


def _where(right: int, rng: Random, look: str) -> Item:
    """At which of the nine places it is after it did something."""
    shape, place = rng.choice(FAMILIAR.shapes), rng.randrange(BEATS)
    done = tuple(rng.sample(actions_of(shape), BEATS))
    story, acting, name = _story(shape, done, rng)
    answer = place_name(story.roles[acting].states[place + 1].place)
    return Item(story, acting, f"Where is the {name} after {done[place]}?", (), answer)


def _next(right: int, rng: Random, look: str) -> Item:
    """It repeats four actions, of which three are seen: what is the next one?"""
    shape = rng.choice(FAMILIAR.shapes)
    dance = rng.sample(actions_of(shape), OPTIONS)
    options = tuple(rng.sample(dance, OPTIONS))
    at = dance.index(options[right])
    done = tuple(dance[(at + 1 + beat) % OPTIONS] for beat in range(BEATS))
    story, acting, name = _story(shape, done, rng)
    asked = f"The {name} repeats: {', '.join(dance)}. What comes next?"
    return Item(story, acting, asked, options, options[right], (f"After {done[-1]} comes {options[right]}.",))


def _box(right: int, rng: Random, look: str) -> Item:
    """Where it is in the first or the last frame, as a box in pixels."""
    shape = rng.choice(FAMILIAR.shapes)
    done = tuple(rng.sample(actions_of(shape), BEATS))
    story, acting, name = _story(shape, done, rng)
    when, moment = [("first", 0.0), ("last", float(BEATS))][right % 2]
    edges = box(story, acting, moment, Random(look))
    asked = f"In which box [x1,y1,x2,y2] is the {name} in the {when} frame?"
    return Item(story, acting, asked, (), f"[{','.join(map(str, edges))}]")


def _story(shape: str, done: Sequence[str], rng: Random) -> tuple[Story, int, str]:
    """A story in which a thing of this shape does this, which of its things that is, and how it is called."""
    colours = rng.sample(VALUES["colour"], 2)
    shapes = [shape, rng.choice([each for each in FAMILIAR.shapes if each != shape])]
    actions: list[tuple[str, ...]] = [tuple(done), (STILL,) * BEATS]
    if rng.random() < 0.5 or not fit(actions):
        actions = actions[:1]
    things = [(shapes[n], colours[n], rng.choice(VALUES["fill"]), actions[n]) for n in range(len(actions))]
    roles = [Role(*thing, at) for thing, at in zip(things, starts(actions, rng), strict=True)]
    ordered = sorted(roles, key=lambda role: role.start[::-1])
    return Story(tuple(ordered), rng.choice(FAMILIAR.backgrounds)), ordered.index(roles[0]), f"{colours[0]} {shape}"


def _small(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


DIMENSIONS: dict[str, Callable[[int, Random, str], Item]] = {
    "Fundamental Temporal Reasoning": _order,
    "Video Temporal Counting": _count,
    "Video Temporal Grounding": _when,
    "Video Knowledge Reasoning": _undo,
    "Temporal Spatial Reasoning": _where,
    "Video Plot Analysis": _next,
    "Temporal Spatial Grounding": _box,
}
OPEN = (
    "Video Temporal Counting",
    "Video Temporal Grounding",
    "Temporal Spatial Reasoning",
    "Temporal Spatial Grounding",
)
"""Those without options."""
