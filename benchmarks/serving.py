"""`elva serve` in a process of its own, asked over the loopback: what HTTP adds, what it bears, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from elva.items import Item
from elva.search.query import Query
from elva.search.searcher import Searcher
from interleaved import Latencies, latencies, percentiles

HOST = "127.0.0.1"
RESULTS = 10
STARTING = 120
"""Seconds that a service has to begin."""
IDLE = 2
"""Seconds after which a connection counts as closed. The service keeps one for five, and on a busy machine the search
beside it may take longer."""
IN_PROCESS, OVER_HTTP = "in process", "over HTTP"


@dataclass
class Served:
    """A running service: process, port, the file of what it says, and the statuses of its answers to searches."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    answers: list[int] = field(default_factory=list)

    def get(self, path: str) -> bytes:
        """What a route answers."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}") as answer:
            content: bytes = answer.read()
            return content

    def noted(self) -> Counter[int]:
        """Status -> how many searches the service noted, from its log."""
        lines = re.findall(r"elva\.service (\{.*\})", self.log.read_text("utf-8"))
        return Counter(row["status"] for row in map(json.loads, lines) if row["route"] == "/search")


@contextmanager
def served(index: Path, log: Path) -> Iterator[Served]:
    """Start `elva serve` and wait for it; it is killed at the end if it still runs."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "elva", "serve", str(index), "--port", str(port)]
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=os.environ)
    service = Served(process, port, log)
    try:
        _await(service)
        yield service
    finally:
        process.kill()
        process.wait()


def _await(service: Served) -> None:
    until = time.monotonic() + STARTING
    while time.monotonic() < until and service.process.poll() is None:
        try:
            service.get("/health")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"the service never answered: {service.log.read_text('utf-8')}")


class Client:
    """One connection that is kept, and made anew where it lay idle for so long that the service may have closed it."""

    def __init__(self, service: Served) -> None:
        self._service, self._connection = service, HTTPConnection(HOST, service.port)
        self._used = time.monotonic()

    def search(self, **asked: Any) -> tuple[int, bytes]:
        """Status and body of a search."""
        body = json.dumps({**asked, "top": RESULTS}).encode()
        if time.monotonic() - self._used > IDLE:
            self._connection.close()  # the next request opens it
        self._connection.request("POST", "/search", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        self._used = time.monotonic()
        self._service.answers.append(answer.status)
        return answer.status, content

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


def beside_in_process(service: Served, searcher: Searcher, texts: Sequence[str], repeats: int) -> dict[str, Latencies]:
    """Latencies of words, which the model reads, and of "like this item", which it doesn't, with and without HTTP."""
    client = Client(service)
    ids = [hit.hit.entry.id for hit in searcher.search([Query(Item(texts[0]), top=len(texts))])[0].results]
    kinds = {
        "words": {
            IN_PROCESS: lambda text: _ids(searcher.search([Query(Item(text), top=RESULTS)])[0].results),
            OVER_HTTP: lambda text: _received(*client.search(text=text)),
        },
        "like an item": {
            IN_PROCESS: lambda item: _ids(searcher.search([Query(like=(item,), top=RESULTS)])[0].results),
            OVER_HTTP: lambda item: _received(*client.search(like=[item])),
        },
    }
    taken = {}
    for (kind, works), inputs in zip(kinds.items(), (texts, ids), strict=True):
        if works[IN_PROCESS](inputs[0]) != works[OVER_HTTP](inputs[0]):
            raise SystemExit(f"{kind}: the service answers otherwise than the searcher")
        taken[kind] = latencies(works, inputs, repeats)
    client.close()
    return taken


def _ids(results: Sequence[Any]) -> list[str]:
    return [each.hit.entry.id for each in results]


def _received(status: int, body: bytes) -> list[str]:
    if status != 200:
        raise SystemExit(f"the service answered {status}: {body.decode()}")
    return [each["id"] for each in json.loads(body)["results"]]


def loaded(service: Served, clients: int, seconds: float, texts: Sequence[str]) -> dict[str, Any]:
    """Clients that each ask again as soon as they are answered, for so long."""
    taken: list[float] = []
    statuses: Counter[int] = Counter()
    before, started = _batches(service), time.perf_counter()

    def ask(number: int) -> None:
        client = Client(service)
        for text in islice(cycle(texts), number, None):
            sent = time.perf_counter()
            if sent - started > seconds:
                break
            status, _ = client.search(text=text)
            taken.append(time.perf_counter() - sent)
            statuses[status] += 1
        client.close()

    _together(ask, clients)
    took, (requests, forwards) = time.perf_counter() - started, _batches(service)
    return {
        "requests": len(taken),
        "per_second": len(taken) / took,
        "milliseconds": percentiles([taken]),
        "statuses": dict(statuses),
        "requests_per_forward": (requests - before[0]) / max(1, forwards - before[1]),
    }


def _batches(service: Served) -> tuple[float, float]:
    """Requests that went through the model so far, and in how many forwards."""
    page = service.get("/metrics").decode()
    names = ("elva_batch_requests_sum", "elva_batch_requests_count")
    requests, forwards = (float(re.findall(rf"^{name} (\S+)$", page, re.MULTILINE)[0]) for name in names)
    return requests, forwards


def stopped(service: Served, clients: int, seconds: float, texts: Sequence[str]) -> dict[str, Any]:
    """Tell the service to stop while so many clients ask, each time by a new connection, until none is taken.

    All searches that the service noted in its life must have reached a client: `lost` is what did not. A connection
    that the system had taken and the service not yet is `never_read`: nothing of it was accepted.
    """
    before, unanswered = len(service.answers), list[Exception]()

    def ask(number: int) -> None:
        for text in islice(cycle(texts), number, None):
            client = Client(service)
            try:
                client.search(text=text)
            except ConnectionRefusedError:
                return
            except (OSError, HTTPException) as error:
                unanswered.append(error)
            finally:
                client.close()

    timer = threading.Timer(seconds, service.process.send_signal, [signal.SIGTERM])
    timer.start()
    _together(ask, clients)
    code = service.process.wait(STARTING)
    lost = (service.noted() - Counter(service.answers)).total()
    return {
        "clients": clients,
        "answered": dict(Counter(service.answers[before:])),
        "lost": lost,
        "never_read": len(unanswered) - lost,
        "exit_status": code,
    }


def _together(ask: Any, clients: int) -> None:
    threads = [threading.Thread(target=ask, args=[number]) for number in range(clients)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
