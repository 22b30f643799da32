"""What runs in the processes that are killed. Only they are changed; nothing here touches the process of the tests."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from crash.dooms import after
from elva.cli import main
from elva.cli.app import USER_ERROR
from elva.errors import ElvaError
from elva.evaluation import embed, mbeir
from elva.index import build
from elva.index.address import Address
from elva.index.sources.choosing import choose_source
from elva.model.embedder import Embedder
from elva.reasoning import asking, evaluation, seed_bench_r1
from elva.training import captioner, contrast, negatives, questions, run, sampling, scenes, unfinished
from elva.training.recipe import load_recipe
from judging import FakeEncoder
from smallest import smallest_embedder

Doom = Callable[[], None]


def train(
    recipe: str, settings: list[str], out: Path, resume: bool, notes: Path | None = None, doom: Doom | None = None
) -> None:
    """Train, with a note of all that is drawn.

    Args:
        recipe: packaged one.
        settings: on top of it.
        out: run folder.
        resume: go on.
        notes: file to append to, see `note_what_is_drawn`.
        doom: prepares how this process ends.
    """
    torch.set_num_threads(1)  # sums come out bit-equal only in one order
    if notes:
        note_what_is_drawn(notes)
    if doom:
        doom()
    run.train(load_recipe(recipe, settings), out, resume)


def elva(arguments: list[str], errors: Connection, doom: Doom | None = None) -> None:
    """The command itself; what it says goes down a pipe, which a full disk doesn't limit."""
    torch.set_num_threads(1)
    os.dup2(errors.fileno(), 2)
    if doom:
        doom()
    sys.argv = ["elva", *arguments]
    main()


def mine(root: Path, model: Path, out: Path, block: int) -> None:
    """Mine in blocks of so many items."""
    torch.set_num_threads(1)
    negatives.BLOCK = unfinished.BLOCK = block
    negatives.mine(root, Embedder.load(model), out, top=6)


def evaluate(root: Path, out: Path, cache: Path, block: int) -> None:
    """Evaluate with a cache that is written in blocks of so many items, with an encoder that costs nothing."""
    embed.BLOCK = block
    mbeir.evaluate(root, FakeEncoder(), out=out, cache=cache)


def answer(root: Path, out: Path, block: int) -> None:
    """Answer questions in blocks of so many, one response drawn for each."""
    torch.set_num_threads(1)
    asking.BLOCK = block
    bench, model = seed_bench_r1.benchmark(root, ["L1"]), asking.Checkpoint(smallest_embedder())
    evaluation.evaluate(bench, model, out=out, decoding=asking.Decoding(8, 1.0))


def index(source: Path, out: Path, store: str, block: int, doom: Doom | None = None) -> None:
    """Index in blocks of so many items, with an encoder that costs nothing; ends as the command would.

    A Milvus Lite lies beside the folder of the index's folder, with a collection for each index that is begun.
    """
    build.BLOCK = block
    if doom:
        doom()
    try:
        beside = out.parent.with_suffix(".db")
        new = store == "milvus" and not out.exists()
        address = Address.checked(str(beside), out, f"run_{os.getpid()}") if new else None
        build.build_index(choose_source(source), FakeEncoder(), out, store=store, address=address)
    except ElvaError as error:
        print(error, file=sys.stderr)
        sys.exit(USER_ERROR)


def save(folder: Path, seeds: list[int], doom: Doom | None = None, rounds: int = 1) -> None:
    """Save the smallest model of each seed, one over the other, so many times."""
    embedders = [smallest_embedder(seed) for seed in seeds]
    if doom:
        doom()
    for embedder in embedders * rounds:
        embedder.save(folder)


def note_what_is_drawn(notes: Path) -> None:
    """From now on one line for each draw: what was drawn for (by step or seed), and a digest of what came out."""
    file = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(drawn_for: str, *drawn: Any) -> None:
        digest = hashlib.sha256(repr(drawn).encode()).hexdigest()
        os.write(file, f"{drawn_for} {digest}\n".encode())

    def of_batch(batch: contrast.Batch, _: Any, step: Any) -> None:
        note(f"batch-{step.number}", batch.queries, batch.candidates, batch.positive.tolist())

    def of_scenes(drawn: list[scenes.Scene], _: Any, step: Any) -> None:
        note(f"scenes-{step.number}", [scene.keys for scene in drawn])

    def of_captions(pairs: Any, _: Any, rng: Any, *__: Any) -> None:
        drawn = [(item.text, item.instruction, str(item.image), text) for item, text in pairs]
        note(f"captions-{rng.bit_generator.state['state']['state']}", drawn)

    def of_questions(drawn: Any, _: Any, number: int) -> None:
        note(f"questions-{number}", [question.key for question in drawn])

    def of_tokens(rollouts: Any, *_: Any, generator: torch.Generator, **__: Any) -> None:
        note(f"tokens-{generator.initial_seed()}", rollouts.tokens.tolist(), rollouts.mask.tolist())

    after(contrast.TripleSource, "batch", of_batch)
    after(contrast.QuerySource, "batch", of_batch)
    after(scenes.SceneSource, "scenes", of_scenes)
    after(captioner.CaptionSet, "draw", of_captions)
    after(questions.QuestionSource, "batch", of_questions)
    after(sampling, "sample", of_tokens)
