"""`elva evaluate vcr-bench`: whether the steps of a model's reasoning about videos are right."""

from __future__ import annotations

import os
from contextlib import nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elva.cli.evaluating.answering import AnswerMissing, BatchSize, DrawSeed, FramesOption, MaxNewTokens, Temperature
from elva.cli.evaluating.options import Out
from elva.cli.options import Device, ImageCache, Precision, PrecisionOption, Threads, Watching, load_embedder
from elva.evaluation.table import warning
from elva.reasoning.vcr_bench.reading import FRAMES

if TYPE_CHECKING:
    from elva.reasoning.vcr_bench.run import JudgeWith


class JudgeName(StrEnum):
    """Judges that need no model."""

    rules = "rules"


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command("vcr-bench")(evaluate)


def evaluate(
    root: Annotated[
        Path, typer.Argument(help="Folder of the download; docs/reasoning.md has its layout.", show_default=False)
    ],
    out: Out,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Checkpoint folder (RUN/model), or a packaged model.", show_default=False),
    ] = None,
    responses: Annotated[
        Path | None,
        typer.Option(help="Judge these instead: the published list with `response` added.", show_default=False),
    ] = None,
    judge: Annotated[
        JudgeName | None,
        typer.Option(help="rules: compares words; to see a run through, no judge of free text.", show_default=False),
    ] = None,
    judge_url: Annotated[
        str | None,
        typer.Option(
            help="Address of an OpenAI-compatible server that judges, as http://localhost:8000/v1.", show_default=False
        ),
    ] = None,
    judge_model: Annotated[
        str | None, typer.Option(help="Name of the model at that address.", show_default=False)
    ] = None,
    judge_key: Annotated[
        str | None, typer.Option(help="Name of the environment variable that holds its key.", show_default=False)
    ] = None,
    max_new_tokens: MaxNewTokens = 1024,
    temperature: Temperature = 0.0,
    seed: DrawSeed = 0,
    frames: FramesOption = FRAMES,
    batch_size: BatchSize = 8,
    skip_missing: AnswerMissing = False,
    image_cache: ImageCache = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Judge the steps of a model's reasoning about videos: VCR-Bench, or the built-in world's questions in its format.

    The model solves each question step by step. A judge says which steps of the reference it has (recall) and which of
    its own are right (precision); their F1 is the CoT score. Tells it beside the accuracy of the answers, by dimension
    and duration, with what the published scripts would make of the same replies.

    A judge is a model at an address (--judge-url), or rules (--judge rules). Responses and replies are kept in
    OUT.answers.jsonl as they come: a killed command goes on.

    Examples:

        elva evaluate vcr-bench data/VCR-Bench --model runs/grpo/model --judge-url http://localhost:8000/v1 --judge-model qwen3-32b --out vcr
        elva evaluate vcr-bench data/VCR-Bench --responses theirs.json --judge-url https://api.openai.com/v1 --judge-model gpt-4o --judge-key OPENAI_API_KEY --out vcr
        elva evaluate vcr-bench demo/world/reasoning/vcr-bench --model runs/grpo/model --judge rules --max-new-tokens 96 --out vcr
    """  # noqa: E501  # commands of one line can be copied
    if (model is None) == (responses is None):
        raise typer.BadParameter("give --model MODEL or --responses FILE, one of them")
    judge_with = _judge(judge, judge_url, judge_model, judge_key)
    from elva.reasoning.asking import Checkpoint, Decoding
    from elva.reasoning.vcr_bench.run import evaluate as evaluate_source

    loaded = responses or Checkpoint(load_embedder(str(model), threads, device, image_cache, precision), batch_size)
    with Watching() as watch:
        row = evaluate_source(
            root,
            loaded,
            judge_with,
            out=out,
            decoding=Decoding(max_new_tokens, temperature, seed),
            frames=frames,
            skip_missing=skip_missing,
            watch=watch,
        )
    typer.echo((out / "table.md").read_text(encoding="utf-8"))
    for each in row["warnings"]:
        typer.echo(f"warning: {warning(each)}", err=True)


def _judge(judge: JudgeName | None, url: str | None, model: str | None, key: str | None) -> JudgeWith:
    """The judge that the options name."""
    if (url is None) != (model is None):
        raise typer.BadParameter("give --judge-url URL and --judge-model NAME together")
    if (judge is None) == (url is None):
        raise typer.BadParameter("give --judge rules, or --judge-url URL with --judge-model NAME, one of them")
    if key is not None and not os.environ.get(key):
        raise typer.BadParameter(f"--judge-key {key}: there is no such environment variable, or it is empty")
    if url is None or model is None:
        from elva.reasoning.vcr_bench.rules import RuleJudge

        return lambda kept: nullcontext(RuleJudge())
    from elva.reasoning.vcr_bench.served_judge import EndpointJudge
    from elva.served.endpoint import Endpoint

    endpoint = Endpoint(url, model, key=os.environ[key] if key else None)
    return partial(EndpointJudge.keeping, endpoint)
