"""MRBench-mini: the four tasks of MRBench (paper section 6) on scenes of the world.

Every target comes with near misses, each exactly one grain off among the grains the query names;
over a split the kinds of near misses are balanced exactly (up to the remainder).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from elva.data.records import NearMiss
from elva.data.world.edits import Edit, apply, edits, undo
from elva.data.world.facts import facts, slot_of, statements, without_kind
from elva.data.world.language import other_words, reword
from elva.data.world.pools import (
    Draft,
    Pool,
    Split,
    Studio,
    annotation,
    finished,
    picture_entry,
    shown_grains,
    text_entry,
)
from elva.data.world.requests import modification
from elva.data.world.scenes import Scene, draw_scene
from elva.data.world.words import DOMINANT, KINDS, MINOR
from elva.grains import Lexicon

NEAR_MISSES = 5
PICTURE_TASKS = (0, 4, 7)


@dataclass(frozen=True, slots=True)
class Miss:
    """A scene one edit away from the target, and the edit that leads back."""

    kind: str
    scene: Scene
    back: Edit


@dataclass(frozen=True, slots=True)
class Case:
    """One target with everything its four queries need.

    ``unnamed`` is the minor kind that the texts leave out; ``reference`` is the picture that the
    task-7 query starts from, ``changes`` what it asks to change.
    """

    target: Scene
    unnamed: str
    misses: tuple[Miss, ...]
    reference: Scene
    changes: tuple[Edit, ...]


def draw_cases(number: int, rng: Random, taken: set[Scene]) -> list[Case]:
    """Draw targets with near misses and references; no scene appears twice, all go to ``taken``."""
    used: Counter[str] = Counter()
    cases = []
    for n in range(number):
        unnamed = MINOR[n % len(MINOR)]
        kinds = _rarest([k for k in KINDS if k != unnamed], used, rng)
        used.update(kinds)
        cases.append(_draw_case(unnamed, kinds, n, rng, taken))
    return cases


def _rarest(kinds: Sequence[str], used: Counter[str], rng: Random) -> list[str]:
    """The near-miss kinds that were used least so far, ties drawn."""
    order = sorted(kinds, key=lambda kind: (used[kind], rng.random()))
    return order[:NEAR_MISSES]


def _draw_case(unnamed: str, kinds: Sequence[str], n: int, rng: Random, taken: set[Scene]) -> Case:
    while True:
        target = draw_scene(rng)
        if target in taken or not all(edits(target, kind) for kind in (*KINDS[:2], "pose")):
            continue
        misses = tuple(_draw_miss(target, kind, rng) for kind in kinds)
        reference, changes = _reference(misses[n % len(misses)], rng)
        scenes = {target, reference, *(miss.scene for miss in misses)}
        if taken.isdisjoint(scenes):
            taken |= scenes
            return Case(target, unnamed, misses, reference, changes)


def _draw_miss(target: Scene, kind: str, rng: Random) -> Miss:
    edit = rng.choice(edits(target, kind))
    return Miss(kind, apply(target, edit), undo(target, edit))


def _reference(miss: Miss, rng: Random) -> tuple[Scene, tuple[Edit, ...]]:
    """A near miss itself, or one more change away, so that one or two grains must change.

    A thing that is to change its shape changes nothing else: its name would be ambiguous.
    """
    if rng.random() < 0.5:
        return miss.scene, (miss.back,)
    kinds = [k for k in (*MINOR, *DOMINANT) if k not in (miss.kind, "shape")]
    renamed = miss.back.shape if miss.kind == "shape" else None
    choices = [edit for kind in kinds for edit in edits(miss.scene, kind)]
    edit = rng.choice([e for e in choices if renamed is None or renamed not in (e.shape, e.other)])
    return apply(miss.scene, edit), (undo(miss.scene, edit), miss.back)


class Benchmark:
    """Builds one split of the dataset "mrbench"."""

    def __init__(self, studio: Studio, split: str, lexicon: Lexicon) -> None:
        """Everything goes to disk through the studio."""
        self.studio = studio
        self.split = split
        self.lexicon = lexicon
        self.rng = studio.rng(f"queries of {split}")
        self.pictures, self.texts = Pool(), Pool()
        self.drafts: list[tuple[Draft, tuple[NearMiss, ...]]] = []

    def build(self, cases: Sequence[Case]) -> Split:
        """Draft the four queries of every case, then judge them against the finished pools."""
        for case in cases:
            self._case(case)
        pools = dict.fromkeys(PICTURE_TASKS, self.pictures) | {3: self.texts}
        return Split(
            "mrbench",
            self.split,
            {
                task: [
                    finished(draft, self.studio.next_qid(), pool, misses)
                    for draft, misses in self.drafts
                    if draft.task == task
                ]
                for task, pool in sorted(pools.items())
            },
            {task: [e.candidate for e in pool.entries] for task, pool in sorted(pools.items())},
        )

    def _case(self, case: Case) -> None:
        self.pictures.add(picture_entry(self.studio, case.target, self.split))
        misses = tuple(
            NearMiss(self.pictures.add(picture_entry(self.studio, miss.scene, self.split)), miss.kind)
            for miss in case.misses
        )
        self._add_text(case.target, case.unnamed)
        text_misses = tuple(NearMiss(self._add_text(miss.scene, case.unnamed), miss.kind) for miss in case.misses)
        rendering = self.studio.picture(case.target, self.split)
        self.drafts += [
            (self._from_text(case), misses),
            (self._from_picture(3, case, rendering), text_misses),
            (self._from_picture(4, case, rendering), misses),
            (self._modification(case), misses),
        ]

    def _add_text(self, scene: Scene, unnamed: str) -> str:
        said = facts(scene, without_kind(scene, unnamed))
        return self.texts.add(text_entry(self.studio, reword(said, self.rng), statements(said)))

    def _from_text(self, case: Case) -> Draft:
        said = facts(case.target, without_kind(case.target, case.unnamed))
        text = reword(said, self.rng)
        return Draft(
            0,
            text,
            None,
            self.lexicon.split(text),
            statements(said),
            paraphrase=other_words(said, text, self.rng),
        )

    def _from_picture(self, task: int, case: Case, rendering: str) -> Draft:
        unnamed = [(at, case.unnamed) for at in range(len(case.target.things))]
        return Draft(
            task,
            None,
            rendering,
            shown_grains(case.target, leave_out=unnamed if task == 3 else ()),
            statements(facts(case.target)),
            answer_claims=task == 3,
            source=annotation(case.target),
        )

    def _modification(self, case: Case) -> Draft:
        text = modification(case.changes, self.rng)
        changed = [slot_of(case.target, edit) for edit in case.changes]
        return Draft(
            7,
            text.text,
            self.studio.picture(case.reference, self.split),
            (*text.grains, *shown_grains(case.target, leave_out=changed)),
            statements(facts(case.target)),
            source=annotation(case.reference),
        )
