"""`elva evaluate mbeir`: a model on data in the M-BEIR layout."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from elva.cli.evaluating.judging import Judge, tell
from elva.cli.evaluating.options import Depth, Out, Vectors, check_kept
from elva.cli.options import (
    Datasets,
    Device,
    Dimensions,
    ExtractionOption,
    ImageCache,
    Instruction,
    Pool,
    PoolOption,
    Precision,
    PrecisionOption,
    Processes,
    Rerank,
    RerankCosine,
    RerankMode,
    RerankModel,
    RerankModeOption,
    Root,
    SkipBadRows,
    Split,
    Tasks,
    Threads,
    VectorCacheOption,
    check_rerank,
    encoding_with,
    instruction_choice,
    load_reranker,
)

if TYPE_CHECKING:
    from elva.evaluation.judging import Results
    from elva.model.embedder import Embedder
    from elva.search.scoring import Scorer


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("mbeir")(evaluate)


def evaluate(
    root: Root,
    out: Out,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Checkpoint folder (RUN/model), or a packaged model: tiny-base. Beside --scores: ranks the rest.",
            show_default=False,
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(help="Rank by this file, such as elva likelihood writes, instead.", show_default=False),
    ] = None,
    split: Split = "test",
    datasets: Datasets = None,
    tasks: Tasks = None,
    instruction: Instruction = "0",
    pool: PoolOption = Pool.local,
    skip_bad_rows: SkipBadRows = False,
    vectors: Vectors = None,
    cache: VectorCacheOption = None,
    processes: Processes = 1,
    depth: Depth = 100,
    rerank: Rerank = None,
    rerank_model: RerankModel = None,
    rerank_mode: RerankModeOption = RerankMode.likelihood,
    rerank_cosine: RerankCosine = None,
    extraction: ExtractionOption = None,
    dimensions: Dimensions = None,
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Judge a model on the built-in world, an import, or M-BEIR itself.

    Tells hit@1, hit@5, hit@10, MRR, and how well it tells each kind of grain. With --scores a file is judged in place
    of a model: candidates that it lacks come behind, in the order of --model if there is one. With --rerank the first
    of each list are scored by a model that reads them with the query in mind.

    Examples:

        elva evaluate mbeir demo/world --model runs/elva/model --out runs/elva/eval
        elva evaluate mbeir demo/world --model tiny-base --dataset mrbench --task 0 --out eval
        elva evaluate mbeir demo/world --model runs/elva/model --pool both --out runs/elva/eval-pools
        elva evaluate mbeir M-BEIR --model runs/elva/model --pool both --cache vectors --processes 8 --out mbeir
        elva evaluate mbeir demo/world --model runs/elva/model --instruction qid --out runs/elva/eval-qid
        elva evaluate mbeir demo/world --scores top.jsonl --model runs/stage2/model --out runs/stage2/eval-reranked
        elva evaluate mbeir demo/world --model runs/elva/model --rerank 50 --out runs/elva/eval-reranked
        elva evaluate mbeir demo/world --model runs/stage2_prefill/model --extraction prefill --out eval-fast
        elva evaluate mbeir demo/world -m runs/two/model --extraction prefill --rerank 10 --rerank-mode vectors --out e
    """
    choice = instruction_choice(instruction)
    if model is None and (scores is None or vectors is not None):
        raise typer.BadParameter("give --model MODEL, or --scores FILE without --vectors")
    check_rerank(rerank, rerank_model)
    if rerank is not None and scores is not None:
        raise typer.BadParameter("give --scores or --rerank, not both")
    if pool is not Pool.local and (scores is not None or rerank is not None):
        raise typer.BadParameter("--pool goes with a model's own ranking: leave out --scores and --rerank")
    if processes > 1 and (model is None or rerank is not None):
        raise typer.BadParameter("--processes embed: give --model, and leave out --rerank")
    check_kept(vectors, cache)
    load = partial(encoding_with, extraction=extraction, dimensions=dimensions)
    encoding = load(model, processes, threads, device, image_cache, precision) if model else nullcontext()
    asked: dict[str, Any] = {
        "split": split,
        "datasets": datasets or (),
        "tasks": tasks or (),
        "instruction_choice": choice,
        "skip_bad_rows": skip_bad_rows,
        "vectors": vectors,
        "cache": cache,
        "depth": depth,
    }
    judge: Judge
    if scores is not None:
        from elva.evaluation.scored import evaluate_scores

        judge = partial(evaluate_scores, root, scores, **asked)
    elif rerank is not None:
        from elva.search.scoring import worth_of

        judge = partial(
            _reranked,
            root,
            lambda encoder: load_reranker(rerank_mode, encoder, rerank_model, device, precision, image_cache),
            top=rerank,
            cosine=worth_of(rerank_mode.value) if rerank_cosine is None else rerank_cosine,
            **asked,
        )
    else:
        from elva.evaluation.mbeir import evaluate as evaluate_model

        judge = partial(evaluate_model, root, pool=pool.value, **asked)
    tell(encoding, judge, out)


def _reranked(root: Path, scorer_of: Callable[[Embedder], Scorer], encoder: Embedder, /, **options: Any) -> Results:
    """The first of each list scored by the model that ranks, or by another one, which is loaded beside it."""
    from elva.evaluation.reranked import evaluate_reranked

    return evaluate_reranked(root, encoder, scorer_of(encoder), **options)
