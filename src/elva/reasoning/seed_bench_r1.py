"""SEED-Bench-R1 (Chen et al., 2025): which of four actions comes next towards a goal.

    ROOT/annotations/NAME.jsonl                                 training_6k, training_with_cot_6k, validation_L1, ...
    ROOT/videos/<video_source>/<video_basename>                 the progress so far
    ROOT/images/<video_source>/<current_observation_basename>   what is seen now

A question shows the video, then the picture, then asks; where nothing has been done yet (task_progress_metadata is
empty), there is no video.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from elva.clips import Clip
from elva.data.records import RowProblem
from elva.data.rows import parse_object, parsed_lines
from elva.data.unseen.files import Node, found, inside
from elva.errors import DataError, DataErrors
from elva.items import Item
from elva.prompts import multiple_choice
from elva.reasoning.questions import LETTERS, Question
from elva.reasoning.responses import chosen_letter
from elva.reasoning.sets import Benchmark, Part

NAME = "seed-bench-r1"
LEVELS: Mapping[str, str] = {f"validation_{level}": level for level in ("L1", "L2", "L3")}
"""Files that are judged -> the level of shift."""
FRAMES, FPS = 16, 2.0
"""So many frames of a video at most, and so many a second, are looked at: as published."""
MEDIA = "the videos and images of SEED-Bench-R1"
GROUPS = ("domain", "kind")
"""Fields by which tables are split, where a row has them, in small letters; the last one is the built-in world's."""
LETTERED = LETTERS[:4]
WRONG = len(LETTERED) - 1
"""Wrong answers that a question of training offers."""

_OPTION = re.compile(r"^([A-Z])\. (.+?)\s*$", re.MULTILINE)


def annotation_file(root: Path, name: str) -> Path:
    """The file of this name; DataError where it is missing."""
    return found(root, (f"annotations/{name}.jsonl",), "a file of SEED-Bench-R1")


def parsed_questions(
    root: Path | str, name: str, *, frames: int = FRAMES, fps: float | None = FPS, seed: int = 0
) -> list[Question]:
    """The questions of a file, in its order; no video or picture is looked at.

    A row that offers its options gives them in its order. A row of training has wrong answers instead: three of them
    are drawn, and shuffled with the right one, by the seed and its sample_id. A row that says what to write is asked
    by its own prompt, which holds the options, a line each, or none: then the question is open.

    Args:
        root: the folder of the download.
        name: of the file in annotations/, without .jsonl.
        frames: the most of a video that are looked at.
        fps: the rate at which they are taken, per second; None spreads them over the video.
        seed: of the options that are drawn.

    Raises:
        DataError: the file is missing, can't be read, or has no row.
        DataErrors: every bad row, with its line and field.
    """
    reader = _Reader(Path(root), LEVELS.get(name), frames, fps, seed)
    path, errors = annotation_file(reader.root, name), list[DataError]()
    questions: dict[str, Question] = {}
    for line, each in parsed_lines(path, lambda text: reader.question(Node(path, "", parse_object(text))), errors):
        if each.key in questions:
            errors.append(DataError(path, line, "sample_id", f"{each.key} comes twice", "give every row its own"))
        questions[each.key] = each
    if errors:
        raise DataErrors(sorted(errors, key=lambda error: error.line or 0))
    if not questions:
        raise DataError(path, None, None, "no row", "download the file again")
    return [*questions.values()]


def benchmark(
    root: Path | str, levels: Sequence[str] = (), *, frames: int = FRAMES, fps: float | None = FPS
) -> Benchmark:
    """The levels that are judged, all by default; errors as of `parsed_questions`."""
    root = Path(root)
    names = {level: name for name, level in LEVELS.items() if not levels or level in levels}
    parts = [
        Part(
            level,
            annotation_file(root, name),
            parsed_questions(root, name, frames=frames, fps=fps),
            _published_rows(annotation_file(root, name)),
        )
        for level, name in names.items()
    ]
    return Benchmark(NAME, "SEED-Bench-R1", MEDIA, root, parts, {"frames": frames, "fps": fps})


def _published_rows(path: Path) -> dict[str, dict[str, Any]]:
    """Key -> row, of a file that was read before."""
    rows = (parse_object(line) for line in path.read_text("utf-8-sig").split("\n") if line.strip())
    return {_key(Node(path, "sample_id", row["sample_id"])): row for row in rows}


