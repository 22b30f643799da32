"""The routes for who runs the service: /health, /metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from elva.service.bodies import Health
from elva.service.errors import refusals
from elva.service.state import State


def routes(state: State) -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.get("/health", responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        """Whether requests are taken: 503 while the service starts or stops. Needs no token."""
        ready, stats = state.batcher.ready, state.opened.stats
        response.status_code = 200 if ready else 503
        return Health(
            ready=ready,
            model=stats.model.name,
            items=stats.items,
            version=stats.version,
            waiting=state.batcher.waiting,
        )

    @router.get("/metrics", responses=refusals(), response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """Counters for Prometheus."""
        return PlainTextResponse(state.metrics.text(state.batcher.waiting, state.opened.stats.items))

    return router
