"""The routes that ask: /search, /explain."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from elva.index.protocol import Entry
from elva.search.query import Answer
from elva.search.query import Query as Asked
from elva.service.asking import item_of, openapi, query_of, read
from elva.service.bodies import (
    Copy,
    ExplainBody,
    Id,
    LackingAnswer,
    LackingBody,
    ResultRow,
    SearchAnswer,
    SearchBody,
    Text,
)
from elva.service.errors import Refused, refusals
from elva.service.limits import LIMITS
from elva.service.state import State


def routes(state: State) -> APIRouter:
    """The routes."""
    router = APIRouter()

    async def answered(request: Request, query: Asked) -> SearchAnswer:
        answer, version = await state.ask(request, "search", query)
        return _answer(answer, version)

    @router.post("/search", responses=refusals(404, 415, 429), openapi_extra=openapi(SearchBody))
    async def search(request: Request) -> SearchAnswer:
        """Search with words, an image, indexed items, or several of them; as JSON, or as a form with a file."""
        asked, item = await read(request, SearchBody, state)
        return await answered(request, query_of(asked, item, state))

    @router.get("/search", responses=refusals(404, 429))
    async def search_by_link(
        request: Request,
        q: Annotated[str | None, Query(max_length=LIMITS.characters)] = None,
        minus: Annotated[list[Text], Query(max_length=LIMITS.parts)] = [],  # noqa: B006
        like: Annotated[list[Id], Query(max_length=LIMITS.parts)] = [],  # noqa: B006
        unlike: Annotated[list[Id], Query(max_length=LIMITS.parts)] = [],  # noqa: B006
        where: Annotated[str | None, Query(max_length=LIMITS.characters)] = None,
        match: Annotated[str | None, Query(max_length=LIMITS.characters)] = None,
        hybrid: bool = False,
        top: Annotated[int, Query(ge=1, le=LIMITS.top)] = 24,
        rerank: Annotated[int | None, Query(ge=1, le=LIMITS.rerank)] = None,
        fold: bool = True,
    ) -> SearchAnswer:
        """The same for links: a query without an image."""
        asked = SearchBody(
            text=q,
            minus=minus,
            like=like,
            unlike=unlike,
            where=where,
            match=match,
            hybrid=hybrid,
            top=top,
            rerank=rerank,
            fold=fold,
        )
        return await answered(request, query_of(asked, item_of(asked, None), state))

    @router.post("/explain", responses=refusals(404, 415, 429), openapi_extra=openapi(ExplainBody))
    async def explain(request: Request) -> dict[str, Any]:
        """Which parts of a query the model listens to, and how the results change without each."""
        if state.opened.inspector is None:
            raise Refused(404, "no_inspector", "this service explains no queries")
        asked, item = await read(request, ExplainBody, state)
        if item is None:
            raise Refused(422, "empty", "the query asks for nothing; give words or an image")
        explanation = await state.ask(request, "explain", (item, asked.top, asked.grains))
        row: dict[str, Any] = explanation.to_row()
        return row

    @router.post("/lacking", responses=refusals(404, 429))
    async def lacking(request: Request, body: LackingBody) -> LackingAnswer:
        """Which words of a text each result lacks, beside the other results: those far below 0."""
        if state.lacking is None:
            raise Refused(404, "no_likelihoods", "this service reads no results")
        if any(not 0 <= start < end <= len(body.text) for start, end in body.spans):
            raise Refused(422, "span", "a span lies outside the text, or is empty", "spans")
        return LackingAnswer(nats=await state.ask(request, "lack", (body.text, body.spans, body.ids)))

    return router


def row_of(entry: Entry) -> dict[str, Any]:
    """What a client learns of an entry; where its picture lies is none of it."""
    return {
        "id": entry.id,
        "text": entry.text,
        "summary": entry.summary,
        "metadata": dict(entry.metadata),
        "image": entry.image is not None,
    }


def _answer(answer: Answer, version: int) -> SearchAnswer:
    results = [
        ResultRow(
            **row_of(each.hit.entry),
            rank=each.hit.rank,
            score=each.hit.score,
            likelihood=each.likelihood,
            same=[Copy(id=hit.entry.id, score=hit.score) for hit in each.same],
        )
        for each in answer.results
    ]
    return SearchAnswer(
        summary=answer.summary,
        results=results,
        folded=answer.folded,
        notes=list(answer.notes),
        seconds={step: round(seconds, 4) for step, seconds in answer.seconds.items()},
        version=version,
    )
