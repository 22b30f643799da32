"""What the inspector says of encoders whose deafness is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from elva.encoding import Encoding, ModelIdentity
from elva.errors import InputError
from elva.grains import Grain
from elva.grains.splitting import Split
from elva.index.exact import ExactIndex
from elva.index.gallery import VectorError
from elva.index.protocol import Entry, Hit
from elva.items import Item
from elva.search.inspector import Explanation, Heard, Inspector
from judging import THINGS, FakeEncoder, draw

TEXT = "small blue circle with green square"
EMPTY = dict.fromkeys(("with", "that", "has", "a", "and", "thing", "things", "something"), 0.02)


class Reader(FakeEncoder):
    """One that knows what only holds a sentence together, full stops, and that little is small."""

    def __init__(self, deaf_to: str = "") -> None:
        super().__init__(weights={**EMPTY, deaf_to: 0.001})

    def embed(self, items: Sequence[Item], **_: object) -> Encoding:  # type: ignore[override]
        plain = [(item.text or "").rstrip(".").lower().replace("little", "small") for item in items]
        return super().embed([replace(item, text=text) for item, text in zip(items, plain, strict=True)])


def indexed(encoder: FakeEncoder) -> ExactIndex:
    texts = [" ".join(thing) for thing in THINGS]
    index = ExactIndex(ModelIdentity.of(encoder))
    index.add([Entry(each, each) for each in texts], encoder.embed([Item(each) for each in texts]).vectors)
    return index


def explained(encoder: FakeEncoder, query: Item | str, k: int = 10, grains: Sequence[str] | None = None) -> Explanation:
    item = Item(query) if isinstance(query, str) else query
    return Inspector(encoder, indexed(encoder)).explain(item, k, grains)


def by_words(explanation: Explanation) -> dict[str, Heard]:
    return {each.grain.text: each for each in explanation.grains}


def test_a_grain_that_the_model_is_deaf_to_is_ignored() -> None:
    explanation = explained(Reader(deaf_to="green"), TEXT)
    found = by_words(explanation)
    assert found["green"].ignored and not found["green"].heard
    for each in ("small", "blue", "circle", "square"):
        assert found[each].heard and not found[each].ignored, each
    assert found["blue"].ratio == pytest.approx(found["blue"].distance / explanation.paraphrase_distance)


def test_a_model_that_moves_for_any_wording_hears_nothing_for_sure() -> None:
    explanation = explained(FakeEncoder(noise=20.0), TEXT)
    assert not any(each.heard for each in explanation.grains)


def test_distances_are_those_of_the_vectors_and_all_comes_from_one_call() -> None:
    encoder = FakeEncoder()
    index = indexed(encoder)
    calls: list[int] = []
    embed = encoder.embed

    def counted(items: Sequence[Item], **options: object) -> Encoding:
        calls.append(len(items))
        return embed(items)

    encoder.embed = counted  # type: ignore[method-assign,assignment]
    explanation = Inspector(encoder, index).explain(Item(TEXT))
    assert calls == [1 + len(explanation.grains) + len(explanation.rewordings)]
    assert explanation.summary == TEXT
    for each in explanation.grains:
        vectors = embed([Item(TEXT), Item(each.grain.masked_txt)]).vectors
        assert each.distance == pytest.approx(1 - float(vectors[0] @ vectors[1]), abs=2e-6)


def test_changes_of_the_results_are_told_with_ranks() -> None:
    encoder = FakeEncoder()
    index = indexed(encoder)
    explanation = Inspector(encoder, index).explain(Item("small blue circle"), 4)
    assert explanation.hits[0].entry.id == "circle blue small"
    for each in explanation.grains:
        now = index.search(encoder.embed([Item(each.grain.masked_txt)]).vectors, 4)[0]
        change = each.change
        told = [(which, rank) for which, _, rank in change.kept] + list(change.entered)
        assert sorted(told) == sorted((hit.entry.id, hit.rank) for hit in now)
        before = [(which, rank) for which, rank, _ in change.kept] + list(change.left)
        assert sorted(before) == sorted((hit.entry.id, hit.rank) for hit in explanation.hits)
        assert change.overlap == len(change.kept) / 4


def test_an_empty_index_has_no_results_to_change() -> None:
    encoder = FakeEncoder()
    explanation = Inspector(encoder, ExactIndex(ModelIdentity.of(encoder))).explain(Item(TEXT))
    assert explanation.hits == ()
    assert all(each.change.overlap is None for each in explanation.grains)


def test_a_picture_alone_is_explained_by_its_summary(tmp_path: Path) -> None:
    path = tmp_path / "circle-blue-small.png"
    draw(("circle", "blue", "small")).save(path)
    explanation = explained(FakeEncoder(), Item(image=path, instruction="Find it."))
    assert explanation.text == explanation.summary == "circle blue small"
    assert explanation.picture_cosine == pytest.approx(1.0)
    assert {each.grain.text for each in explanation.grains} == {"circle", "blue", "small"}


def test_beside_a_text_the_picture_is_a_grain(tmp_path: Path) -> None:
    path = tmp_path / "circle-blue-small.png"
    draw(("circle", "blue", "small")).save(path)
    encoder = FakeEncoder(weights=EMPTY)
    explanation = explained(encoder, Item("the same but green", path))
    assert explanation.picture_cosine is None
    assert [(each.grain.kind, each.grain.span) for each in explanation.grains][-1] == ("image", None)
    assert "circle blue small the same but green" in encoder.seen
    assert "the same but green" in encoder.seen, "the text alone"
    chosen = explained(encoder, Item("the same but green", path), grains=["green"])
    assert [each.grain.text for each in chosen.grains] == ["green"], "exactly what was asked"


def test_grains_may_come_from_elsewhere_and_those_beyond_are_counted() -> None:
    encoder = FakeEncoder()
    grain = Grain("thing", "circle", (11, 17), "small blue")
    inspector = Inspector(encoder, indexed(encoder), split=lambda text: Split((grain,), more=3))
    explanation = inspector.explain(Item("small blue circle"))
    assert [each.grain for each in explanation.grains] == [grain]
    assert explanation.more == explanation.to_row()["grains_not_tried"] == 3


def test_what_results_say_of_each_grain_is_passed_on() -> None:
    encoder = FakeEncoder()

    def likelihood(text: str, hits: Sequence[Hit], grains: Sequence[Grain]) -> list[list[float]]:
        return [[-1.0 if grain.text in hit.entry.id else -9.0 for grain in grains] for hit in hits]

    explanation = Inspector(encoder, indexed(encoder), likelihood=likelihood).explain(Item("small blue circle"), 2)
    assert explanation.nats is not None
    assert explanation.nats[0] == (-1.0, -1.0, -1.0)
    assert explained(encoder, "small blue circle").nats is None


def test_an_explanation_is_json() -> None:
    row = explained(FakeEncoder(), TEXT, 3).to_row()
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row["paraphrase_distance"] == pytest.approx(np.mean([each["distance"] for each in row["rewordings"]]))
    assert [each["rank"] for each in row["results"]] == [1, 2, 3]
    assert row["grains"][0].keys() >= {"kind", "text", "span", "masked_txt", "distance", "ratio", "ignored", "overlap"}


def test_without_rewordings_nothing_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elva.search.inspector.rewordings", lambda *_: ())
    explanation = explained(FakeEncoder(), TEXT)
    assert explanation.paraphrase_distance is None
    assert {(each.ratio, each.ignored, each.heard) for each in explanation.grains} == {(None, None, None)}


def test_where_other_words_move_nothing_there_is_no_ratio_but_a_verdict() -> None:
    found = by_words(explained(Reader(deaf_to="green"), "two green circles", grains=["green", "circles"]))
    assert [each.ratio for each in found.values()] == [None, None]
    assert not found["green"].heard
    assert found["circles"].heard is True


@pytest.mark.parametrize("query", ["the", "...", "with a"])
def test_a_query_that_says_nothing_is_refused(query: str) -> None:
    with pytest.raises(InputError, match="no grain was found"):
        explained(FakeEncoder(), query)


def test_a_picture_without_a_summary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    draw(THINGS[0]).save(path)
    encoder = FakeEncoder()
    encoder.embed = lambda items: Encoding(np.ones((len(items), 48), np.float32), [""] * len(items))  # type: ignore
    inspector = Inspector(encoder, ExactIndex(ModelIdentity.of(encoder)))
    with pytest.raises(InputError, match="give a text beside the picture"):
        inspector.explain(Item(image=path))


def test_a_broken_model_is_told() -> None:
    encoder = FakeEncoder(weights={"circle": float("nan")})
    inspector = Inspector(encoder, ExactIndex(ModelIdentity.of(encoder)))
    with pytest.raises(VectorError, match="NaN"):
        inspector.explain(Item("small blue circle"))
