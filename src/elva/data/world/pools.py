"""Pools of candidates whose content is known, and queries judged against them.

A query is drafted first, then judged against the finished pool: every candidate that satisfies all
its grains is a positive, one that contradicts exactly one grain is a near miss.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

from PIL import Image

from elva.data.layout import DATASETS, IMAGES, TASKS, TaskName
from elva.data.records import Candidate, NearMiss, Query
from elva.data.world.facts import Statements, broken, facts, key, slots, statements
from elva.data.world.film import film
from elva.data.world.language import full_caption
from elva.data.world.reel import save_frames
from elva.data.world.render import render
from elva.data.world.scenes import Scene
from elva.data.world.shots import Shot
from elva.grains import Grain

STILL_TASKS = (0, 1, 2, 3, 4, 6, 7, 8)
"""The tasks on texts and pictures, in the order in which they are written."""

Progress = Callable[[str, int], None]  # (part, how many pictures were just drawn)


class Studio:
    """Hands out ids and paths of one dataset, and draws the pictures.

    A picture is drawn from the seed and its own path, so it never depends on what came before.
    """

    def __init__(self, root: Path, dataset: str, seed: int, progress: Progress = lambda part, done: None) -> None:
        """``root`` is the folder of the whole tree; ``progress`` of each picture."""
        self.root = root
        self.dataset = dataset
        self.seed = seed
        self.progress = progress
        self._dids = count(1)
        self._qids = count(1)
        self._pictures: dict[str, Iterator[int]] = {}

    def rng(self, purpose: str) -> Random:
        """A source of chance of its own for each purpose."""
        return Random(f"{self.seed}/{self.dataset}/{purpose}")

    def next_did(self) -> str:
        """The next candidate id."""
        return f"{DATASETS[self.dataset]}:{next(self._dids)}"

    def next_qid(self) -> str:
        """The next query id."""
        return f"{DATASETS[self.dataset]}:{next(self._qids)}"

    def picture(self, scene: Scene, split: str) -> str:
        """Draw the scene once more and save it; returns the path relative to the root."""
        return self._saved(split, lambda rng: [render(scene, rng)])

    def clip(self, shot: Shot, split: str) -> str:
        """Film the shot once more and save it, as an animated PNG; returns the path relative to the root."""
        return self._saved(split, lambda rng: film(shot, rng))

    def _saved(self, split: str, draw: Callable[[Random], list[Image.Image]]) -> str:
        folder = IMAGES / self.dataset / split
        if split not in self._pictures:
            self._pictures[split] = count(1)
            (self.root / folder).mkdir(parents=True)
        path = (folder / f"{next(self._pictures[split]):05d}.png").as_posix()
        save_frames(self.root / path, draw(self.rng(path)))
        self.progress(f"{self.dataset} {split}", 1)
        return path


@dataclass(frozen=True, slots=True)
class Entry:
    """A candidate and what it shows or says."""

    candidate: Candidate
    said: Statements


@dataclass(frozen=True, slots=True)
class Draft:
    """A query before it is judged.

    Attributes:
        task: M-BEIR's task id.
        text: its words, or None.
        image: its picture, or None.
        grains: what it is about, as kept in the query row.
        said: what the right answer shows or says.
        answer_claims: whether a candidate may say less than ``said`` but nothing beside it (texts
            about a known scene), instead of having to show all of it (pictures of a text).
        needs: what the candidate must speak of (the changed grain of a "what if").
        paraphrase: the same grains in other words.
        source: annotations for src_content.
    """

    task: int
    text: str | None
    image: str | None
    grains: tuple[Grain, ...]
    said: Statements
    answer_claims: bool = False
    needs: frozenset[tuple[str, ...]] = frozenset()
    paraphrase: str | None = None
    source: str | None = None


@dataclass(slots=True)
class Pool:
    """The candidates of one task, found by the shapes and colours they show or say."""

    entries: list[Entry] = field(default_factory=list)
    _by_key: dict[object, list[Entry]] = field(default_factory=lambda: defaultdict(list))

    def add(self, entry: Entry) -> str:
        """Take in a candidate; returns its did."""
        self.entries.append(entry)
        self._by_key[key(entry.said)].append(entry)
        return entry.candidate.did

    def extend(self, entries: Iterable[Entry]) -> None:
        """Take in several candidates."""
        for entry in entries:
            self.add(entry)

    def judge(self, draft: Draft) -> tuple[tuple[str, ...], tuple[NearMiss, ...]]:
        """Positives, and near misses among the candidates of the same shapes and colours."""
        positives, misses = [], []
        for entry in self._by_key[key(draft.said)]:
            claims, truth = draft.said, entry.said
            if draft.answer_claims:
                claims, truth = truth, claims
            wrong = broken(claims, truth)
            did = entry.candidate.did
            if len(wrong) == 1 and wrong[0] in truth:
                misses.append(NearMiss(did, wrong[0][0]))
            elif not wrong and all(about in entry.said for about in draft.needs):
                positives.append(did)
        return tuple(positives), tuple(misses)


@dataclass(frozen=True, slots=True)
class Split:
    """One split of a dataset: queries and candidates by task."""

    dataset: str
    name: str
    queries: Mapping[int, Sequence[Query]]
    pools: Mapping[int, Sequence[Candidate]]

    def names(self) -> list[TaskName]:
        """The names of its tasks, in order."""
        return [TaskName(self.dataset, task, self.name) for task in sorted(self.queries)]


def finished(draft: Draft, qid: str, pool: Pool, near_misses: tuple[NearMiss, ...] | None = None) -> Query:
    """The query with its positives; near misses are those of the pool unless given."""
    positives, found = pool.judge(draft)
    return Query(
        qid=qid,
        text=draft.text,
        image=draft.image,
        modality=TASKS[draft.task][0],
        positives=positives,
        negatives=(),
        task=draft.task,
        grains=draft.grains,
        near_misses=found if near_misses is None else near_misses,
        paraphrase=draft.paraphrase,
        source=draft.source,
    )


def picture_entry(studio: Studio, scene: Scene, split: str) -> Entry:
    """A new picture as a candidate."""
    image = studio.picture(scene, split)
    candidate = Candidate(studio.next_did(), None, image, "image", annotation(scene))
    return Entry(candidate, statements(facts(scene)))


def text_entry(studio: Studio, text: str, said: Statements) -> Entry:
    """A text as a candidate."""
    return Entry(Candidate(studio.next_did(), text, None, "text"), said)


def annotation(scene: Scene) -> str:
    """src_content of a picture: the canonical caption of all it shows."""
    return json.dumps({"caption": full_caption(scene)})


def shown_grains(scene: Scene, leave_out: Iterable[tuple[int, str]] = ()) -> tuple[Grain, ...]:
    """The grains a picture shows, without span: no text names them."""
    left_out = set(leave_out)
    return tuple(Grain(kind, _value(scene, at, kind)) for at, kind in slots(scene) if (at, kind) not in left_out)


def _value(scene: Scene, at: int, kind: str) -> str:
    if kind == "background":
        return scene.background
    if kind == "relation":
        return scene.relations[at]
    return scene.things[at].grains()[kind]
