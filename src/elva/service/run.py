"""Running a service until it is told to stop."""

from __future__ import annotations

import ipaddress
import logging
import socket
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from elva.errors import InputError

GRACE = 60
"""Seconds that accepted requests have to end."""


def loopback(host: str) -> bool:
    """Whether only this machine can reach a host's address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_guarded(host: str, token: str | None, no_token: bool) -> None:
    """Refuse to serve other machines without a token, unless that is wanted.

    Raises:
        InputError: a token that no header can hold, or none.
    """
    if token is not None and (not token.isascii() or not token.isprintable() or not token.strip() or " " in token):
        raise InputError("--token takes letters, digits and signs of ASCII, without spaces")
    if not loopback(host) and not token and not no_token:
        raise InputError(
            f"--host {host} can be reached from other machines: give --token, or --no-token if everyone may search"
        )


def taken(host: str, port: int) -> socket.socket:
    """The address, taken before the seconds that loading a model takes; connections are refused until `serve`.

    Raises:
        InputError: it can't be had.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        at = socket.socket(family, kind, protocol)
        try:
            at.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            at.bind(address)
        except OSError:
            at.close()
            raise
    except OSError as error:
        raise InputError(f"{place} can't be had ({error.strerror}); take another --port, or another --host") from error
    return at


def serve(app: FastAPI, at: socket.socket) -> None:
    """Answer requests at an address until SIGTERM or Ctrl-C; what was accepted by then is finished."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # Its own log of requests would hold their queries.
    config = uvicorn.Config(app, access_log=False, log_config=None, timeout_graceful_shutdown=GRACE)
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # the signal, raised anew when all is done
        server.run([at])
