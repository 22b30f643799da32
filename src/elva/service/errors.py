"""Every error of the service has one shape, `{"error": {"code", "message", "field"?}}`, and a status that is meant."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException as AnyHTTPException

from elva.errors import ElvaError, MediaTooLarge, StoreError
from elva.index.folder import FolderError
from elva.index.protocol import UnknownItem

log = logging.getLogger("elva.service")


class Fault(BaseModel):
    """What went wrong."""

    code: str
    message: str
    field: str | None = None


class Problem(BaseModel):
    """The body of every answer that is no success."""

    error: Fault


class Refused(HTTPException):
    """An answer that is no success, on purpose."""

    def __init__(
        self, status: int, code: str, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Keep what the body says beside the status."""
        super().__init__(status, message, dict(headers or {}))
        self.code, self.field = code, field


class PlainJson(JSONResponse):
    """JSON in ASCII: half a character that a client sent can be told back without an error of its own."""

    def render(self, content: Any) -> bytes:
        """The bytes of the body."""
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


CODES = {400: "bad_request", 401: "unauthorized", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of a route's errors, beside those that every route has."""
    return {status: {"model": Problem} for status in sorted({400, 401, 413, 422, 503, *statuses})}


def add_to(app: FastAPI) -> None:
    """Answer every error that a request can cause in the one shape."""

    @app.exception_handler(AnyHTTPException)
    async def refused(request: Request, error: AnyHTTPException) -> PlainJson:
        code = error.code if isinstance(error, Refused) else CODES.get(error.status_code, "refused")
        field = error.field if isinstance(error, Refused) else None
        return problem(error.status_code, code, str(error.detail), field, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> PlainJson:
        first = error.errors()[0]
        place = [str(each) for each in first.get("loc", ()) if each not in ("body", "query", "path")]
        return problem(422, "invalid", first["msg"], ".".join(place) or None)

    @app.exception_handler(ElvaError)
    async def unusable(request: Request, error: ElvaError) -> PlainJson:
        return told(error)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> PlainJson:
        return problem(500, "bug", "this is a fault of the service, not of the request; its log holds the trace")


def told(error: ElvaError) -> PlainJson:
    """What a user's mistake is answered with."""
    if isinstance(error, FolderError | StoreError):  # it names places of ours, and a client can mend nothing there
        log.error("the index can't be read: %s", error)
        return problem(503, "index_unreadable", "the index can't be read at present; its keeper finds why in the log")
    if isinstance(error, UnknownItem):
        return problem(404, "unknown_item", str(error))
    if isinstance(error, MediaTooLarge):
        return problem(413, "image_too_large", str(error))
    return problem(422, "unusable", str(error))


def problem(
    status: int, code: str, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
) -> PlainJson:
    """An error as a response."""
    fault = {"code": code, "message": message} | ({"field": field} if field else {})
    return PlainJson({"error": fault}, status, dict(headers or {}))
