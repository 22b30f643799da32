"""One contrastive update by parts: ELVA's stage beside sentence-transformers' CachedMultipleNegativesRankingLoss.

    python benchmarks/contrastive.py

From the texts of the built-in world's triples (a query and a positive each) to the gradients of `tiny-base` as a
one-word model: the language model trains, the vision tower is frozen. Both read as many items at once, rank in both
directions at one temperature, and must give the same gradients before they are timed. Times are taken in turn in one
process, memory in processes of their own. The floor is what the language model's matrices cost without padding and
attention, two forwards and a backward, at the rate of a large float32 product on the same machine.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from encode import OURS, THEIRS, one_model
from encoding_floor import Floor
from floor import float32_rate
from interleaved import ratio, rounds, save, spread
from measure import Figures, Meter, measured, options

BATCHES, PART, TEMPERATURE = (64, 256, 960), 64, 0.05
MEMORY_RUNS = 3
"""It hardly varies."""
TOLERANCE = 1e-4
"""Largest difference of the gradients, as a share of their norm, at which both count as the same update."""
LANGUAGE = "language_model."
Pairs = tuple[list[str], list[str]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the world and the model, compare, measure, show."""
    parser = options(__doc__, "contrastive")
    parser.set_defaults(repeats=5)
    asked = parser.parse_args(arguments)
    repeats, part, batches = (1, 8, (8, 16)) if asked.quick else (asked.repeats, PART, BATCHES)
    rate = float32_rate()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_pairs(home, max(batches), "tiny" if asked.quick else "demo")
        one_model(home / "model")
        for batch in batches:
            results[str(batch)] = compared(home, batch, part, repeats, rate)
            results[str(batch)]["memory"] = memory(home, batch, part, min(repeats, MEMORY_RUNS), asked.quick)
    print(table(results))
    times = {batch: row["ratio"] for batch, row in results.items()}
    less = {batch: spread(shares(row["memory"])) for batch, row in results.items()}
    ratios = {"vs_sentence_transformers": times, "memory_vs_sentence_transformers": less}
    save(asked.out, ratios, batches=results, items_per_forward=part, matrix_rate_gflops=rate / 1e9)


def write_pairs(home: Path, count: int, size: str) -> None:
    """Pairs of the world's triples, no text twice: to sentence-transformers equal texts would be negatives."""
    from elva.data.nli import read_triples
    from elva.data.world import write_world

    write_world(home / "world", size=size)
    known, pairs = set[str](), list[tuple[str, str, str]]()
    for row in read_triples(home / "world/nli/world_triples.csv"):
        if not known & {row.anchor, row.positive} and len(pairs) < count:
            known |= {row.anchor, row.positive}
            pairs.append((row.anchor, row.positive, ""))
    if len(pairs) < count:
        raise SystemExit(f"the world has {len(pairs)} pairs, {count} are needed")
    with (home / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("sent0", "sent1", "hard_neg"), *pairs])


@dataclass
class Ours:
    """ELVA's stage, without the optimiser's step."""

    session: Any
    source: Any

    @classmethod
    def open(cls, home: Path, batch: int, part: int) -> Ours:
        """As `elva train` opens it."""
        from elva.model.embedder import Embedder
        from elva.training.contrast import TripleSource
        from elva.training.recipe import load_recipe
        from elva.training.session import Session

        settings = [f"data.root={home / 'world'}", f"data.triples={home / 'pairs.csv'}", f"contrast.batch_size={batch}"]
        settings += [f"contrast.items_per_forward={part}", f"contrast.temperature={TEMPERATURE}"]
        recipe = load_recipe("tiny/stage1", settings)
        embedder = Embedder.load(home / "model")
        embedder.backbone.open_training("language_model")
        embedder.backbone.train()
        return cls(Session(recipe, embedder, home / "run", {}, resume=False), TripleSource(recipe))

    def batch(self) -> Any:
        """The first one."""
        from elva.training.session import Step

        return self.source.batch(Step(0, np.random.default_rng(0), torch.Generator()))

    def update(self) -> float:
        """The loss of the first batch, its gradient in the weights; texts are tokenised anew."""
        from elva.training.contrast import learn
        from elva.training.prepared import PreparedItems

        self.session.embedder.backbone.zero_grad(set_to_none=True)
        library = PreparedItems(self.session.embedder, "one_word")
        return learn(self.session, library, self.batch(), TEMPERATURE)["loss"]

    def gradients(self) -> dict[str, Tensor]:
        """By the name of the language model's weight."""
        return language_gradients(self.session.embedder.backbone)


@dataclass
class Theirs:
    """sentence-transformers' loss on the same model, of the same pairs."""

    model: Any
    loss: Any
    pairs: Pairs

    @classmethod
    def open(cls, home: Path, pairs: Pairs, part: int) -> Theirs:
        """The exported model; all but the vision tower trains."""
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

        model = SentenceTransformer(str(home / "model"), device="cpu", local_files_only=True)
        model.train()
        for name, weight in model.named_parameters():
            weight.requires_grad_(LANGUAGE in name)
        loss = CachedMultipleNegativesRankingLoss(
            model,
            scale=1 / TEMPERATURE,
            mini_batch_size=part,
            directions=("query_to_doc", "doc_to_query"),
            partition_mode="per_direction",
        )
        return cls(model, loss, pairs)

    def update(self) -> float:
        """The loss of the pairs, its gradient in the weights."""
        self.model.zero_grad(set_to_none=True)
        features = [self.model.preprocess(texts) for texts in self.pairs]
        loss = self.loss(features, torch.empty(0))
        loss.backward()
        return float(loss.detach())

    def gradients(self) -> dict[str, Tensor]:
        """By the name of the language model's weight."""
        return language_gradients(self.model)


