"""The least that one step of stage 3 has to compute and to move, from counts of its scene and the sizes of the model.

    python benchmarks/floor.py                                    Qwen2-VL-2B at the rates of this machine
    python benchmarks/floor.py --flops 990e12 --bytes 3.35e12     at other rates

A floor of the method, not of a program: each picture is seen once, each turn is read once and shared by its G rollouts,
each written token passes the language model once, then the reference and the policy read all of it once. Counted are
products of matrices, two operations per number and token, and attention over the places that a token may see; not
norms, activations, the softmax, sampling, nor an adapter's own matrices. A backward pass costs two forward ones where
all weights of the language model train, and one with LoRA, which needs the gradient of the inputs alone. Decoding moves
the weights once per token of a summary, all items at once, and the keys and values of all turns and summaries so far.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from real_size import matrix_rate

PASSES = ("vision", "prefill", "decode", "reference", "forward", "backward")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a Qwen2-VL; the defaults are those of Qwen2-VL-2B in bfloat16.

    Attributes:
        merge: patches per side of a visual token.
        number: bytes of one number of the weights and of the cache.
    """

    hidden: int = 1536
    layers: int = 28
    intermediate: int = 8960
    heads: int = 12
    kv_heads: int = 2
    head_dim: int = 128
    vocabulary: int = 151_936
    vision_layers: int = 32
    vision_width: int = 1280
    vision_ratio: int = 4
    patch: int = 14
    merge: int = 2
    number: int = 2

    @property
    def layer_weights(self) -> int:
        """Numbers in the matrices of one layer of the language model."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return self.hidden * (2 * queries + 2 * keys + 3 * self.intermediate)

    @property
    def language_weights(self) -> int:
        """Numbers in the matrices that each token passes, without the head."""
        return self.layers * self.layer_weights

    @property
    def head_weights(self) -> int:
        """Numbers in the head."""
        return self.hidden * self.vocabulary

    @property
    def per_pair(self) -> int:
        """Operations for one place that looks at one other, in all layers: its score, and its share of the values."""
        return 4 * self.layers * self.heads * self.head_dim

    @property
    def cached(self) -> int:
        """Bytes of the keys and values of one token."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.number


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one step.

    Attributes:
        items: distinct queries and candidates.
        text: tokens of a turn that are no visual ones.
        visual: visual tokens of a picture.
        pictures: distinct ones.
        group: G.
        written: T, tokens of a summary, [RET] included.
    """

    items: int = 102
    text: float = 20
    visual: float = 150
    pictures: int = 102
    group: int = 8
    written: float = 48

    @property
    def turn(self) -> float:
        """Tokens of a turn."""
        return self.text + self.visual * self.pictures / self.items

    @property
    def prefilled(self) -> float:
        """Tokens of all turns."""
        return self.items * self.turn

    @property
    def decoded(self) -> float:
        """Tokens of all summaries."""
        return self.items * self.group * self.written

    @property
    def turn_pairs(self) -> float:
        """Places of turns that look at one another, themselves included."""
        return self.items * self.turn * (self.turn + 1) / 2

    @property
    def written_pairs(self) -> float:
        """Places that written tokens look at: the turn, and their own summary so far."""
        own = self.written * (self.written + 1) / 2
        return self.items * self.group * (self.written * self.turn + own)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a step: tokens that pass (patches, of vision), operations, and bytes where they may limit it."""

    tokens: float
    flops: float
    moved: float = 0.0

    def seconds(self, flops: float, moved: float) -> float:
        """At so many operations and bytes per second."""
        return max(self.flops / flops, self.moved / moved)


def floor(sizes: Sizes, counts: Counts, lora: bool = False) -> dict[str, Part]:
    """The parts of `PASSES`, in this order."""
    prefill = 2.0 * sizes.language_weights * counts.prefilled + sizes.per_pair * counts.turn_pairs
    written = 2.0 * (sizes.language_weights + sizes.head_weights) * counts.decoded
    written += sizes.per_pair * counts.written_pairs
    tokens, whole = counts.prefilled + counts.decoded, prefill + written
    # in step t of a summary the cache holds the turn and, of each rollout, t tokens
    held = counts.written * counts.turn + counts.group * counts.written * (counts.written + 1) / 2
    weights = counts.written * (sizes.language_weights + sizes.head_weights) * sizes.number
    return {
        "vision": _vision(sizes, counts),
        "prefill": Part(counts.prefilled, prefill),
        "decode": Part(counts.decoded, written, weights + counts.items * held * sizes.cached),
        "reference": Part(tokens, whole),
        "forward": Part(tokens, whole),
        "backward": Part(tokens, whole if lora else 2 * whole),
    }


