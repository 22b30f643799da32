"""The model card that travels with a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml

from elva.model.card import model_card
from elva.model.embedder import Embedder


def test_the_card_lies_in_the_folder_and_its_header_is_yaml(embedder: Embedder, tmp_path: Path) -> None:
    embedder.save(tmp_path / "m")
    card = (tmp_path / "m" / "README.md").read_text("utf-8")
    assert card == model_card(embedder)
    header = yaml.safe_load(card.split("---")[1])
    assert header["license"] == "apache-2.0"
    assert header["pipeline_tag"] == "feature-extraction"


def test_the_card_says_what_was_trained_and_how_it_is_read(embedder: Embedder) -> None:
    assert "none (a base model)" in model_card(embedder)
    embedder.processor.settings = replace(
        embedder.processor.settings, extraction="one_word", trained=("tiny-base", "stage1")
    )
    card = model_card(embedder)
    assert "tiny-base, stage1" in card
    assert "extraction: one_word" in card
    count = sum(p.numel() for p in embedder.backbone.parameters())
    assert f"parameters: {count:,}" in card


def test_the_example_of_the_card_names_what_exists() -> None:
    import elva

    assert elva.Embedder is Embedder
    assert elva.Item
