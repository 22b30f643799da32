"""The routes that show what is indexed: /items with their pictures, /about."""

from __future__ import annotations

import re
from bisect import bisect_right
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.convertors import PathConvertor, register_url_convertor

from elva.errors import MediaError
from elva.index.protocol import Entry, Index, image_path
from elva.media import load_image
from elva.search.facets import facets
from elva.service.bodies import About, FacetRow, Id, ItemsAnswer, Row
from elva.service.errors import Refused, refusals
from elva.service.searching import row_of
from elva.service.state import Opened, State

SIDE = 256
"""Pixels of the longer side of a thumbnail that the index doesn't hold."""

SAMPLES = 6
EXAMPLES = 4
WORDS = 16
"""Words of an example query."""

JOINING = re.compile(
    r"(?:[\s,;:]+(?:of|on|in|with|above|below|left|right|and|at|near|under|over|behind|beside|by|to|for|an?|the))*[\s,;:]*$",
    re.IGNORECASE,
)
"""Words that a summary is not cut behind, or it would end in the middle of saying something."""

SIGNATURES = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"GIF8", "image/gif"), (b"BM", "image/bmp"))
KEPT = {"Cache-Control": "private, max-age=600"}


class _Id(PathConvertor):
    """Any id in a path; the names of files may hold line breaks."""

    regex = "(?s:.*)"


register_url_convertor("id", _Id())


def routes(state: State) -> APIRouter:
    """The routes."""
    router = APIRouter()
    pictures: dict[int | str, dict[str, Any]] = {200: {"content": {"image/*": {}}, "description": "The picture."}}

    @router.get("/about", responses=refusals())
    def about() -> About:
        """What the index holds and what can be asked of it."""
        return state.about

    @router.get("/items", responses=refusals(404))
    def items(
        ids: Annotated[list[Id], Query(max_length=100)] = [],  # noqa: B006
        after: Annotated[str | None, Query(max_length=4_096)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> ItemsAnswer:
        """These items, or the first ones behind an id."""
        opened, wanted = state.opened, ids
        if not ids:
            start = bisect_right(opened.ids, after) if after is not None else 0
            wanted = list(opened.ids[start : start + limit])
        rows = [Row(**row_of(each)) for each in opened.searcher.index.get(wanted)]
        more = not ids and bool(wanted) and wanted[-1] != opened.ids[-1]
        return ItemsAnswer(items=rows, total=len(opened.ids), next=wanted[-1] if more else None)

    @router.get("/items/{id:id}/thumbnail", responses=refusals(404) | pictures, response_class=Response)
    def thumbnail(id: str) -> Response:
        """A small picture of an item."""
        index = state.index
        return _picture(index.thumbnail(id) or _thumbnail(index, id))

    @router.get("/items/{id:id}/image", responses=refusals(404) | pictures, response_class=Response)
    def image(id: str) -> Response:
        """The picture of an item, as it lies on the disk."""
        path = _path(state.index, id)
        try:
            return _picture(path.read_bytes())
        except OSError:
            raise Refused(404, "image_gone", f"the picture of {id!r} is gone; its thumbnail may be there") from None

    @router.get("/items/{id:id}", responses=refusals(404))
    def item(id: str) -> Row:
        """One item."""
        return Row(**row_of(state.index.get([id])[0]))

    return router


def about(opened: Opened, state: State) -> About:
    """What /about says of a version. Reads a good part of the index: once for each."""
    index, ids, stats = opened.searcher.index, opened.ids, opened.stats
    step = max(1, len(ids) // SAMPLES)
    samples = index.get(ids[step // 2 :: step][:SAMPLES])
    return About(
        name=state.settings.name,
        model=stats.model.name,
        extraction=stats.model.extraction,
        dimension=stats.model.dimension,
        items=stats.items,
        images=stats.images,
        version=stats.version,
        can_rerank=opened.searcher.scorer is not None,
        can_explain=opened.inspector is not None,
        can_lack=state.lacking is not None,
        characters=state.settings.limits.characters,
        body=state.settings.limits.body,
        top=state.settings.limits.top,
        facets=[
            FacetRow(name=each.name, values=list(each.values), low=each.low, high=each.high) for each in facets(index)
        ],
        fields=list(index.fields()),
        samples=[Row(**row_of(each)) for each in samples],
        examples=_examples(samples),
    )


def _examples(entries: list[Entry]) -> list[str]:
    """Queries that an index can answer: the beginnings of what the model, or else a person, wrote of some items."""
    found = (_beginning(each.summary or each.text or "") for each in entries)
    return list(dict.fromkeys(each for each in found if each))[:EXAMPLES]


def _beginning(text: str) -> str:
    return JOINING.sub("", " ".join(text.split(".")[0].split()[:WORDS]), count=1)


def _path(index: Index, id: str) -> Path:
    path = image_path(index, index.get([id])[0])
    if path is None:
        raise Refused(404, "no_image", f"{id!r} is a text")
    return path


def _thumbnail(index: Index, id: str) -> bytes:
    path = _path(index, id)
    try:
        picture = load_image(path)
    except MediaError:
        raise Refused(404, "image_gone", f"the picture of {id!r} is gone") from None
    picture.thumbnail((SIDE, SIDE))
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _picture(data: bytes) -> Response:
    """Bytes as a picture of the kind that they are; a browser is never told to take them for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Response(data, media_type="image/webp", headers=KEPT)
    kind = next((kind for start, kind in SIGNATURES if data.startswith(start)), "application/octet-stream")
    return Response(data, media_type=kind, headers=KEPT)
