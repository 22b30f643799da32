"""What is published while the service runs is served soon, and no request fails for it."""

from __future__ import annotations

import gc
import shutil
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from elva.encoding import ModelIdentity
from elva.index.address import Address
from elva.index.opening import create_index, open_index
from elva.index.protocol import Entry, Index
from elva.items import Item
from elva.search.searcher import Searcher
from elva.service import newer
from elva.service.app import create_app
from elva.service.newer import Newer
from elva.service.state import Parts
from judging import FakeEncoder


@pytest.fixture(params=["lance", "exact", "milvus"])
def folder(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    encoder: FakeEncoder,
    addressed: Callable[[Path, str], Address | None],
) -> Path:
    folder, store = tmp_path / "index", request.param
    index = create_index(folder, ModelIdentity.of(encoder), store=store, address=addressed(folder, store))
    put(index, encoder, "red circle")
    index.close()
    return tmp_path / "index"


def put(index: Index, encoder: FakeEncoder, text: str) -> None:
    index.upsert([Entry(text, text, metadata={"words": text})], encoder.embed([Item(text)]).vectors)
    index.publish()


@pytest.fixture
def opened() -> list[weakref.ref[Index]]:
    """What was opened, in its order, as long as somebody needs it."""
    return []


@pytest.fixture
def client(
    folder: Path, encoder: FakeEncoder, opened: list[weakref.ref[Index]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.setattr(newer, "EVERY", 0.02)

    def parts(index: Index) -> Parts:
        opened.append(weakref.ref(index))
        return Searcher(encoder, index), None

    kept = Newer(folder, ModelIdentity.of(encoder), parts)
    with TestClient(create_app(kept.open()[0], newer=kept)) as client:
        yield client


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_version_that_is_published_is_served(client: TestClient, folder: Path, encoder: FakeEncoder) -> None:
    before = client.get("/about").json()["version"]
    index = open_index(folder, writing=True)
    versions = []
    for text in ("blue square", "green heart", "pink moon"):
        put(index, encoder, text)
        answer = client.get("/search", params={"q": text})
        assert answer.status_code == 200
        versions.append(answer.json()["version"])
        until(lambda text=text: client.get(f"/items/{text}").status_code == 200)  # type: ignore[misc]
    index.close()
    assert before <= versions[0] and versions == sorted(versions)
    until(lambda: client.get("/about").json()["items"] == 4)
    found = client.get("/search", params={"q": "pink moon"}).json()
    assert found["results"][0]["id"] == "pink moon"
    assert found["version"] == client.get("/health").json()["version"] == before + 3


def test_a_version_that_was_replaced_is_let_go(
    client: TestClient, folder: Path, encoder: FakeEncoder, opened: list[weakref.ref[Index]]
) -> None:
    for text in ("blue square", "green heart"):
        index = open_index(folder, writing=True)
        put(index, encoder, text)
        index.close()
        until(lambda text=text: client.get(f"/items/{text}").status_code == 200)  # type: ignore[misc]
    gc.collect()
    assert len(opened) >= 3
    until(lambda: [each() is None for each in opened] == [True] * (len(opened) - 1) + [False])


def test_what_cannot_be_opened_is_told_once_and_the_old_version_goes_on(
    client: TestClient, folder: Path, encoder: FakeEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "meta.json").rename(folder / "gone.json")
    until(lambda: "goes on being served" in caplog.text)
    time.sleep(0.2)
    assert caplog.text.count("goes on being served") == 1
    assert client.get("/search", params={"q": "red circle"}).json()["results"][0]["id"] == "red circle"
    (folder / "gone.json").rename(folder / "meta.json")


def test_an_index_that_is_deleted_while_it_is_served_is_no_fault_of_the_request(
    client: TestClient, folder: Path
) -> None:
    shutil.rmtree(folder)
    answer = client.get("/search", params={"q": "red circle"})
    assert answer.status_code in (200, 503)
    assert str(folder) not in answer.text
