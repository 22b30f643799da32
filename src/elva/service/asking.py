"""Queries out of requests: JSON, or a form with files."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from elva.index.condition import parse
from elva.items import Item
from elva.search.query import Query
from elva.service.bodies import ItemBody, SearchBody
from elva.service.errors import Refused
from elva.service.state import State

FIELDS = 100
"""Fields of a form; a query has a tenth of that."""

LISTS = ("minus", "like", "unlike", "grains")
Wanted = TypeVar("Wanted", bound=ItemBody)


async def read(request: Request, body: type[Wanted], state: State) -> tuple[Wanted, Item | None]:
    """The body of a request, sent as JSON or as a form, and the item in it, its picture looked at.

    Raises:
        Refused: 415 for any other kind of body.
        RequestValidationError: a field that is missing, wrong or unknown.
        MediaError: the picture can't be used.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/json":
        asked = _checked(body, await request.body())
        (image,) = await state.pictures.said([asked.image])
    elif kind == "multipart/form-data":
        values, file = await _form(request)
        asked = _checked(body, values)
        (image,) = await state.pictures.said([None if file else asked.image])
        image = await state.pictures.sent(file) if file else image
    else:
        wanted = "send application/json, or multipart/form-data with a file"
        raise Refused(415, "unsupported", f"the body is {kind or 'of no type'}; {wanted}")
    return asked, item_of(asked, image)


def openapi(body: type[ItemBody]) -> dict[str, Any]:
    """What OpenAPI says of a body that `read` reads."""
    schema = body.model_json_schema()
    form = {**schema, "properties": {**schema["properties"], "image": {"type": "string", "format": "binary"}}}
    content = {"application/json": {"schema": schema}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


def item_of(asked: ItemBody, image: bytes | None) -> Item | None:
    """The item that a body speaks of; None where it has neither words nor a picture."""
    text = asked.text if asked.text and asked.text.strip() else None
    return Item(text, image, asked.instruction or None) if text or image else None


def query_of(asked: SearchBody, item: Item | None, state: State) -> Query:
    """The query that a body asks.

    Raises:
        ConditionError: the condition can't be read, or names an unknown field.
        InputError: see `Query`.
    """
    return Query(
        item,
        tuple(Item(each) for each in asked.minus),
        tuple(asked.like),
        tuple(asked.unlike),
        parse(asked.where, state.index.fields()) if asked.where and asked.where.strip() else None,
        asked.match or None,
        asked.top,
        asked.rerank,
        asked.fold,
        asked.hybrid,
    )


async def _form(request: Request) -> tuple[dict[str, Any], bytes | None]:
    """The fields of a form, and the file `image`."""
    try:
        form = await request.form(max_files=1, max_fields=FIELDS)
    except MultiPartException as error:
        raise Refused(400, "bad_form", error.message) from error
    values: dict[str, Any] = {}
    file: bytes | None = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != "image":
                raise Refused(422, "unknown_file", f"a file is called {name!r}; call it image", name)
            file = await value.read()
        elif name in LISTS:
            values.setdefault(name, []).append(value)
        else:
            values[name] = value
    return values, file


def _checked(body: type[Wanted], value: bytes | dict[str, Any]) -> Wanted:
    try:
        return body.model_validate_json(value) if isinstance(value, bytes) else body.model_validate(value)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from error
