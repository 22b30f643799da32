"""Who is nearer to the positive: h between candidates, in grains, by one of three who may say so.

    captions     the base model's own words: a blind model's similarity can't say which negative is near, but the base
                 names grains well when asked to write. Each candidate's caption is parsed into facts, and h counts the
                 grains, named by both, on which two candidates differ. No label is used but the query's positive.
    reference    the cosines of the model that stage 3 starts from, as grains of a constant cosine: what the paper's
                 thought comes to without a verifier. Where that model is blind, so is h.
    annotations  the same count on what the data's own rows say is true: an upper bound that unlabelled data can't have.

A text candidate speaks for itself, wherever h comes from words. A fourth one, `likelihood_order`, knows queries alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from elva.data.mbeir import Candidate
from elva.encoding import Vectors
from elva.errors import InputError
from elva.grains import FactTable, Lexicon
from elva.training.prepared import candidate_key

Rows = NDArray[np.intp]
Between = Callable[[Rows, Rows], NDArray[np.float32]]
"""h (n, m) between n and m candidates, given by row; NaN where nothing is known."""


class GrainOrder:
    """h between queries and candidates, in grains.

    Args:
        dids: every candidate that may occur, once each.
        between: h between them, by row.
        other_offset: grains added for every candidate but a query's right answers: what the query's label knows.
    """

    def __init__(self, dids: Iterable[str], between: Between, other_offset: float) -> None:
        self._row = {did: row for row, did in enumerate(dids)}
        self._between, self._offset = between, other_offset

    @classmethod
    def by_captions(
        cls,
        candidates: Iterable[Candidate],
        captions: Mapping[str, str],
        lexicon: Lexicon,
        other_offset: float,
        wrong_share: float = 0.0,
        seed: int = 0,
    ) -> GrainOrder:
        """By what the base wrote.

        Args:
            candidates: every candidate that may occur.
            captions: what the base wrote about them, by library key.
            lexicon: parses captions.
            other_offset: see above.
            wrong_share: so large a share of the grains of captions is exchanged for others, as if the base were worse.
            seed: draws these.

        Raises:
            InputError: the lexicon has no words.
        """
        rng = np.random.default_rng(seed)

        def said(candidate: Candidate) -> str:
            if candidate.image is None and candidate.text:
                return candidate.text
            caption = captions[candidate_key(candidate.did)]
            return lexicon.misnamed(caption, wrong_share, rng) if wrong_share else caption

        return cls._by_words({c.did: said(c) for c in candidates}, lexicon, other_offset)

    @classmethod
    def by_annotations(cls, candidates: Iterable[Candidate], lexicon: Lexicon, other_offset: float) -> GrainOrder:
        """By the captions that the rows of pictures carry in `src_content`.

        Args:
            candidates: every candidate that may occur.
            lexicon: parses them.
            other_offset: see above.

        Raises:
            InputError: the lexicon has no words, or a picture's row carries no such caption.
        """
        said = {c.did: c.text if c.image is None and c.text else _annotation(c) for c in candidates}
        return cls._by_words(said, lexicon, other_offset)

    @classmethod
    def by_reference(cls, dids: Sequence[str], vectors: Vectors, slope: float, other_offset: float) -> GrainOrder:
        """By a frozen model's vectors: h = (1 - cosine) / slope.

        Args:
            dids: every candidate that may occur.
            vectors: (n, D) unit vectors of theirs.
            slope: cosine that one grain costs. With it the regression's target is the frozen model's cosine, plus the
                offset's share.
            other_offset: see above.
        """

        def between(some: Rows, others: Rows) -> NDArray[np.float32]:
            away: NDArray[np.float32] = (1.0 - vectors[some] @ vectors[others].T) / np.float32(slope)
            return away.clip(min=0.0)

        return cls(dids, between, other_offset)

    @classmethod
    def _by_words(cls, said: Mapping[str, str], lexicon: Lexicon, other_offset: float) -> GrainOrder:
        if not lexicon.kinds:
            raise InputError(
                "the data root has no grains.json, so captions can't be parsed into grains; add one (docs/formats.md), "
                "set reinforce.weights.order to 0, or reinforce.order.source to reference"
            )
        table = FactTable.encode([lexicon.parse(text) for text in said.values()], lexicon)
        return cls(said, lambda some, others: table.take(some).distance(table.take(others)), other_offset)

    def candidates(self, dids: Sequence[str]) -> Tensor:
        """(C, C) h between candidates; NaN where nothing is shared, and on the diagonal (a self-match says nothing)."""
        rows = self._rows(dids)
        h = self._between(rows, rows)
        np.fill_diagonal(h, np.nan)
        return torch.from_numpy(h)

    def queries(self, positives: Sequence[str], dids: Sequence[str], right: Tensor) -> Tensor:
        """(Q, C) h between each query's labelled positive and the candidates, plus the offset for all but right ones.

        Args:
            positives: Q dids.
            dids: C dids.
            right: (Q, C) bool: candidates as good as the positive, which get its target (`Scene.ignore`).
        """
        h = self._between(self._rows(positives), self._rows(dids)) + np.float32(self._offset)
        return torch.from_numpy(h).masked_fill(right, 0.0)

    def _rows(self, dids: Sequence[str]) -> Rows:
        return np.array([self._row[did] for did in dids])


def _annotation(candidate: Candidate) -> str:
    """What is true of a picture, in words."""
    try:
        return str(json.loads(candidate.source or "")["caption"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"candidate {candidate.did} has no caption in its src_content, so reinforce.order.source=annotations can't "
            'tell what it shows; add {"caption": ...} to the rows of pictures, or set the source to captions or '
            "reference"
        ) from error