def language_gradients(model: nn.Module) -> dict[str, Tensor]:
    """What an update has left in the language model's weights."""
    weights = {name.partition(LANGUAGE)[2]: weight for name, weight in model.named_parameters() if LANGUAGE in name}
    return {name: weight.grad.clone() for name, weight in weights.items() if weight.grad is not None}


def compared(home: Path, batch: int, part: int, repeats: int, rate: float) -> dict[str, Any]:
    """Seconds of both for one update of the same gradient, and what they come to."""
    ours = Ours.open(home, batch, part)
    first = ours.batch()
    theirs = Theirs.open(home, (first.queries, first.candidates), part)
    works: dict[str, Callable[[], float]] = {THEIRS: theirs.update, OURS: ours.update}
    losses = [work() for work in works.values()]
    difference = distance(ours.gradients(), theirs.gradients())
    if not difference <= TOLERANCE:
        raise SystemExit(f"gradients differ by {difference:.2g} of their norm, losses are {losses}: not one update")
    runs = rounds(works, repeats)
    floor = Floor.of(ours.session.embedder, [*first.items.values()])
    passes = 3 if batch <= part else 4  # what fits into one part is not read twice
    return {
        "ratio": ratio(runs, THEIRS, OURS),
        "tokens": floor.tokens,
        "floor_seconds": passes * floor.language / rate,
        "difference": difference,
        "seconds": runs,
    }


def distance(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> float:
    """Norm of the difference as a share of the norm, of all weights together."""
    if ours.keys() != theirs.keys():
        raise SystemExit(f"other weights have gradients: {sorted(ours.keys() ^ theirs.keys())}")
    norm = torch.stack([gradient.norm() for gradient in theirs.values()]).norm()
    return float(torch.stack([(ours[name] - theirs[name]).norm() for name in ours]).norm() / norm)


def memory(home: Path, batch: int, part: int, repeats: int, quick: bool) -> dict[str, list[dict[str, float]]]:
    """MB before one update and at most in it, of each run of both."""
    peaks: dict[str, list[dict[str, float]]] = {}
    for _ in range(repeats):
        for name, work in ((THEIRS, their_update), (OURS, our_update)):
            figures = _here(work, home, batch, part) if quick else measured(work, home, batch, part)["update"]
            print(f"  {batch}: {name}: {figures.peak - figures.before:,.0f} MB more than {figures.before:,.0f}")
            peaks.setdefault(name, []).append({"before": figures.before, "peak": figures.peak})
    return peaks


def _here(work: Callable[..., None], *arguments: Any) -> Figures:
    meter = Meter()
    work(meter, *arguments)
    meter.stop()
    return meter.phases["update"]


def our_update(meter: Meter, home: Path, batch: int, part: int) -> None:
    """One update of ELVA's in a process of its own, after one of two pairs."""
    Ours.open(home, 2, part).update()
    ours = Ours.open(home, batch, part)
    meter.begin()
    ours.update()
    meter.end("update")


def their_update(meter: Meter, home: Path, batch: int, part: int) -> None:
    """Likewise of sentence-transformers'."""
    first, small = Ours.open(home, batch, part).batch(), Ours.open(home, 2, part).batch()
    theirs = Theirs.open(home, (small.queries, small.candidates), part)
    theirs.update()
    theirs.pairs = (first.queries, first.candidates)
    meter.begin()
    theirs.update()
    meter.end("update")


def more(runs: Sequence[Mapping[str, float]]) -> list[float]:
    """MB that each update took beyond what was held before it."""
    return [run["peak"] - run["before"] for run in runs]


def shares(peaks: Mapping[str, Sequence[Mapping[str, float]]]) -> list[float]:
    """How many times less memory ours takes for the update, run by run."""
    pairs = zip(more(peaks[THEIRS]), more(peaks[OURS]), strict=True)
    return [theirs / max(own, 1.0) for theirs, own in pairs]


def table(batches: Mapping[str, Mapping[str, Any]]) -> str:
    """Medians in Markdown."""
    head = ["batch", "tokens", f"{OURS}: seconds", "tokens/s", "floor reached", "MB more", "MB at most"]
    head += [f"{THEIRS}: seconds", "tokens/s", "MB more", "times as fast", "least to most"]
    lines = [head, ["---:"] * len(head)]
    for batch, row in batches.items():
        line = [batch, f"{row['tokens']:,}"]
        for name in (OURS, THEIRS):
            seconds, peaks = median(row["seconds"][name]), row["memory"][name]
            line += [f"{seconds:.2f}", f"{row['tokens'] / seconds:,.0f}"]
            line += [f"{row['floor_seconds'] / seconds:.0%}"] if name == OURS else []
            line += [f"{median(more(peaks)):,.0f}"]
            # The peer's process holds ELVA, too, which reads the pairs for it.
            line += [f"{median(run['peak'] for run in peaks):,.0f}"] if name == OURS else []
        line += [f"{row['ratio']['median']:.2f}", f"{row['ratio']['min']:.2f} to {row['ratio']['max']:.2f}"]
        lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
