"""Pictures by address: fetched from the hosts on the list, and nothing else is reached or told."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from fastapi.testclient import TestClient

from elva.errors import InputError
from elva.media import MediaLimits
from elva.service import fetching
from elva.service.fetching import Fetcher, Host, is_public
from elva.service.limits import Limits
from elva.service.metrics import Metrics
from elva.service.state import Settings
from judging import draw

Serving = Callable[..., TestClient]
QUICK = Limits(fetch=0.5, media=MediaLimits(max_bytes=20_000))


def picture() -> bytes:
    buffer = io.BytesIO()
    draw(("circle", "blue", "small"), 64).save(buffer, "PNG")
    return buffer.getvalue()


def hosts(*names: str) -> tuple[Host, ...]:
    return tuple(map(Host.parse, names))


class Gallery(BaseHTTPRequestHandler):
    """A host of pictures, and of what may come in place of one."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.headers["Host"], self.path))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/picture")
            self.end_headers()
            return
        self.send_response(404 if self.path == "/missing" else 200)
        self.end_headers()
        try:
            self._write()
        except OSError:  # whoever asked has enough
            self.close_connection = True

    def _write(self) -> None:
        if self.path == "/slow":
            for _ in range(40):
                self.wfile.write(b"a")
                self.wfile.flush()
                time.sleep(0.1)
        elif self.path == "/endless":
            for _ in range(1_000):
                self.wfile.write(b"a" * 10_000)
        elif self.path == "/page":
            self.wfile.write(b"the secret")
        else:
            self.wfile.write(picture())

    def log_message(self, *said: object) -> None:
        pass


@pytest.fixture
def gallery() -> Iterator[str]:
    """`host:port` of a gallery on this machine."""
    Gallery.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Gallery) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def refusal(client: TestClient, address: str) -> dict[str, str]:
    response = client.post("/search", json={"image": address})
    assert response.status_code == 422, response.text
    error: dict[str, str] = response.json()["error"]
    return error


def test_a_picture_at_a_listed_host_is_searched_like_one_that_is_sent(serving: Serving, gallery: str) -> None:
    client = serving(Settings(fetch_from=hosts(gallery)))
    address = f"http://{gallery}/picture?size=1#top"
    sent = client.post("/search", files={"image": picture()}).json()["results"]
    assert client.post("/search", json={"image": address}).json()["results"] == sent
    assert client.post("/search", files={"like": (None, "note")}, data={"image": address}).status_code == 200
    parts = [{"type": "image_url", "image_url": address}]
    embedded = client.post("/v1/embeddings", json={"input": [parts, "a circle", parts]})
    assert len(embedded.json()["data"]) == 3
    assert Gallery.asked == [(gallery, "/picture?size=1")] * 4
    assert 'elva_fetched_total{outcome="fetched"} 4\n' in client.get("/metrics").text


def test_nothing_is_fetched_unless_a_host_is_named(client: TestClient, gallery: str) -> None:
    error = refusal(client, f"http://{gallery}/picture")
    assert (error["code"], error["field"]) == ("not_fetched", "image")
    assert "addresses are not fetched here; send the image itself" in error["message"]
    assert Gallery.asked == []


@pytest.mark.parametrize(
    ("address", "outcome", "told"),
    [
        ("http://{host}:1/picture", "not_listed", "nothing is fetched from this host"),
        ("http://{host}/picture", "not_listed", "nothing is fetched from this host"),
        ("http://{at}.evil.example/picture", "not_listed", "can't be read"),
        ("http://evil.example/{at}/picture", "not_listed", "nothing is fetched from this host"),
        ("http://evil.example#@{at}/picture", "not_listed", "nothing is fetched from this host"),
        ("http://evil.example\\@{at}/picture", "not_listed", ""),
        ("http://me:word@{at}/picture", "not_listed", "without a name and a password"),
        ("ftp://{at}/picture", "not_listed", "only http and https"),
        ("file:///etc/passwd", "not_listed", "only http and https"),
        ("http://[::", "not_listed", "can't be read"),
        ("http:", "not_listed", "nothing is fetched from this host"),
        ("https://{at}/picture", "unreachable", "can't be reached, or broke off"),
        ("http://{at}/moved", "redirected", "redirects are not followed"),
        ("http://{at}/missing", "refused", "its host did not give it"),
        ("http://{at}/slow", "too_slow", "within 0.5 seconds"),
    ],
)
def test_what_is_not_fetched_is_told_and_counted(
    serving: Serving, gallery: str, address: str, outcome: str, told: str
) -> None:
    client = serving(Settings(limits=QUICK, fetch_from=hosts(gallery)))
    error = refusal(client, address.format(at=gallery, host=gallery.split(":")[0]))
    assert error["code"] == "not_fetched"
    assert told in error["message"]
    assert f'elva_fetched_total{{outcome="{outcome}"}} 1\n' in client.get("/metrics").text
    assert len(Gallery.asked) == (outcome in ("redirected", "refused", "too_slow"))