@dataclass(frozen=True, slots=True)
class _Reader:
    """What the rows of one file have in common."""

    root: Path
    level: str | None
    frames: int
    fps: float | None
    seed: int

    def question(self, row: Node) -> Question:
        """That of a row; RowProblem where it holds none."""
        try:
            return self._question(row)
        except DataError as error:  # who reads the lines knows which one it is
            raise RowProblem(error.field, error.found, error.fix) from error

    def _question(self, row: Node) -> Question:
        key = _key(row["sample_id"])
        response = None
        if "prompt" in row.value:
            prompt, choices, answer = _asked_by_prompt(row)
            response = _response(row["response"], choices)
        else:
            choices, answer = _offered(row) if "golden_choice_idx" in row.value else self._drawn(row, key)
            prompt = multiple_choice(row["question"].text(), choices)
        shown = [*self._video(row), Item(image=self._file(row, "images", "current_observation_basename"))]
        return Question(key, Item(turns=[*shown, Item(prompt)]), choices, answer, self._groups(row), response)

    def _drawn(self, row: Node, key: str) -> tuple[tuple[str, ...], str]:
        answer = row["answer"].text()
        listed = row["negative_answers"]
        wrong = [each for each in dict.fromkeys(node.text() for node in listed.items()) if each != answer]
        if len(wrong) < WRONG:
            problem = f"{len(wrong)} wrong answers, where {WRONG} are needed"
            raise listed.wrong(problem, "give more that differ from each other and from the right one")
        rng = Random(f"{self.seed}/{key}")
        choices = [answer, *rng.sample(wrong, WRONG)]
        rng.shuffle(choices)
        return tuple(choices), LETTERED[choices.index(answer)]

    def _video(self, row: Node) -> list[Item]:
        if not [*row["task_progress_metadata"].items()]:
            return []
        return [Item(video=Clip(self._file(row, "videos", "video_basename"), self.frames, self.fps))]

    def _file(self, row: Node, folder: str, field: str) -> Path:
        return inside(row[field], inside(row["video_source"], self.root / folder))

    def _groups(self, row: Node) -> dict[str, str]:
        level = {} if self.level is None else {"level": self.level}
        found = {name: row[name].text().casefold() for name in GROUPS if row.value.get(name) is not None}
        if found.get("kind") == found.get("domain"):  # in the built-in world's L3 they are one thing
            found.pop("kind", None)
        return level | found


def _key(node: Node) -> str:
    """An id, which some rows have as a number."""
    return str(node.value) if type(node.value) is int else node.text()


def _offered(row: Node) -> tuple[tuple[str, ...], str]:
    choices = tuple(row[f"choice_{letter.lower()}"].text() for letter in LETTERED)
    golden, answer = row["golden_choice_idx"].text(), row["answer"].text()
    if golden not in LETTERED:
        raise row["golden_choice_idx"].wrong(f"{golden!r} is no option", f"write one of {', '.join(LETTERED)}")
    if choices[LETTERED.index(golden)] != answer:
        raise row["answer"].wrong(f"{answer!r} is not option {golden}", "give the text of the option that is right")
    return choices, golden


def _asked_by_prompt(row: Node) -> tuple[str, tuple[str, ...], str]:
    prompt, answer = row["prompt"].text(), row["answer"].text()
    options = dict(_OPTION.findall(prompt))
    if not options:
        return prompt, (), answer
    if [*options] != [*LETTERS[: len(options)]]:
        raise row["prompt"].wrong(f"options {', '.join(options)}", "write A. to the first, B. to the next, and so on")
    right = [letter for letter, choice in options.items() if choice == answer]
    if not right:
        raise row["answer"].wrong(f"{answer!r} is none of the prompt's options", "give the text of one of them")
    return prompt, tuple(options.values()), right[0]


def _response(node: Node, choices: tuple[str, ...]) -> str:
    """What a model is to write; where there are options it has to choose one, be it the right one or not."""
    response = node.text()
    if choices and chosen_letter(response, choices) is None:
        fix = f"end it in <answer>A.</answer>, or another of the {len(choices)} letters"
        raise node.wrong("the response chooses none of the options", fix)
    return response
