"""Splits made of families: scenes that share shapes and colours and differ in all else.

Queries and texts always name shapes and colours, and each other grain with probability one half.
So a random negative of another family is told apart by its dominant grains alone, and only mined
negatives, from the same family, need the minor ones: the gradient starvation of the paper
(section 1), built in on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from elva.data.records import Candidate
from elva.data.world.edits import apply, changed, draw_kinds, edits, undone
from elva.data.world.facts import Mention, facts, slot_of, some, statements
from elva.data.world.language import describe, noun_phrase, other_words, reword
from elva.data.world.pools import (
    STILL_TASKS,
    Draft,
    Entry,
    Pool,
    Split,
    Studio,
    annotation,
    finished,
    picture_entry,
    shown_grains,
    text_entry,
)
from elva.data.world.requests import modification, question
from elva.data.world.scenes import Scene, draw_dominant, draw_scene
from elva.data.world.words import MINOR
from elva.grains import Facts, Lexicon

QUESTION_SHARE = 1 / 3  # of task 6: "what is left of the circle" instead of "what if ..."


@dataclass(frozen=True, slots=True)
class FamilyPlan:
    """How large a split is.

    Attributes:
        families: how many.
        members: different scenes in each.
        queries: per task, how many queries each family gets (at most its members).
    """

    families: int
    members: int
    queries: Mapping[int, int]


def draw_families(plan: FamilyPlan, rng: Random, taken: set[Scene], used: set[object]) -> list[list[Scene]]:
    """Draw families of new scenes.

    Args:
        plan: their number and size.
        rng: source of chance.
        taken: scenes that must not appear; the new ones are added.
        used: sets of (shape, colour) that already are a family; the new ones are added.
    """
    families: list[list[Scene]] = []
    while len(families) < plan.families:
        dominant = draw_dominant(rng)
        if frozenset(dominant) in used:
            continue
        used.add(frozenset(dominant))
        family: list[Scene] = []
        while len(family) < plan.members:
            scene = _draw_member(family, dominant, rng)
            if scene not in taken:
                taken.add(scene)
                family.append(scene)
        families.append(family)
    return families


def _draw_member(family: list[Scene], dominant: tuple[tuple[str, str], ...], rng: Random) -> Scene:
    """A new scene, or one or two minor grains away from an earlier member: near and far alike."""
    if not family or rng.random() < 0.5:
        return draw_scene(rng, dominant)
    scene = rng.choice(family)
    for kind in rng.sample(MINOR, rng.choice((1, 2))):
        choices = edits(scene, kind)
        scene = apply(scene, rng.choice(choices)) if choices else scene
    return scene


class FamilySplit:
    """Builds one split of the dataset "world" from its families."""

    def __init__(self, studio: Studio, split: str, lexicon: Lexicon, taken: set[Scene]) -> None:
        """``taken``: scenes of the benchmark, which no reference picture may show either."""
        self.studio = studio
        self.split = split
        self.lexicon = lexicon
        self.taken = taken
        self.rng = studio.rng(f"queries of {split}")
        pictures, texts = Pool(), Pool()
        self.pools = {task: Pool() for task in STILL_TASKS}
        self.pools |= {0: pictures, 4: pictures, 7: pictures, 3: texts}
        self.pools[8] = self.pools[2]
        self.drafts: list[Draft] = []

    def build(self, families: list[list[Scene]], queries: Mapping[int, int]) -> Split:
        """Draft every query, then judge all of them against the finished pools."""
        for family in families:
            self._candidates(family)
            for task, number in queries.items():
                for scene in self.rng.sample(family, number):
                    self.drafts.append(self._draft(task, scene))
        self.pools[1].extend(self.pools[3].entries)
        by_task = {task: [d for d in self.drafts if d.task == task] for task in STILL_TASKS}
        return Split(
            "world",
            self.split,
            {
                task: [finished(d, self.studio.next_qid(), self.pools[task]) for d in drafts]
                for task, drafts in by_task.items()
            },
            {task: [e.candidate for e in pool.entries] for task, pool in self.pools.items()},
        )

    def _candidates(self, family: list[Scene]) -> None:
        for scene in family:
            picture = picture_entry(self.studio, scene, self.split)
            self.pools[0].add(picture)
            self._add_text(3, facts(scene, some(scene, self.rng)))
            self.pools[2].add(self._captioned(picture, scene))

    def _captioned(self, picture: Entry, scene: Scene) -> Entry:
        text = describe(scene, self.rng, some(scene, self.rng))
        candidate = Candidate(self.studio.next_did(), text, picture.candidate.image, "image,text", annotation(scene))
        return Entry(candidate, picture.said)

    def _add_text(self, task: int, said: Facts) -> None:
        text = reword(said, self.rng)
        self.pools[task].add(text_entry(self.studio, text, statements(said)))

    def _draft(self, task: int, scene: Scene) -> Draft:
        if task in (0, 1, 2):
            return self._from_text(task, scene)
        if task in (3, 4):
            return self._from_picture(task, scene)
        if task == 6 and self.rng.random() < QUESTION_SHARE:
            return self._question(scene)
        return self._modification(task, scene)

    def _from_text(self, task: int, scene: Scene) -> Draft:
        said = facts(scene, some(scene, self.rng))
        text = reword(said, self.rng)
        paraphrase = other_words(said, text, self.rng)
        if task == 1:
            self.pools[1].add(text_entry(self.studio, paraphrase, statements(said)))
        grains = self.lexicon.split(text)
        return Draft(task, text, None, grains, statements(said), paraphrase=paraphrase)

    def _from_picture(self, task: int, scene: Scene) -> Draft:
        image = self.studio.picture(scene, self.split)
        return Draft(
            task,
            None,
            image,
            shown_grains(scene),
            statements(facts(scene)),
            answer_claims=task == 3,
            source=annotation(scene),
        )

    def _question(self, scene: Scene) -> Draft:
        text, asked = question(scene, self.rng)
        answer = Facts((scene.things[asked].grains(),))
        phrase = noun_phrase(dict(answer.entities[0]), self.rng)
        self.pools[6].add(text_entry(self.studio, phrase, statements(answer)))
        return Draft(
            6,
            text.text,
            self.studio.picture(scene, self.split),
            text.grains,
            statements(answer),
            answer_claims=True,
            source=annotation(scene),
        )

    def _modification(self, task: int, target: Scene) -> Draft:
        reference, edited = changed(target, draw_kinds(self.rng), self.rng, self.taken)
        back = undone(target, edited)
        text = modification(back, self.rng, ask=task == 6)
        slots = frozenset(slot_of(target, edit) for edit in back)
        if task == 6:
            self._add_text(6, facts(target, some(target, self.rng, must=slots)))
        return Draft(
            task,
            text.text,
            self.studio.picture(reference, self.split),
            (*text.grains, *shown_grains(target, leave_out=slots)),
            statements(facts(target)),
            answer_claims=task == 6,
            needs=self._needs(target, slots) if task == 6 else frozenset(),
            source=annotation(reference),
        )

    def _needs(self, target: Scene, slots: Mention) -> frozenset[tuple[str, ...]]:
        """What an answer to "what if" must speak of: the changed grains."""
        shapes = {(at, "shape") for at in range(len(target.things))}
        said = statements(facts(target, slots | shapes))
        return frozenset(about for about in said if about[0] in {kind for _, kind in slots})