def test_what_is_no_picture_or_never_ends_is_refused_and_not_shown(serving: Serving, gallery: str) -> None:
    client = serving(Settings(limits=QUICK, fetch_from=hosts(gallery)))
    assert "is not an image" in refusal(client, f"http://{gallery}/page")["message"]
    assert "secret" not in client.post("/search", json={"image": f"http://{gallery}/page"}).text
    assert client.post("/search", json={"image": f"http://{gallery}/endless"}).status_code == 413
    assert 'outcome="too_large"} 1\n' in client.get("/metrics").text


def test_the_pictures_of_a_request_share_one_limit(serving: Serving, gallery: str) -> None:
    limits = Limits(media=MediaLimits(max_bytes=3 * len(picture())))
    client = serving(Settings(limits=limits, fetch_from=hosts(gallery)))
    item = {"image": f"http://{gallery}/picture"}
    assert client.post("/embed", json={"items": [item] * 3}).status_code == 200
    assert client.post("/embed", json={"items": [item] * 4}).status_code == 413


def test_a_name_that_leads_to_no_public_address_is_refused_unless_the_address_is_listed(
    serving: Serving, gallery: str
) -> None:
    port = gallery.split(":")[1]
    name = f"localhost:{port}"
    client = serving(Settings(fetch_from=hosts(name)))
    assert "not public" in refusal(client, f"http://{name}/picture")["message"]
    assert Gallery.asked == []
    client = serving(Settings(fetch_from=hosts(name, gallery, f"[::1]:{port}")))
    if client.post("/search", json={"image": f"http://{name}/picture"}).status_code == 200:  # else localhost is ::1
        assert Gallery.asked == [(name, "/picture")]


def test_the_connection_goes_to_the_address_that_was_looked_at(
    serving: Serving, gallery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    async def resolved(name: str) -> list[str]:
        looked.append(name)
        return ["127.0.0.1"]

    monkeypatch.setattr(fetching, "resolved", resolved)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    name = f"pictures.invalid:{gallery.split(':')[1]}"  # a name that nobody else could find
    client = serving(Settings(fetch_from=hosts(name, gallery)))
    assert client.post("/search", json={"image": f"http://{name}/picture"}).status_code == 200
    assert looked == ["pictures.invalid"]
    assert Gallery.asked == [(name, "/picture")]


def test_one_private_address_among_several_is_enough_to_refuse(
    serving: Serving, gallery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolved(name: str) -> list[str]:
        return ["127.0.0.1", "10.0.0.1"]

    monkeypatch.setattr(fetching, "resolved", resolved)
    name = f"pictures.invalid:{gallery.split(':')[1]}"
    client = serving(Settings(fetch_from=hosts(name, gallery)))
    assert "not public" in refusal(client, f"http://{name}/picture")["message"]
    assert Gallery.asked == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        *(
            (each, False)
            for each in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1"]
        ),
        *(
            (each, False)
            for each in ["::1", "::", "fe80::1%lo", "fd00::1", "fec0::1", "ff02::1", "::ffff:10.0.0.1", "::127.0.0.1"]
        ),
        *((each, False) for each in ["2002:a00:1::", "2001:0:1::1", "64:ff9b::a00:1"]),
    ],
)
def test_public_addresses_are_those_of_the_open_internet(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_hosts_are_read_with_and_without_a_port() -> None:
    assert Host.parse("Images.Example.org") == Host("images.example.org", None)
    assert Host.parse("images.example.org:443") == Host("images.example.org", 443)
    assert Host.parse("[::1]:80") == Host("::1", 80)
    for text in ("", "https://a.example", "a.example/b", "me@a.example", "a b", "[::", ":80", "a:b"):
        with pytest.raises(InputError, match="--fetch-from takes a host"):
            Host.parse(text)


def test_a_host_without_a_port_stands_for_the_usual_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    fetcher = Fetcher(hosts("images.example", "other.example:443"), Limits(), Metrics())
    asked: list[str] = []

    async def take(url: object, most: int) -> bytes:
        asked.append(str(url))
        return b""

    monkeypatch.setattr(fetcher, "_fetch", take)
    right = ["http://images.example/a", "https://IMAGES.example:443/a", "https://other.example/a"]
    asyncio.run(fetcher.fetch(right))
    assert len(asked) == len(right)
    for wrong in ("http://images.example:443/a", "http://other.example/a", "http://images.example./a"):
        with pytest.raises(fetching.Refused):
            asyncio.run(fetcher.fetch([wrong]))


def test_data_urls_need_no_fetching(serving: Serving) -> None:
    data = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
    assert serving(Settings(fetch_from=hosts("a.example"))).post("/search", json={"image": data}).status_code == 200
