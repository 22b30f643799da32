"""Means and variances of gradients that were estimated over and over, compared without taking noise for bias.

The repetitions lie in blocks, and every product of two means is taken between different blocks, whose noise is
independent: so noise adds nothing, on average, to the length of a mean or to the distance of two, however few the
repetitions. Standard errors come from leaving one block out at a time (jackknife).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

TINIEST = 1e-30


@dataclass(frozen=True)
class Sums:
    """What is kept of the gradients of one scene: products between all blocks' means, and mean squares.

    Attributes:
        products: (F, B, F, B) of F forms and B blocks.
        squares: (F, B) mean squared length.
    """

    products: Tensor
    squares: Tensor


class Moments:
    """Sums the gradients of one scene by form and block.

    Args:
        names: of the forms.
        blocks: how many.
    """

    def __init__(self, names: Sequence[str], blocks: int) -> None:
        self._row = {name: row for row, name in enumerate(names)}
        self._sums: dict[tuple[int, int], Tensor] = {}
        self._counts = torch.zeros(len(names), blocks, dtype=torch.float64)
        self._squares = torch.zeros(len(names), blocks, dtype=torch.float64)

    def add(self, name: str, block: int, gradient: Tensor) -> None:
        """One more gradient (P,)."""
        at = self._row[name], block
        if at in self._sums:
            self._sums[at] += gradient
        else:
            self._sums[at] = gradient.clone()
        self._counts[at] += 1
        self._squares[at] += gradient.double().square().sum()

    def sums(self) -> Sums:
        """What was added; every form has something in every block."""
        forms, blocks = self._counts.shape
        means = torch.stack([self._sums[form, block] for form in range(forms) for block in range(blocks)])
        means /= self._counts.view(-1, 1)
        products = (means @ means.T).double().view(forms, blocks, forms, blocks)
        return Sums(products, self._squares / self._counts)


@dataclass(frozen=True)
class Target:
    """What the mean of a form should be: that of another one.

    Attributes:
        name: of the other form.
        scale: what the form is multiplied with before; None where length means nothing: then it reaches as far as the
            target does, along the target.
    """

    name: str
    scale: float | None = 1.0


Measures = dict[str, dict[str, list[float]]]
"""Of each form, by measure: its value and its standard error."""


def compared(scenes: Sequence[Sums], targets: Mapping[str, Target], plain: str) -> Measures:
    """Every form beside its target, over all scenes together.

    Returns, for each form:
        cosine: of its mean and the target's.
        bias: squared distance of its mean from the target's, over the latter's square.
        noise: trace of its covariance, over the same square.
        variance: the same trace over the plain form's.

    Args:
        scenes: sums of each scene; forms in the order of `targets`.
        targets: of each form.
        plain: the form whose variance is 1.
    """
    blocks = range(scenes[0].squares.shape[1])
    found = _measures(scenes, targets, plain, [*blocks])
    without = [_measures(scenes, targets, plain, [each for each in blocks if each != out]) for out in blocks]

    def error(name: str, measure: str) -> float:
        return float(np.std([each[name][measure] for each in without]) * (len(blocks) - 1) ** 0.5)

    return {
        name: {measure: [value, error(name, measure)] for measure, value in own.items()} for name, own in found.items()
    }


def _measures(
    scenes: Sequence[Sums], targets: Mapping[str, Target], plain: str, blocks: list[int]
) -> dict[str, dict[str, float]]:
    row = {name: number for number, name in enumerate(targets)}
    products = torch.stack([scene.products[:, blocks][..., blocks] for scene in scenes]).sum(0)
    squares = torch.stack([scene.squares[:, blocks].mean(1) for scene in scenes]).sum(0)
    within = products.diagonal(dim1=1, dim2=3).sum(-1)
    between = (products.sum((1, 3)) - within) / (len(blocks) * (len(blocks) - 1))
    trace = squares - between.diagonal()
    found = {}
    for name, target in targets.items():
        a, b = row[name], row[target.name]
        size = between[b, b].clamp_min(TINIEST)
        along = between[a, b].clamp_min(TINIEST)
        scale = float(size / along) if target.scale is None else target.scale
        figures = {
            "cosine": between[a, b] / (between[a, a] * between[b, b]).clamp_min(TINIEST).sqrt(),
            "bias": (scale**2 * between[a, a] - 2 * scale * between[a, b] + between[b, b]) / size,
            "noise": scale**2 * trace[a] / size,
            "variance": scale**2 * trace[a] / trace[row[plain]],
        }
        found[name] = {measure: float(value) for measure, value in figures.items()}
    return found
