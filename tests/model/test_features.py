"""Visual tokens: one look per picture, kept in memory and on disk by content."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from elva.errors import InputError
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.features import VisionFeatures
from smallest import smallest_embedder


@pytest.fixture
def looks(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each call of the vision tower was given."""
    seen: list[int] = []
    see = embedder.backbone.see

    def counted(pixels: torch.Tensor, grid: torch.Tensor) -> list[torch.Tensor]:
        seen.append(len(grid))
        return see(pixels, grid)

    monkeypatch.setattr(embedder.backbone, "see", counted)
    return seen


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Three files, of which the last shows the same as the first."""
    paths = [tmp_path / f"{name}.png" for name in ("red", "blue", "copy")]
    for path, colour in zip(paths, ("red", "blue", "red"), strict=True):
        Image.new("RGB", (64, 64), colour).save(path)
    return paths


def files(cache: Path) -> list[Path]:
    """What lies in the folder of the one vision tower of a cache."""
    (folder,) = cache.iterdir()
    return sorted(folder.iterdir())


def test_one_picture_twice_is_seen_once(embedder: Embedder, looks: list[int], pictures: list[Path]) -> None:
    features = VisionFeatures(embedder.backbone, embedder.processor)
    ticks: list[int] = []
    seen = features.look([*pictures, pictures[1]], progress=ticks.append)
    assert looks == [2]
    assert ticks == [2]
    assert seen[0][0] is seen[2][0]
    assert not torch.equal(seen[0][0], seen[1][0])
    features.look(pictures)
    assert looks == [2], "what is kept is not looked at again"


def test_a_clip_is_seen_once_whatever_its_frames_are_called(
    embedder: Embedder, looks: list[int], pictures: list[Path]
) -> None:
    red, blue, copy = pictures
    features = VisionFeatures(embedder.backbone, embedder.processor)
    seen = features.look([(red, blue), (copy, blue.read_bytes()), (blue, red), (red,), red])
    assert looks == [4]
    assert seen[0][0] is seen[1][0]
    assert not torch.equal(seen[0][0], seen[2][0]), "the order counts"
    torch.testing.assert_close(seen[3][0], seen[4][0], atol=1e-6, rtol=0)


def test_no_more_frames_are_looked_at_at_once_than_asked_for(
    embedder: Embedder, looks: list[int], pictures: list[Path]
) -> None:
    red, blue, _ = pictures
    shown = [red, (red, blue), (blue, red), (red, blue) * 3, blue]
    features = VisionFeatures(embedder.backbone, embedder.processor)
    by_parts = features.look(shown, batch_size=3)
    assert looks == [2, 1, 1, 1], "a longer clip is looked at by itself"
    together = VisionFeatures(embedder.backbone, embedder.processor).look(shown)
    for (tokens, grid), (others, same) in zip(by_parts, together, strict=True):
        torch.testing.assert_close(tokens, others, atol=1e-6, rtol=0)
        assert torch.equal(grid, same)


def test_without_keeping_each_call_looks_anew(embedder: Embedder, looks: list[int], pictures: list[Path]) -> None:
    features = VisionFeatures(embedder.backbone, embedder.processor, keep=False)
    features.look([pictures[0], pictures[0]])
    features.look([pictures[0]])
    assert looks == [1, 1]


def test_a_file_that_changes_is_seen_anew_by_the_embedder(embedder: Embedder, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    vectors = []
    for colour in ("red", "blue"):
        Image.new("RGB", (64, 64), colour).save(path)
        vectors.append(embedder.encode([Item(image=path)])[0])
    assert abs(vectors[0] - vectors[1]).max() > 1e-4


def test_batches_change_nothing(embedder: Embedder, pictures: list[Path]) -> None:
    one_by_one = VisionFeatures(embedder.backbone, embedder.processor).look(pictures, batch_size=1)
    together = VisionFeatures(embedder.backbone, embedder.processor).look(pictures)
    for (a, grid_a), (b, grid_b) in zip(one_by_one, together, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)
        assert torch.equal(grid_a, grid_b)


def test_the_disk_gives_back_what_was_seen(
    embedder: Embedder, looks: list[int], pictures: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    shown = [*pictures, tuple(pictures[:2]), tuple(pictures)]
    first = VisionFeatures(embedder.backbone, embedder.processor, folder)
    before = first.look(shown)
    first.save()
    later = VisionFeatures(embedder.backbone, embedder.processor, folder)
    after = later.look(shown)
    assert looks == [4]
    for (tokens, grid), (again, grid_again) in zip(before, after, strict=True):
        assert torch.equal(tokens, again)
        assert torch.equal(grid, grid_again)
    assert [path.suffix for path in files(folder)] == [".safetensors"], "nothing half-written is left"


def test_nothing_new_is_not_written_again(embedder: Embedder, pictures: list[Path], tmp_path: Path) -> None:
    features = VisionFeatures(embedder.backbone, embedder.processor, tmp_path / "cache")
    features.save()
    assert not (tmp_path / "cache").exists(), "nothing was seen"
    features.look(pictures[:1])
    features.save()
    (file,) = files(tmp_path / "cache")
    stamp = file.stat().st_mtime_ns
    features.save()
    features.look(pictures)
    features.save()
    assert len(files(tmp_path / "cache")) == 2, "what is new has a file of its own"
    assert file.stat().st_mtime_ns == stamp


def test_what_is_forgotten_comes_from_the_disk(
    embedder: Embedder, looks: list[int], pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = VisionFeatures(embedder.backbone, embedder.processor, tmp_path / "cache")
    (before, _) = features.look(pictures)[0]
    features.forget()
    assert not (tmp_path / "cache").exists(), "a file for every step would be too many"
    monkeypatch.setattr("elva.model.features.PENDING_BYTES", 10)
    features.forget()
    assert torch.equal(features.look(pictures)[0][0], before)
    assert looks == [2]


def test_two_processes_may_write_at_once(embedder: Embedder, looks: list[int], pictures: list[Path]) -> None:
    cache = pictures[0].parent / "cache"
    one, other = (VisionFeatures(embedder.backbone, embedder.processor, cache) for _ in range(2))
    for features, shown in ((one, pictures[:1]), (other, pictures[1:2])):
        features.look(shown)
    one.save()
    other.save()
    later = VisionFeatures(embedder.backbone, embedder.processor, cache)
    looks.clear()
    later.look(pictures)
    assert looks == []


def test_the_grid_of_a_picture_or_clip_needs_no_look(embedder: Embedder, looks: list[int], tmp_path: Path) -> None:
    features = VisionFeatures(embedder.backbone, embedder.processor)
    for width, height in ((64, 64), (40, 90), (130, 70), (9, 200)):
        path = tmp_path / f"{width}.jpg"
        Image.new("RGB", (width, height), "red").save(path)
        for shown in (path, (path,) * 5):
            grid = features.grid(shown)
            assert looks == []
            assert torch.equal(grid, features.look([shown])[0][1])
            looks.clear()


def test_another_vision_tower_never_reads_these_tokens(
    embedder: Embedder, pictures: list[Path], tmp_path: Path
) -> None:
    features = VisionFeatures(embedder.backbone, embedder.processor, tmp_path / "cache")
    features.look(pictures)
    features.save()
    other = smallest_embedder(seed=1)
    VisionFeatures(other.backbone, other.processor, tmp_path / "cache").look(pictures)
    expected = VisionFeatures(other.backbone, other.processor).look(pictures)
    cached = VisionFeatures(other.backbone, other.processor, tmp_path / "cache").look(pictures)
    assert torch.equal(cached[0][0], expected[0][0])


def test_another_way_of_cutting_never_reads_these_tokens(
    embedder: Embedder, pictures: list[Path], tmp_path: Path
) -> None:
    before = VisionFeatures(embedder.backbone, embedder.processor, tmp_path / "cache")
    (whole, _) = before.look(pictures[:1])[0]
    before.save()
    embedder.processor.image_processor.image_mean = [0.1, 0.2, 0.3]
    (shifted, _) = VisionFeatures(embedder.backbone, embedder.processor, tmp_path / "cache").look(pictures[:1])[0]
    assert not torch.equal(whole, shifted)


def test_a_damaged_cache_is_told_and_made_again(
    embedder: Embedder, looks: list[int], pictures: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        features = VisionFeatures(embedder.backbone, embedder.processor, tmp_path / "cache")
        features.look(pictures)
        features.save()
        (file,) = files(tmp_path / "cache")
        file.write_bytes(file.read_bytes()[:200])
    assert looks == [2, 2]
    assert "is damaged" in caplog.text


def test_a_cache_that_can_not_be_written_costs_no_work(
    embedder: Embedder, pictures: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        VisionFeatures(embedder.backbone, embedder.processor, tmp_path / "file")
    features = VisionFeatures(embedder.backbone, embedder.processor, tmp_path / "file/below")
    features.look(pictures)
    features.save()
    assert "can't be written" in caplog.text


def test_an_embedder_with_a_cache_gives_the_same_vectors(
    embedder: Embedder, pictures: list[Path], tmp_path: Path
) -> None:
    embedder.save(tmp_path / "model")
    items = [Item(image=path) for path in pictures]
    expected = embedder.encode(items)
    for _ in range(2):  # the second time from disk
        cached = Embedder.load(tmp_path / "model", image_cache=tmp_path / "cache")
        assert abs(cached.encode(items) - expected).max() < 1e-6
        cached.features.save()
    assert (tmp_path / "cache").is_dir()
