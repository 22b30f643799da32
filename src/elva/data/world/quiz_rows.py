"""Questions about stories as rows of SEED-Bench-R1, with their clips and pictures.

The published fields come first. `kind` and `steps` are ours: how the question is asked, and how to find its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from elva.data.world.film import FRAME_MILLISECONDS
from elva.data.world.quizzes import Quiz
from elva.data.world.reel import save_story
from elva.data.world.step_items import BEATS, FRAME_SECONDS
from elva.data.world.stories import STILL, Story
from elva.prompts import multiple_choice, step_by_step

LETTERS = "ABCD"
Row = dict[str, Any]


class Filming:
    """Films the stories of one source: videos/SOURCE/00001.png and images/SOURCE/00001.png, and so on."""

    def __init__(self, root: Path, source: str, seed: int, progress: Callable[[str, int], None]) -> None:
        """``root`` is the folder of the data set; a clip is drawn from the seed, the source and its name."""
        self.source = source
        self._root, self._seed, self._progress = root, seed, progress
        self._filmed = 0
        for folder in ("videos", "images"):
            (root / folder / source).mkdir(parents=True)

    @property
    def look(self) -> str:
        """The seed of what no words say of the next clip."""
        return f"{self._seed}/reasoning/{self.source}/{self._filmed + 1:05d}.png"

    def quiz(self, quiz: Quiz) -> Row:
        """Film a question."""
        return self.shoot(quiz.story, quiz.shown, quiz.goal)

    def shoot(self, story: Story, shown: int, goal: str, milliseconds: int = FRAME_MILLISECONDS) -> Row:
        """Film so many beats of a story, and picture its end; the fields of a row that tell of it."""
        look, number = self.look, self._filmed + 1
        name = f"{number:05d}.png"
        video, picture = (self._root / folder / self.source / name for folder in ("videos", "images"))
        save_story(video, story, look, shown=shown, picture=picture, milliseconds=milliseconds)
        self._filmed = number
        self._progress(f"questions {self.source}", 1)
        return {
            "sample_id": f"{self.source}-{number:05d}",
            "video_source": self.source,
            "video_id": f"{number:05d}",
            "video_basename": name,
            "current_observation_basename": name,
            "current_observation_frame": 2 * story.beats + 1,
            "task_goal": goal,
            "task_progress_metadata": _progress_of(story, shown),
        }


def _progress_of(story: Story, shown: int) -> list[Row]:
    """What is done in the clip, beat by beat; a beat lasts from the state before it to that behind it.

    Where nothing is done at all, that is told: rows without any progress have no clip.
    """
    told = [(beat, role, role.actions[beat]) for beat in range(shown) for role in story.roles]
    done = [each for each in told if each[2] != STILL] or told[:1]
    return [
        {"narration_text": f"{role.name} {action}", "start_frame": 2 * beat, "stop_frame": 2 * beat + 3}
        for beat, role, action in done
    ]


def training_row(quiz: Quiz, filmed: Row) -> Row:
    """A row to choose an answer for: the right one, and three wrong ones."""
    wrong = [option for option in quiz.options if option != quiz.answer]
    return filmed | {"question": quiz.question, "answer": quiz.answer, "negative_answers": wrong} | _ours(quiz)


def imitation_row(quiz: Quiz, filmed: Row) -> Row:
    """A row to imitate: the whole prompt, and thinking with the answer behind."""
    return {
        **training_row(quiz, filmed),
        "prompt": multiple_choice(quiz.question, quiz.options),
        "response": response(quiz),
    }


def open_row(kind: str, question: str, answer: str, filmed: Row) -> Row:
    """A row to imitate that has no options: the question is the prompt, the answer the response."""
    asked = {"question": question, "answer": answer, "negative_answers": [], "kind": kind}
    return filmed | asked | {"prompt": question, "response": answer}


def steps_row(kind: str, question: str, answer: str, steps: Sequence[str], filmed: Row) -> Row:
    """A row to imitate that has no options, and is asked for its steps: they are the response."""
    times = [frame * FRAME_SECONDS for frame in range(2 * (BEATS + 1))]
    return open_row(kind, question, answer, filmed) | {
        "prompt": step_by_step(question, times),
        "response": "\n".join(steps),
    }


def judged_row(quiz: Quiz, filmed: Row, level: str) -> Row:
    """A row of a level: its options stand as they are asked. Its domain, which the published L3 has, is its kind."""
    choices = {f"choice_{letter.lower()}": option for letter, option in zip(LETTERS, quiz.options, strict=True)}
    asked = {"question": quiz.question, "answer": quiz.answer, **choices, "golden_choice_idx": LETTERS[quiz.right]}
    things = "one thing" if len(quiz.story.roles) == 1 else "two things"
    placed = {"level": level, "domain": quiz.kind, "scenario": things, "task_start_frame": 0}
    return filmed | asked | placed | _ours(quiz)


def response(quiz: Quiz) -> str:
    """How the answer is found, and the option, as the published rows write it but for the letter.

    The option's text stands for it: a model of the tiny base's size that knows the right option names any letter.
    """
    return f"<think>{' '.join(step.text for step in quiz.steps)}</think><answer>{quiz.answer}</answer>"


def _ours(quiz: Quiz) -> Row:
    return {"kind": quiz.kind, "steps": [{"type": step.type, "text": step.text} for step in quiz.steps]}
