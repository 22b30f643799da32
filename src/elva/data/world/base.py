"""The split that trains the tiny base: look (or read) and write the canonical caption.

Scenes are drawn over the whole grain space, without families. The positive of every query is a
text candidate, the caption to write.
"""

from __future__ import annotations

from dataclasses import dataclass

from elva.data.layout import TASKS
from elva.data.records import Candidate, Query
from elva.data.world.edits import changed, draw_kinds
from elva.data.world.facts import some
from elva.data.world.language import caption, describe, full_caption
from elva.data.world.pools import Split, Studio, annotation
from elva.data.world.requests import modification, question
from elva.data.world.scenes import Scene, draw_scene
from elva.grains import Facts, Lexicon

SPLIT = "base"
_TASKS = (3, 1, 6)


@dataclass(frozen=True, slots=True)
class BasePlan:
    """How many queries: pictures to caption, texts to put in order, pictures to change or ask."""

    pictures: int
    texts: int
    pairs: int


class BaseSplit:
    """Builds the split "base" of the dataset "world"."""

    def __init__(self, studio: Studio, lexicon: Lexicon, taken: set[Scene]) -> None:
        """``taken``: scenes of the benchmark, which the base must never see."""
        self.studio = studio
        self.lexicon = lexicon
        self.taken = taken
        self.rng = studio.rng("queries of base")
        self.captions: dict[str, Candidate] = {}
        self.queries: dict[int, list[Query]] = {task: [] for task in _TASKS}

    def build(self, plan: BasePlan) -> Split:
        """Draw the scenes and write their queries; the same caption is one candidate."""
        shown = []
        for _ in range(plan.pictures):
            scene = self._scene()
            shown.append((scene, self.studio.picture(scene, SPLIT)))
            self._add(3, None, shown[-1][1], full_caption(scene), annotation(scene))
        for _ in range(plan.texts):
            scene = self._scene()
            text = describe(scene, self.rng, some(scene, self.rng))
            self._add(1, text, None, caption(self.lexicon.parse(text)))
        for scene, picture in shown[: plan.pairs]:
            text, answer = self._pair(scene)
            self._add(6, text, picture, answer, annotation(scene))
        return Split("world", SPLIT, self.queries, {task: self._pool(task) for task in _TASKS})

    def _pool(self, task: int) -> list[Candidate]:
        answers = {query.positives[0] for query in self.queries[task]}
        return [candidate for candidate in self.captions.values() if candidate.did in answers]

    def _scene(self) -> Scene:
        while (scene := draw_scene(self.rng)) in self.taken:
            pass
        return scene

    def _pair(self, scene: Scene) -> tuple[str, str]:
        """A text to go with the picture, and the caption that both together ask for."""
        draw = self.rng.random()
        if draw < 0.15:
            return describe(scene, self.rng, some(scene, self.rng)), full_caption(scene)
        if draw < 0.3:
            text, asked = question(scene, self.rng)
            return text.text, caption(Facts((scene.things[asked].grains(),)))
        result, edited = changed(scene, draw_kinds(self.rng), self.rng, self.taken)
        return modification(edited, self.rng, ask=self.rng.random() < 0.3).text, full_caption(result)

    def _add(self, task: int, text: str | None, image: str | None, answer: str, source: str | None = None) -> None:
        candidate = self.captions.get(answer)
        if candidate is None:
            candidate = Candidate(self.studio.next_did(), answer, None, "text")
            self.captions[answer] = candidate
        self.queries[task].append(
            Query(
                qid=self.studio.next_qid(),
                text=text,
                image=image,
                modality=TASKS[task][0],
                positives=(candidate.did,),
                negatives=(),
                task=task,
                source=source,
            )
        )
