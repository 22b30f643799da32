"""What every request passes: whom it is addressed to, whether it may ask, how long it is; and what is noted of it."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from elva.service.errors import Refused, problem
from elva.service.state import GONE, State

log = logging.getLogger("elva.service")

OPEN = ("/", "/health")
"""Paths that need no token, besides those of the page: nothing of the index is in them but its size."""

DIGITS = 18
"""Of a length; python refuses to read numbers of thousands."""

PAGE = "/page/"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Gate:
    """The outermost part of the service."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        """Stand before `app`."""
        self._app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        start, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith(PAGE):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refused(scope)
        try:
            if refused is not None:
                response = problem(refused.status_code, refused.code, str(refused.detail), None, refused.headers)
                await response(scope, receive, noting)
            else:
                await self._app(scope, self._counted(receive), noting)
        except ClientDisconnect:  # in the middle of the body
            status = GONE
        finally:
            self._note(scope, status, time.perf_counter() - start)

    def _refused(self, scope: Scope) -> Refused | None:
        headers, settings = Headers(scope=scope), self._state.settings
        if settings.hosts and _host(headers.get("host", "")) not in settings.hosts:
            return Refused(421, "wrong_host", f"this service answers to {', '.join(settings.hosts)} only")
        if headers.get("sec-fetch-site") == "cross-site" and scope["path"] != "/":
            return Refused(403, "cross_site", "other sites may link to this one, and not ask it")
        if settings.token and not self._is_open(scope["path"]):
            sent = headers.get("authorization", "")
            if not hmac.compare_digest(sent.encode("utf-8", "replace"), f"Bearer {settings.token}".encode()):
                challenge = {"WWW-Authenticate": 'Bearer realm="elva"'}
                return Refused(401, "unauthorized", "send the token: Authorization: Bearer ...", headers=challenge)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > DIGITS:
            return Refused(400, "bad_length", "Content-Length is no number")
        return self._too_large() if int(length) > settings.limits.body else None

    def _is_open(self, path: str) -> bool:
        return path in OPEN or path.startswith(PAGE)

    def _too_large(self) -> Refused:
        return Refused(413, "too_large", f"the request has more than {self._state.settings.limits.body:,} bytes")

    def _counted(self, receive: Receive) -> Receive:
        """`receive`, until a body that did not tell its length is too long, or one that trickles in takes too long."""
        limits = self._state.settings.limits
        left, until, more = limits.body, time.monotonic() + limits.patience, True

        async def counting() -> Message:
            nonlocal left, more
            if not more:  # what is waited for now is that the client goes
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), until - time.monotonic())
            except TimeoutError:
                late = f"the request did not arrive within {limits.patience:g} seconds"
                raise Refused(408, "too_slow", late, headers={"Connection": "close"}) from None
            left, more = left - len(message.get("body", b"")), message.get("more_body", False)
            if left < 0:
                raise self._too_large()
            return message

        return counting

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = f"{PAGE}*" if scope["path"].startswith(PAGE) else getattr(scope.get("route"), "path", "unmatched")
        self._state.metrics.answered(route, status, seconds)
        line = {"method": scope["method"], "route": route, "status": status, "ms": round(seconds * 1000, 1)}
        if self._state.settings.log_queries:
            line |= {"path": scope["path"], "query": scope["query_string"].decode("latin-1")}
        log.info(json.dumps(line))


def _host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:  # brackets that hold no address
        return ""
