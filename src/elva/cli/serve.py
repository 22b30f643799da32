"""`elva serve`: a search over HTTP, and its page."""

from __future__ import annotations

import importlib.util
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from elva.cli.options import (
    Device,
    Precision,
    PrecisionOption,
    RerankMode,
    RerankModel,
    RerankModeOption,
    Threads,
    load_reranker,
    load_searching,
)
from elva.errors import MissingExtra

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(serve)


def serve(
    index: Annotated[Path, typer.Argument(help="Folder made by `elva index`.", show_default=False)],
    host: Annotated[str, typer.Option(help="Address to listen at; the default is this machine's alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.", min=1, max=65535)] = 8000,
    token: Annotated[
        str | None,
        typer.Option(help="What clients have to send.", envvar="ELVA_TOKEN", show_default=False),
    ] = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Let everyone search who can reach --host without a token.")
    ] = False,
    log_queries: Annotated[bool, typer.Option("--log-queries", help="Log what is searched by link.")] = False,
    fetch_from: Annotated[
        list[str] | None,
        typer.Option(
            help="Host, or host:port, that requests may name pictures of by address; repeat for more. "
            "Without it nothing is fetched.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Default: the model the index was made with."),
    ] = None,
    rerank_model: RerankModel = None,
    rerank_mode: RerankModeOption = RerankMode.likelihood,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Serve an index: a page to search with, and an API beside it.

    What `elva index` publishes meanwhile is served a moment later. Ctrl-C, or SIGTERM, finishes what was accepted and
    ends.

    Examples:

        elva serve runs/elva/index
        elva serve runs/elva/index --fetch-from images.example.org
        ELVA_TOKEN=... elva serve runs/elva/index --host 0.0.0.0 --port 80
    """
    for package in ("fastapi", "uvicorn", "python_multipart", "httpx"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package.replace("_", "-"), "serve")
    if rerank_mode is RerankMode.vectors:
        raise typer.BadParameter("--rerank-mode vectors: the page tells scores in nats; use elva search")
    from elva.service.fetching import Host
    from elva.service.run import loopback, require_guarded, taken

    require_guarded(host, token, no_token)
    fetched = tuple(map(Host.parse, fetch_from or ()))
    from elva.data.mbeir import read_lexicon
    from elva.encoding import ModelIdentity
    from elva.index.pointer import Pointer
    from elva.index.protocol import Index

    Pointer.read(index)  # a folder that is no index is told before its port is taken
    at = taken(host, port)
    embedder = load_searching(index, model, threads, device, precision)
    scorer = load_reranker(rerank_mode, embedder, rerank_model, device, precision, None)
    from elva.search.inspector import Inspector
    from elva.search.lacking import span_likelihoods
    from elva.search.searcher import Searcher
    from elva.service.app import create_app
    from elva.service.newer import Newer
    from elva.service.run import serve as run
    from elva.service.state import Parts, Settings

    def parts(opened: Index) -> Parts:
        lexicon = read_lexicon(opened.origin.root) if opened.origin.root else None
        return Searcher(embedder, opened, scorer), Inspector(embedder, opened, lexicon=lexicon)

    newer = Newer(index, ModelIdentity.of(embedder), parts)
    searcher, inspector = newer.open()
    hosts = tuple(dict.fromkeys((*LOOPBACK, host))) if loopback(host) else ()
    settings = Settings(index.resolve().name, token, hosts, log_queries, fetch_from=fetched)
    app = create_app(searcher, settings, inspector, partial(span_likelihoods, embedder), newer)
    typer.echo(f"{index}: {len(searcher.index):,} items; search them at http://{_shown(host)}:{port}/ (Ctrl-C ends it)")
    del searcher, inspector  # the app lets go of them when there is a newer version
    run(app, at)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
