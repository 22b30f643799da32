"""The routes that give vectors: /embed, and /v1/embeddings in OpenAI's manner."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request

from elva.errors import ItemError
from elva.items import Item
from elva.service.asking import item_of
from elva.service.bodies import (
    EmbedAnswer,
    EmbedBody,
    Embedding,
    EmbeddingsAnswer,
    EmbeddingsBody,
    ItemBody,
    Part,
)
from elva.service.errors import Refused, refusals
from elva.service.state import State


def routes(state: State) -> APIRouter:
    """The routes."""
    router = APIRouter()

    async def items_of(bodies: Sequence[ItemBody]) -> list[Item]:
        images = await state.pictures.said([each.image for each in bodies])
        found = [item_of(each, image) for each, image in zip(bodies, images, strict=True)]
        items = [each for each in found if each is not None]
        if len(items) < len(found):
            raise ItemError("an item has neither text nor image; give one of them")
        return items

    @router.post("/embed", responses=refusals(429))
    async def embed(request: Request, body: EmbedBody) -> EmbedAnswer:
        """Embed items: unit vectors, and what the model wrote about each."""
        items = await items_of(body.items)
        vectors, summaries, encoding = await state.ask(request, "embed", items)
        return EmbedAnswer(
            model=state.opened.searcher.encoder.name,
            vectors=vectors.tolist(),
            summaries=summaries,
            forced_ret=encoding.forced_ret,
            truncated=encoding.truncated,
        )

    @router.post("/v1/embeddings", responses=refusals(404, 429))
    async def embeddings(request: Request, body: EmbeddingsBody) -> EmbeddingsAnswer:
        """Embed texts and images, for clients that speak to OpenAI."""
        encoder = state.opened.searcher.encoder
        name, dimension = encoder.name, encoder.dimension
        if body.model is not None and body.model != name:
            raise Refused(404, "unknown_model", f"the model here is {name}, and no other is served", "model")
        if body.dimensions not in (None, dimension):
            raise Refused(422, "dimensions", f"vectors have {dimension} dimensions and can't be cut", "dimensions")
        inputs = [body.input] if isinstance(body.input, str) else body.input
        items = await items_of([_said(each) for each in inputs])
        vectors, _, _ = await state.ask(request, "embed", items)
        data = [Embedding(index=i, embedding=_written(each, body)) for i, each in enumerate(vectors)]
        return EmbeddingsAnswer(data=data, model=name)

    return router


def _said(given: str | list[Part]) -> ItemBody:
    if isinstance(given, str):
        return ItemBody(text=given)
    texts = [each.text for each in given if each.type == "text"]
    images = [each.image_url for each in given if each.type == "image_url"]
    if len(texts) > 1 or len(images) > 1:
        raise Refused(422, "parts", "an input has two parts of one type; give one text and one image", "input")
    return ItemBody(text=texts[0] if texts else None, image=images[0] if images else None)


def _written(vector: Any, body: EmbeddingsBody) -> list[float] | str:
    if body.encoding_format == "base64":
        return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()
    numbers: list[float] = vector.tolist()
    return numbers
