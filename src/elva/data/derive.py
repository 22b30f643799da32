"""Queries, answers and pools derived from a table of products."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count

import numpy as np

from elva.data.catalogue import Catalogue, Grains, Mask, numbers
from elva.data.layout import TaskName
from elva.data.products import Product
from elva.data.records import Candidate, NearMiss, Query
from elva.data.wording import Vocabulary
from elva.grains import Grain, Lexicon

HELD_OUT = ("val", "test")
NEAR_MISSES_PER_KIND = 4
MOST_OTHER_GRAINS = 3


@dataclass(frozen=True, slots=True)
class Task:
    """One task as it goes to disk; `own_pool` says that its pool is of this split alone."""

    name: TaskName
    queries: tuple[Query, ...]
    pool: tuple[Candidate, ...]
    own_pool: bool


@dataclass(frozen=True)
class Derivation:
    """Derives tasks from a catalogue.

    Attributes:
        catalogue: the products.
        vocabulary: how grains are said.
        lexicon: the words for every value.
        name: dataset name; multi-grain queries go to NAME_multigrain and NAME_multigrain_heldout.
        dataset: dataset id of NAME; the other two follow it.
        images: number of the product -> image path relative to the root.
        query_kinds: kinds that multi-grain queries may name.
        seed: of every draw.
    """

    catalogue: Catalogue
    vocabulary: Vocabulary
    lexicon: Lexicon
    name: str
    dataset: int
    images: Sequence[str]
    query_kinds: tuple[str, ...]
    seed: int
    _numbers: dict[int, Iterator[int]] = field(default_factory=dict)

    @property
    def datasets(self) -> dict[int, str]:
        """Dataset id -> name of the three datasets."""
        return {
            self.dataset: self.name,
            self.dataset + 1: f"{self.name}_multigrain",
            self.dataset + 2: f"{self.name}_multigrain_heldout",
        }

    def text_to_image(self, split: str) -> Task:
        """Task 0: a title, and in training also every grain in one sentence -> images."""
        pool, rng = self._pool_mask(split), self._rng("0", split)
        titles: dict[str, list[Product]] = {}
        for product in self.products(split):
            titles.setdefault(product.text, []).append(product)
        queries = []
        for text, products in titles.items():
            alike = {number for one in products for number in self.catalogue.alike(one)}
            dids = self._dids(alike, pool)
            queries.append(self.text_query(0, text, dids, self._title_grains(products), self._source(products[0])))
        if split == "train":
            queries += self._whole_sentences(pool, rng)
        return self._task(0, split, queries, self._image_pool(pool))

    def image_to_text(self, split: str) -> Task:
        """Task 3: an image -> the titles of it and of products like it."""
        pool = self._pool_mask(split)
        queries = []
        for product in self.products(split):
            alike = [self.catalogue.products[n] for n in self.catalogue.alike(product) if pool[n]]
            first = self.text_dids[product.text]
            dids = sorted({self.text_dids[one.text] for one in alike} - {first}, key=_number)
            queries.append(self.image_query(3, product, (first, *dids)))
        return self._task(3, split, queries, self._text_pool(pool))

    def image_to_image(self, split: str) -> Task:
        """Task 4: an image -> other products with every value the same.

        No image asks and answers in one split: it would find itself. In training every second
        product of a kind asks; held-out products ask the products of the other splits.
        """
        asking = self._asking(split)
        pool = self._pool_mask(split) & ~asking
        queries = []
        for product in (self.catalogue.products[n] for n in numbers(asking)):
            match = self.catalogue.satisfying(product.values) & pool
            itself = self.catalogue.same_photos([product.number]) & pool
            if match.any() and not itself.any():
                dids = self._dids(numbers(match), pool)
                queries.append(self.image_query(4, product, dids))
        return self._task(4, split, queries, self._image_pool(pool), own_pool=True)

    def multigrain(self, split: str, per_product: int, *, held_out: bool) -> Task:
        """Task 0 of sentences like "red nike sports shoes for men" -> every image they describe.

        The queries of a split are the same whether or not the pool is held out; answers and near
        misses are those of the pool.
        """
        pool = self.catalogue.in_splits(HELD_OUT) if held_out else self._pool_mask(split)
        dataset = self.dataset + (2 if held_out else 1)
        rng = self._rng("multigrain", split)
        sets = self._draw_sets(split, per_product)
        queries = [self._grain_query(grains, product, pool, dataset, rng) for grains, product in sets]
        name = TaskName(self.datasets[dataset], 0, split)
        return Task(name, tuple(queries), self._image_pool(pool), split == "train")

    def text_query(
        self, task: int, text: str, dids: tuple[str, ...], grains: tuple[Grain, ...] = (), source: str | None = None
    ) -> Query:
        """A query of words, with the next free qid."""
        return Query(self._qid(self.dataset), text, None, "text", dids, (), task, grains, source=source)

    def image_query(self, task: int, product: Product, dids: tuple[str, ...]) -> Query:
        """A product's image as a query, with the next free qid."""
        return Query(
            qid=self._qid(self.dataset),
            text=None,
            image=self.images[product.number],
            modality="image",
            positives=dids,
            negatives=(),
            task=task,
            grains=tuple(Grain(kind, value) for kind, value in product.values.items()),
            source=self._source(product),
        )

    def _grain_query(self, grains: Grains, product: Product, pool: Mask, dataset: int, rng: random.Random) -> Query:
        wording = self.vocabulary.draw(grains, rng)
        paraphrase = self.vocabulary.draw_another(wording, grains, rng)
        positives = numbers(self.catalogue.satisfying(grains) & pool)
        return Query(
            qid=self._qid(dataset),
            text=wording.text,
            image=None,
            modality="text",
            positives=self._dids(positives, pool),
            negatives=(),
            task=0,
            grains=wording.grains(),
            near_misses=self._near_misses(grains, positives, pool),
            paraphrase=paraphrase if paraphrase != wording.text else None,
            source=self._source(product),
        )

    def _near_misses(self, grains: Grains, positives: Sequence[int], pool: Mask) -> tuple[NearMiss, ...]:
        # A photo that is listed twice under different values proves nothing.
        allowed = pool & ~self.catalogue.same_photos(positives)
        misses = []
        for kind in grains:
            differing = numbers(self.catalogue.one_off(grains, kind) & allowed)
            rng = random.Random(f"{self.seed} {kind} {sorted(grains.items())}")
            drawn = rng.sample(differing, min(NEAR_MISSES_PER_KIND, len(differing)))
            misses += [NearMiss(self._did(n), kind) for n in sorted(drawn)]
        return tuple(misses)

    def _draw_sets(self, split: str, per_product: int) -> list[tuple[Grains, Product]]:
        """Sets of grains, none twice: what the thing is and 1 to 3 other kinds of a product, the first to have them."""
        rng = self._rng("sets", split)
        drawn: dict[tuple[tuple[str, str], ...], tuple[Grains, Product]] = {}
        for product in self.products(split):
            known = [kind for kind in self.query_kinds if self.vocabulary.adds(product.values, kind)]
            if self.vocabulary.entity not in product.values or not known:
                continue
            for _ in range(per_product):
                size = rng.randint(1, min(MOST_OTHER_GRAINS, len(known)))
                chosen = {self.vocabulary.entity, *rng.sample(known, size)}
                grains = {kind: v for kind, v in product.values.items() if kind in chosen}
                drawn.setdefault(tuple(sorted(grains.items())), (grains, product))
        return list(drawn.values())

    def _whole_sentences(self, pool: Mask, rng: random.Random) -> Iterator[Query]:
        named = [one for one in self.products("train") if self.vocabulary.entity in one.values]
        said = [self.vocabulary.telling(one.values) for one in named]
        for grains in {tuple(each.items()): each for each in said}.values():
            wording = self.vocabulary.draw(grains, rng)
            dids = self._dids(numbers(self.catalogue.satisfying(grains)), pool)
            yield self.text_query(0, wording.text, dids, wording.grains())

    def _title_grains(self, products: Sequence[Product]) -> tuple[Grain, ...]:
        """The grains a title names in agreement with its product, in held-out queries only.

        Masked distances are measured on those; rows of training stay small.
        """
        first = products[0]
        if first.split == "train":
            return ()
        forms = {(kind, form) for kind, value in first.values.items() for form in self.lexicon.kinds[kind][value]}
        grains = self.lexicon.split(first.text)
        return tuple(grain for grain in grains if (grain.kind, grain.text.lower()) in forms)

    def _asking(self, split: str) -> Mask:
        asking = self.catalogue.in_splits([split])
        if split == "train":
            seen: dict[object, int] = {}
            for number in numbers(asking):
                key = tuple(sorted(self.catalogue.products[number].values.items()))
                seen[key] = seen.get(key, 0) + 1
                asking[number] = seen[key] % 2 == 0
        named = (self.vocabulary.entity in one.values for one in self.catalogue.products)
        return asking & np.fromiter(named, np.bool_, len(asking))

    def _pool_mask(self, split: str) -> Mask:
        return self.catalogue.in_splits(["train"] if split == "train" else ["train", *HELD_OUT])

    def products(self, split: str) -> list[Product]:
        """The products of a split."""
        return [one for one in self.catalogue.products if one.split == split]

    def _rng(self, purpose: str, split: str) -> random.Random:
        return random.Random(f"{self.seed} {purpose} {split}")

    def _task(
        self,
        task: int,
        split: str,
        queries: Iterable[Query],
        pool: tuple[Candidate, ...],
        own_pool: bool = False,
    ) -> Task:
        name = TaskName(self.name, task, split)
        return Task(name, tuple(queries), pool, own_pool or split == "train")

    def _image_pool(self, pool: Mask) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(self._did(n), None, self.images[n], "image", self._source(self.catalogue.products[n]))
            for n in numbers(pool)
        )

    def _text_pool(self, pool: Mask) -> tuple[Candidate, ...]:
        texts = dict.fromkeys(self.catalogue.products[n].text for n in numbers(pool))
        return tuple(Candidate(self.text_dids[text], text, None, "text") for text in texts)

    @cached_property
    def text_dids(self) -> dict[str, str]:
        """Title -> did of that title as a candidate."""
        texts = dict.fromkeys(one.text for one in self.catalogue.products)
        return {text: self._did(len(self.images) + n) for n, text in enumerate(texts)}

    def _source(self, product: Product) -> str:
        """src_content of a product's image: the user's id, and the canonical caption of all that the table says."""
        caption = self.vocabulary.caption(product.values)
        return json.dumps({"id": product.key} | ({"caption": caption} if caption else {}), ensure_ascii=False)

    def _did(self, number: int) -> str:
        return f"{self.dataset}:{number}"

    def _dids(self, numbers: Iterable[int], pool: Mask) -> tuple[str, ...]:
        return tuple(self._did(number) for number in sorted(numbers) if pool[number])

    def _qid(self, dataset: int) -> str:
        return f"{dataset}:{next(self._numbers.setdefault(dataset, count(1)))}"


def _number(did: str) -> int:
    return int(did.partition(":")[2])
