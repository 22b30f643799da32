"""What a captioner and stage 1 learn from a table: captions in a fixed order, and triples."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from elva.data.catalogue import Grains
from elva.data.derive import Derivation, Task
from elva.data.layout import TaskName
from elva.data.nli import Triple
from elva.data.products import Product
from elva.data.records import Candidate
from elva.data.wording import Vocabulary

BASE = "base"


def base_tasks(derivation: Derivation) -> list[Task]:
    """The split "base", of training rows: image -> caption (task 3), text -> caption (task 1).

    An image's caption names every value of its product. A title's caption names what the title says
    and what the thing is; a sentence's caption, what the sentence says.
    """
    captions = _Captions(derivation)
    rng = random.Random(f"{derivation.seed} base")
    products = [one for one in derivation.products("train") if _is_named(one, derivation)]
    images = [derivation.image_query(3, one, (captions.did(one.values),)) for one in products]
    texts: dict[str, str] = {}
    for one in products:
        texts.setdefault(one.text, captions.did(_said(one, derivation)))
        said = _some(one.values, derivation.vocabulary, rng)
        texts.setdefault(derivation.vocabulary.draw(said, rng).text, captions.did(said))
    asked = [derivation.text_query(1, text, (did,)) for text, did in texts.items()]
    pool = captions.pool()
    return [
        Task(TaskName(derivation.name, 3, BASE), tuple(images), pool, True),
        Task(TaskName(derivation.name, 1, BASE), tuple(asked), pool, True),
    ]


def triples(derivation: Derivation, values: Mapping[str, Sequence[str]]) -> Iterator[Triple]:
    """Stage 1: a wording of some grains, another wording, and one with one grain changed.

    Args:
        derivation: the products and how their grains are said.
        values: kind -> the values that a changed grain may take.
    """
    rng = random.Random(f"{derivation.seed} triples")
    vocabulary = derivation.vocabulary
    for product in derivation.products("train"):
        if not _is_named(product, derivation):
            continue
        said = _some(product.values, vocabulary, rng)
        changed = _changed(said, values, rng)
        if changed is not None:
            first = vocabulary.draw(said, rng)
            second = vocabulary.draw_another(first, said, rng)
            yield Triple(first.text, second, vocabulary.draw(changed, rng).text)


class _Captions:
    """Captions as candidates: equal captions are one candidate."""

    def __init__(self, derivation: Derivation) -> None:
        self._derivation = derivation
        self._first = len(derivation.images) + len(derivation.text_dids)
        self._dids: dict[str, str] = {}

    def did(self, values: Grains) -> str:
        caption = self._derivation.vocabulary.caption(values)
        number = self._first + len(self._dids)
        return self._dids.setdefault(caption, f"{self._derivation.dataset}:{number}")

    def pool(self) -> tuple[Candidate, ...]:
        return tuple(Candidate(did, text, None, "text") for text, did in self._dids.items())


def _is_named(product: Product, derivation: Derivation) -> bool:
    return derivation.vocabulary.entity in product.values


def _said(product: Product, derivation: Derivation) -> Grains:
    facts = derivation.lexicon.parse(product.text)
    named = {item for entity in facts.entities for item in entity.items()}
    return {
        kind: value
        for kind, value in product.values.items()
        if kind == derivation.vocabulary.entity or (kind, value) in named
    }


def _some(values: Grains, vocabulary: Vocabulary, rng: random.Random) -> Grains:
    others = [kind for kind in values if vocabulary.adds(values, kind)]
    kept = {vocabulary.entity, *rng.sample(others, rng.randint(0, len(others)))}
    return {kind: value for kind, value in values.items() if kind in kept}


def _changed(grains: Grains, values: Mapping[str, Sequence[str]], rng: random.Random) -> Grains | None:
    kinds = [kind for kind in grains if len(values[kind]) > 1]
    if not kinds:
        return None
    kind = rng.choice(kinds)
    other = rng.choice([value for value in values[kind] if value != grains[kind]])
    return {**grains, kind: other}