def _vision(sizes: Sizes, counts: Counts) -> Part:
    """Tower and merger on all pictures."""
    patches, width = counts.visual * sizes.merge**2, sizes.vision_width
    block, merged = (4 + 2 * sizes.vision_ratio) * width**2, width * sizes.merge**2
    cut = 3 * 2 * sizes.patch**2 * width  # a picture is shown twice: one temporal patch
    matrices = patches * (cut + sizes.vision_layers * block) + counts.visual * merged * (merged + sizes.hidden)
    attention = 4.0 * sizes.vision_layers * width * patches**2
    return Part(counts.pictures * patches, counts.pictures * (2.0 * matrices + attention))


def table(
    parts: Mapping[str, Part], flops: float, moved: float, measured: Mapping[str, float] | None = None
) -> tuple[str, dict[str, dict[str, float]]]:
    """A floor in Markdown, and the same figures.

    Args:
        parts: from `floor`.
        flops: operations per second.
        moved: bytes per second.
        measured: seconds that parts really took, to stand beside; others may be among them.
    """
    total = sum(part.seconds(flops, moved) for part in parts.values())
    head = ["part", "tokens", "GFLOP", "GB moved", "seconds at least", "share"]
    lines, figures = [head, ["---", *["---:"] * 5]], {}
    for name, part in parts.items():
        seconds = part.seconds(flops, moved)
        figures[name] = {"tokens": part.tokens, "flops": part.flops, "bytes": part.moved, "seconds": seconds}
        row = [f"{part.tokens:,.0f}", f"{part.flops / 1e9:,.1f}", f"{part.moved / 1e9:,.2f}" if part.moved else ""]
        lines.append([name, *row, f"{seconds:.3g}", f"{seconds / total:.0%}"])
    sums = ["sum", "", f"{sum(part.flops for part in parts.values()) / 1e9:,.1f}", "", f"{total:.3g}", ""]
    if measured is None:
        lines.append(sums)
    else:
        spare = [[name, *[""] * 5] for name in measured if name not in parts]
        cells = {"part": "seconds measured", "---": "---:", "sum": f"{sum(measured.values()):.3g}"}
        cells |= {name: f"{seconds:.3g}" for name, seconds in measured.items()}
        lines = [[*line, cells.get(line[0], "")] for line in [*lines, *spare, sums]]
        for name, seconds in measured.items():
            figures.setdefault(name, {})["measured"] = seconds
    return "\n".join(f"| {' | '.join(line)} |" for line in lines), figures


def float32_rate(side: int = 768) -> float:
    """Operations per second of a product of square float32 matrices on the CPU."""
    return matrix_rate("cpu", side, torch.float32)


def copy_rate(size: int = 1 << 26) -> float:
    """Bytes per second, read and written, of a copy of so many: the best of some."""
    source, target = torch.zeros(size, dtype=torch.uint8), torch.zeros(size, dtype=torch.uint8)
    return 2.0 * size / _best(lambda: target.copy_(source))


def _best(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the floor of Qwen2-VL-2B."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Counts()
    parser.add_argument("--items", type=int, default=usual.items, help="distinct queries and candidates of a step")
    parser.add_argument("--pictures", type=int, default=usual.pictures, help="distinct pictures of a step")
    parser.add_argument("--text", type=float, default=usual.text, help="text tokens of a turn")
    parser.add_argument("--visual", type=float, default=usual.visual, help="visual tokens of a picture")
    parser.add_argument("--group", type=int, default=usual.group, help="rollouts of an item")
    parser.add_argument("--written", type=float, default=usual.written, help="tokens of a summary")
    parser.add_argument("--lora", action="store_true", help="an adapter trains, not all weights")
    parser.add_argument("--flops", type=float, help="operations per second; a product of matrices here by default")
    parser.add_argument("--bytes", type=float, help="bytes per second; a copy here by default")
    asked = parser.parse_args(arguments)
    counts = Counts(asked.items, asked.text, asked.visual, asked.pictures, asked.group, asked.written)
    flops, moved = asked.flops or float32_rate(), asked.bytes or copy_rate()
    print(f"{flops / 1e12:.3g} TFLOP/s, {moved / 1e9:.3g} GB/s")
    print(table(floor(Sizes(), counts, asked.lora), flops, moved)[0])


if __name__ == "__main__":
    main()
