"""What the service answers, and how it refuses."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from elva.index.protocol import Entry
from judging import draw
from remembered import Remembered


def picture(side: int = 64) -> bytes:
    buffer = io.BytesIO()
    draw(("circle", "blue", "small"), side).save(buffer, "PNG")
    return buffer.getvalue()


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def test_words_are_searched_by_json_and_by_link_alike(client: TestClient) -> None:
    body = {"text": "small crimson circle", "minus": ["large"], "where": "colour = crimson", "top": 3}
    body["hybrid"] = True
    posted = client.post("/search", json=body).json()
    link = {"hybrid": "true", "q": body["text"], "minus": body["minus"], "where": body["where"], "top": 3}
    linked = client.get("/search", params=link).json()
    assert posted["results"] == linked["results"]
    first = posted["results"][0]
    assert first["id"] == "circle-crimson-small.png"
    assert first["image"] is True
    assert first["metadata"]["colour"] == "crimson"
    assert posted["summary"] == "small crimson circle"


def test_a_picture_is_searched_as_a_file_and_as_a_data_url(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("judging._words", lambda item: ["circle"] if item.image else (item.text or "").split())
    sent = client.post("/search", files={"image": picture()}, data={"top": "2", "minus": ["large"]})
    said = client.post("/search", json={"image": data_url(picture()), "top": 2, "minus": ["large"]})
    assert sent.status_code == said.status_code == 200
    assert sent.json()["results"] == said.json()["results"]


def test_indexed_items_are_searched_from(client: TestClient) -> None:
    answer = client.post("/search", json={"like": ["circle-blue-small.png"], "unlike": ["note"]}).json()
    assert "circle-blue-small.png" not in [each["id"] for each in answer["results"]]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({}, 422, "asks for nothing"),
        ({"text": "  "}, 422, "asks for nothing"),
        ({"text": "a" * 100_000}, 422, "at most 10000 characters"),
        ({"text": 3}, 422, "valid string"),
        ({"text": "a", "top": 0}, 422, "greater than or equal to 1"),
        ({"text": "a", "top": 10**9}, 422, "less than or equal to 200"),
        ({"text": "a", "tops": 3}, 422, "Extra inputs"),
        ({"text": "a", "where": "colour ="}, 422, "expected a value"),
        ({"text": "a", "where": "color = red"}, 422, "did you mean 'colour'"),
        ({"text": "a", "like": ["nowhere"]}, 404, "no item 'nowhere'"),
        ({"text": "a", "rerank": 5}, 422, "no reranker"),
        ({"image": "http://example.org/a.png"}, 422, "addresses are not fetched"),
        ({"image": "%%%"}, 422, "nor base64"),
        ({"image": data_url(b"no picture")}, 422, "not an image"),
        ({"text": "a", "minus": ["a"] * 99}, 422, "at most 16 items"),
        ({"like": ["note"], "hybrid": True}, 422, "this one has none"),
        ({"text": "a", "minus": [""]}, 422, "neither text nor image"),
    ],
)
def test_what_can_not_be_asked_is_refused_with_a_reason(
    client: TestClient, body: dict[str, object], status: int, says: str
) -> None:
    response = client.post("/search", json=body)
    assert response.status_code == status
    assert says in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b'{"top": NaN}', b'{"text": "\\ud800"}', b"\xff", b"[" * 100_000, b'{"text":"\\u0000"}'],
)
def test_bodies_that_are_no_json_are_no_fault_of_the_service(client: TestClient, content: bytes) -> None:
    for route in ("/search", "/embed", "/explain", "/v1/embeddings"):
        response = client.post(route, content=content, headers={"content-type": "application/json"})
        assert response.status_code in (400, 422) or content.endswith(b'0000"}'), (route, response.text)
        assert response.status_code < 500


def test_a_body_of_another_kind_is_refused(client: TestClient) -> None:
    response = client.post("/search", content=b"text=a", headers={"content-type": "application/x-www-form-urlencoded"})
    assert response.status_code == 415
    assert client.post("/search", files={"other": b"x"}).status_code == 422
    broken = client.post("/search", content=b"--x", headers={"content-type": "multipart/form-data"})
    assert broken.status_code == 400


def test_a_picture_that_would_fill_the_memory_is_not_decoded(client: TestClient) -> None:
    buffer = io.BytesIO()
    Image.new("1", (9_000, 9_000)).save(buffer, "PNG")
    response = client.post("/search", files={"image": buffer.getvalue()})
    assert response.status_code == 413
    assert "81,000,000 pixels" in response.json()["error"]["message"]


def test_items_are_listed_page_by_page(client: TestClient) -> None:
    seen: list[str] = []
    after = None
    while True:
        page = client.get("/items", params={"limit": 10} | ({"after": after} if after else {})).json()
        seen += [each["id"] for each in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == page["total"] == 33
    assert seen == sorted(seen)
    some = client.get("/items", params={"ids": ["note", "circle-blue-small.png"]}).json()
    assert [each["id"] for each in some["items"]] == ["note", "circle-blue-small.png"]
    assert client.get("/items/note").json()["text"] == "a crimson letter"
    assert client.get("/items/nowhere").status_code == 404


def test_pictures_come_from_the_index_and_from_nowhere_else(client: TestClient, index: Remembered) -> None:
    root = index.origin.root
    assert root is not None
    image = client.get("/items/circle-blue-small.png/image")
    assert image.content == (root / "circle-blue-small.png").read_bytes()
    assert image.headers["content-type"] == "image/png"
    assert client.get("/items/circle-blue-small.png/thumbnail").content.startswith(b"\x89PNG")
    assert client.get("/items/note/image").status_code == 404
    assert client.get("/items/note/thumbnail").status_code == 404
    (root / "secret.png").write_bytes(picture())
    for path in ("secret.png", "%2E%2E/secret.png", "%2Fetc%2Fpasswd"):
        assert client.get(f"/items/{path}/image").status_code == 404
    (root / "circle-blue-small.png").unlink()
    assert client.get("/items/circle-blue-small.png/image").json()["error"]["code"] == "image_gone"
    assert client.get("/items/circle-blue-small.png/thumbnail").status_code == 200


def test_embeddings_are_those_of_the_encoder_in_both_manners(client: TestClient) -> None:
    ours = client.post("/embed", json={"items": [{"text": "a circle"}, {"text": "a square"}]}).json()
    assert ours["summaries"] == ["a circle", "a square"]
    theirs = client.post("/v1/embeddings", json={"input": ["a circle", "a square"], "model": "fake"}).json()
    assert [each["embedding"] for each in theirs["data"]] == ours["vectors"]
    packed = client.post("/v1/embeddings", json={"input": "a circle", "encoding_format": "base64"}).json()
    vector = np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), "<f4")
    np.testing.assert_array_equal(vector, np.float32(ours["vectors"][0]))
    shown = [{"type": "text", "text": "red"}, {"type": "image_url", "image_url": data_url(picture())}]
    assert client.post("/v1/embeddings", json={"input": [shown]}).status_code == 200
    for body, status in (
        ({"input": "a", "model": "another"}, 404),
        ({"input": "a", "dimensions": 3}, 422),
        ({"input": []}, 422),
        ({"input": [[1, 2, 3]]}, 422),
        ({"input": ["a"] * 129}, 422),
        ({"input": [shown[:1] * 2]}, 422),
    ):
        assert client.post("/v1/embeddings", json=body).status_code == status, body


def test_a_query_is_explained(client: TestClient) -> None:
    answer = client.post("/explain", json={"text": "a red circle", "grains": ["red"]}).json()
    assert [each["text"] for each in answer["grains"]] == ["red"]
    assert client.post("/explain", json={}).json()["error"]["code"] == "empty"


def test_what_results_lack_is_told_and_of_what_is_gone_nothing(client: TestClient, index: Remembered) -> None:
    ids = ["circle-blue-small.png", "circle-crimson-small.png", "note"]
    body = {"text": "crimson circle", "spans": [[0, 7], [8, 14]], "ids": ids}
    assert client.post("/lacking", json=body).json()["nats"] == [[-5, 5], [5, 5], [5, -5]]
    for change, status in (
        ({"spans": [[3, 3]]}, 422),
        ({"spans": [[0, 99]]}, 422),
        ({"spans": [[-1, 3]]}, 422),
        ({"ids": ids[:1]}, 422),
        ({"ids": ["nowhere", "note"]}, 404),
    ):
        assert client.post("/lacking", json=body | change).status_code == status, change


def test_what_the_index_holds_is_told(client: TestClient) -> None:
    about = client.get("/about").json()
    assert about["items"] == 33
    fields = {each["name"]: each for each in about["facets"]}
    assert fields["colour"]["values"][0] == ["blue", 8]
    assert (fields["price"]["low"], fields["price"]["high"]) == (0.5, 31.5)
    assert len(about["samples"]) == 6
    assert about["examples"]


def test_health_and_metrics_tell_how_it_goes(client: TestClient) -> None:
    client.get("/search", params={"q": "circle"})
    health = client.get("/health").json()
    assert health == {"ready": True, "model": "fake", "items": 33, "version": 1, "waiting": 0}
    metrics = client.get("/metrics").text
    assert 'elva_requests_total{route="/search",status="200"} 1' in metrics
    assert 'elva_batch_requests_bucket{le="1"} 1' in metrics
    assert 'elva_request_seconds_bucket{le="+Inf"} 2' in metrics


def test_openapi_is_served_and_no_page_that_needs_a_network(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert {"/search", "/embed", "/items", "/explain", "/health", "/metrics", "/v1/embeddings"} <= set(schema["paths"])
    assert set(schema["paths"]["/search"]["post"]["requestBody"]["content"]) == {
        "application/json",
        "multipart/form-data",
    }
    assert client.get("/docs").status_code == 404
    assert "http" not in json.dumps(schema["paths"]).replace("HTTPValidationError", "")


def test_the_page_asks_nobody_else(client: TestClient) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert "script-src 'self'" in response.headers["content-security-policy"]
    import elva.service.app

    for path in Path(elva.service.app.PAGE).iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text, path
        assert client.get(f"/page/{path.name}").status_code == 200


def test_an_id_of_any_characters_is_found(client: TestClient, index: Remembered) -> None:
    name = "a\nb/thumbnail 'c' ?#.png"
    index.add([Entry(name, "a text")], index.vectors(["note"]))
    address = f"/items/{quote(name, safe='')}"
    found = client.get(address)
    assert found.json().get("id") == name, found.text
    assert client.get(f"{address}/thumbnail").json()["error"]["code"] == "no_image"
    assert client.get("/items", params={"ids": name}).json()["items"][0]["id"] == name
