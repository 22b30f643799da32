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
    """What the mean of a form should be: that of another one, divided by `scale`."""

    name: str
    scale: float = 1.0


Measures = dict[str, dict[str, list[float]]]
"""Of each form, by measure: its value and its standard error."""


def compared(scenes: Sequence[Sums], targets: Mapping[str, Target], plain: str) -> Measures:
    """Every form beside its target, over all scenes together.

    Returns, for each form:
        to_plain: cosine of its mean and the plain form's.
        bias: squared distance of its scaled mean from the target's, over the latter's square.
        variance: trace of its covariance, likewise scaled, over the target's.
        noise: trace over the square of the part of its mean that points along the target's: how noisy a step in the
            right direction is, whatever its length.
        relative_noise: that over the target's.

    Args:
        scenes: sums of each scene; forms in the order of `targets`.
        targets: of each form.
        plain: the form that all directions are compared with.
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
        a, b, scale = row[name], row[target.name], target.scale
        size = between[b, b].clamp_min(TINIEST)
        distance = scale**2 * between[a, a] - 2 * scale * between[a, b] + between[b, b]
        noise = trace[a] * size / (between[a, b] ** 2).clamp_min(TINIEST)
        figures = {
            "to_plain": _cosine(between, a, row[plain]),
            "bias": distance / size,
            "variance": scale**2 * trace[a] / trace[b],
            "noise": noise,
            "relative_noise": noise / (trace[b] / size),
        }
        found[name] = {measure: float(value) for measure, value in figures.items()}
    return found


def _cosine(between: Tensor, a: int, b: int) -> Tensor:
    return between[a, b] / (between[a, a] * between[b, b]).clamp_min(TINIEST).sqrt()
