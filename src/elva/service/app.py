"""The service put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio.to_thread import run_sync
from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from elva import __version__
from elva.search.searcher import Searcher
from elva.service import embedding, errors, items, searching, watching
from elva.service.gate import Gate
from elva.service.newer import Newer, keep_newest
from elva.service.state import Explains, Lacks, Opened, Parts, Settings, State

PAGE = Path(__file__).parent / "page"


def create_app(
    searcher: Searcher,
    settings: Settings | None = None,
    inspector: Explains | None = None,
    lacking: Lacks | None = None,
    newer: Newer | None = None,
) -> FastAPI:
    """The application.

    Args:
        searcher: model and index, and the reranker if there is one.
        settings: how it is run.
        inspector: takes queries apart; without one, /explain says that there is none.
        lacking: tells what results lack; without one, /lacking says so.
        newer: gives newer versions of the index; without one, what is served stays as it is.
    """
    state = State(settings or Settings(), lacking)
    first = [(searcher, inspector)]  # taken out, so that nothing keeps its version of the index when a newer one comes

    def take(parts: Parts) -> None:
        opened = Opened.of(*parts)
        state.about = items.about(opened, state)
        state.opened = opened

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        if first:
            await run_sync(take, first.pop())
        looking = asyncio.create_task(keep_newest(newer, take)) if newer else None
        async with state.batcher:
            yield
            if looking:
                looking.cancel()

    # FastAPI's own pages of documentation come from a CDN.
    app = FastAPI(title="ELVA", version=__version__, lifespan=life, docs_url=None, redoc_url=None)
    errors.add_to(app)
    for module in (searching, items, embedding, watching):
        app.include_router(module.routes(state))

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    app.add_middleware(Gate, state=state)
    app.state.elva = state
    return app
