"""`elva evaluate mbeir`: a model on data in the M-BEIR layout."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from elva.cli.evaluating.telling import tell_warnings
from elva.cli.options import (
    Datasets,
    Device,
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
    Watching,
    check_rerank,
    instruction_choice,
    load_embedder,
    load_reranker,
    load_workers,
)

if TYPE_CHECKING:
    from elva.evaluation.judging import Results


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("mbeir")(evaluate)


def evaluate(
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder to write.", show_default=False)],
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
    vectors: Annotated[Path | None, typer.Option(help="Folder made by `elva embed`.", show_default=False)] = None,
    cache: VectorCacheOption = None,
    processes: Processes = 1,
    depth: Annotated[int, typer.Option(help="Length of the lists in runs/; MRR is 0 below.", min=10)] = 100,
    rerank: Rerank = None,
    rerank_model: RerankModel = None,
    rerank_mode: RerankModeOption = RerankMode.likelihood,
    rerank_cosine: RerankCosine = 100.0,
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
    if vectors is not None and cache is not None:
        raise typer.BadParameter("give --vectors or --cache, not both")
    encoders: AbstractContextManager[Any] = (
        load_workers(model, processes, threads, device, image_cache, precision)
        if model is not None and processes > 1
        else nullcontext(load_embedder(model, threads, device, image_cache, precision) if model else None)
    )
    from elva.evaluation.mbeir import evaluate as evaluate_model
    from elva.evaluation.scored import evaluate_scores

    with encoders as encoder, Watching() as watch:
        judge: Callable[..., Results] = partial(evaluate_model, root, encoder, pool=pool.value)
        if scores is not None:
            judge = partial(evaluate_scores, root, scores, encoder)
        elif rerank is not None:
            from elva.evaluation.reranked import evaluate_reranked

            scorer = load_reranker(rerank_mode, encoder, rerank_model, device, precision, image_cache)
            judge = partial(evaluate_reranked, root, encoder, scorer, top=rerank, cosine=rerank_cosine)
        results = judge(
            out=out,
            split=split,
            datasets=datasets or (),
            tasks=tasks or (),
            instruction_choice=choice,
            skip_bad_rows=skip_bad_rows,
            vectors=vectors,
            cache=cache,
            depth=depth,
            watch=watch,
        )
    typer.echo((out / "table.md").read_text(encoding="utf-8"))
    tell_warnings(results.row)
    without = sum(task["without_qrels"] for task in results.row["tasks"].values())
    if without:
        typer.echo(f"{without:,} queries that the qrels files lack were judged by their own positives.")
    skipped = results.row["counts"]["skipped_rows"]
    if skipped:
        typer.echo(f"{skipped:,} bad rows were left out; results.json says in which files.")
    if "rerank" in results.row:
        _tell_reranking(results)
    missing = results.row.get("queries_without_scores")
    if missing:
        typer.echo(f"{missing:,} queries without scores were ranked by the model alone.")


def _tell_reranking(results: Results) -> None:
    told, seconds = results.row["rerank"], results.rerank_seconds
    queries = sum(task["queries"] for task in results.row["tasks"].values())
    typer.echo(
        f"Reranking took {seconds:.1f} seconds: {told['pairs']:,} candidates of {queries:,} queries, "
        f"{1000 * seconds / max(1, queries):.1f} ms a query."
    )
    if told["queries_left"]:
        typer.echo(f"{told['queries_left']:,} queries had no words to score by and were left as they were.")
