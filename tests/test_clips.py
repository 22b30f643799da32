"""Clips as they lie on disk: which frames are taken, and what is no clip."""

from __future__ import annotations

import builtins
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from elva.clips import (
    Clip,
    chosen,
    clip_key,
    describe_visual,
    frames_of,
    most_frames,
    shown_times,
    size_and_frames,
    visual_key,
)
from elva.errors import InputError, MediaError, MediaMissing, MediaTooLarge, MediaUnreadable, MissingExtra
from elva.media import MediaLimits, image_key, load_image
from filmed import moving, number_of, save_animation, save_folder, save_video

Save = Callable[..., Path]
SAVERS: dict[str, Save] = {
    "folder": save_folder,
    "clip.gif": save_animation,
    "clip.webp": save_animation,
    "clip.png": save_animation,
    "clip.mp4": save_video,
    "clip.mkv": save_video,
    "clip.avi": save_video,
}


def numbers(clip: Clip, limits: MediaLimits | None = None) -> list[int]:
    """Which frames were taken, by what they show."""
    return [number_of(load_image(frame)) for frame in frames_of(clip, *filter(None, [limits]))]


@pytest.mark.parametrize("name", SAVERS)
def test_frames_are_spread_evenly_from_first_to_last(name: str, tmp_path: Path) -> None:
    path = SAVERS[name](tmp_path / name, moving(12))
    assert numbers(Clip(path)) == [*range(12)]
    assert numbers(Clip(path, frames=4)) == [0, 4, 7, 11]
    assert numbers(Clip(path, frames=2)) == [0, 11]
    assert numbers(Clip(path, frames=1)) == [6]
    assert numbers(Clip(path, frames=99)) == [*range(12)], "a shorter clip shows all it has"
    assert size_and_frames(Clip(path, frames=5)) == ((64, 48), 5)
    assert all(load_image(frame).mode == "RGB" for frame in frames_of(Clip(path)))


@pytest.mark.parametrize("name", [name for name in SAVERS if name != "folder"])
def test_frames_are_taken_at_a_rate(name: str, tmp_path: Path) -> None:
    path = SAVERS[name](tmp_path / name, moving(12))  # 1.2 seconds, ten a second
    assert numbers(Clip(path, fps=5)) == [0, 2, 4, 6, 8, 10]
    assert numbers(Clip(path, fps=1)) == [0, 10]
    assert numbers(Clip(path, frames=3, fps=5)) == [0, 6, 10], "the rate is bounded"
    assert numbers(Clip(path, fps=100)) == [*range(12)], "no frame twice"


@pytest.mark.parametrize("name", SAVERS)
def test_the_parts_of_a_clip_together_are_the_clip(name: str, tmp_path: Path) -> None:
    path = SAVERS[name](tmp_path / name, moving(12))
    parts = [Clip(path, 4, part=part) for part in ((0, 1), (1, 3), (3, 4))]
    assert [numbers(part) for part in parts] == [[0], [4, 7], [11]]
    assert [size_and_frames(part)[1] for part in parts] == [most_frames(part) for part in parts] == [1, 2, 1]
    assert len({visual_key(part) for part in (*parts, Clip(path, 4))}) == 4
    shorter = [Clip(path, 24, part=part) for part in ((0, 12), (12, 24))]
    assert [numbers(part) for part in shorter] == [[*range(6)], [*range(6, 12)]]
    assert numbers(Clip(path, 120, part=(119, 120))) == [11], "never nothing"


def test_a_part_follows_its_file(tmp_path: Path) -> None:
    path, first = tmp_path / "clip.png", Clip(tmp_path / "clip.png", 4, part=(0, 1))
    save_animation(path, moving(12))
    assert numbers(first) == [0]
    save_animation(path, moving(12)[::-1])
    os.utime(path, ns=(1, 1))
    assert numbers(first) == [11]


@pytest.mark.parametrize("part", [(2, 2), (-1, 2), (0, 5)])
def test_a_part_of_nothing_is_refused(part: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="4 frames have no part"):
        Clip("clip.gif", 4, part=part)


def test_a_folder_has_two_frames_a_second(tmp_path: Path) -> None:
    path = save_folder(tmp_path / "folder", moving(12))
    assert numbers(Clip(path, fps=1)) == [0, 2, 4, 6, 8, 10]


def test_a_frame_that_is_shown_for_long_is_seen_once(tmp_path: Path) -> None:
    path = save_animation(tmp_path / "a.gif", moving(4), duration=[100, 1000, 100, 100])
    assert numbers(Clip(path, fps=2)) == [0, 1]
    assert numbers(Clip(path)) == [0, 1, 2, 3]


@given(st.integers(1, 200), st.integers(1, 50), st.none() | st.floats(0.01, 100))
def test_chosen_places_ascend_once_each_and_are_bounded(total: int, frames: int, fps: float | None) -> None:
    times = [number / 10 for number in range(total)]
    places = chosen(times, frames, fps)
    assert 1 <= len(places) <= frames
    assert places == sorted(set(places))
    assert places[0] >= 0 and places[-1] < total
    if fps is None and frames > 1:
        assert (places[0], places[-1]) == (0, total - 1)


def test_a_folder_holds_frames_in_the_order_of_their_numbers_and_nothing_else(tmp_path: Path) -> None:
    path = save_folder(tmp_path / "folder", moving(12))
    (path / "notes.json").write_text("{}")
    (path / "._1.png").write_bytes(b"left by a file manager")
    assert [Path(frame).name for frame in frames_of(Clip(path))] == [f"{n}.png" for n in range(1, 13)]  # type: ignore[arg-type]


def test_a_picture_that_does_not_move_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    moving(1)[0].save(tmp_path / "a.jpg")
    assert numbers(Clip(tmp_path / "a.jpg")) == [0]


@pytest.mark.parametrize("name", SAVERS)
def test_the_key_is_that_of_content_and_frames(name: str, tmp_path: Path) -> None:
    first, again = SAVERS[name](tmp_path / name, moving(6)), tmp_path / f"again-{name}"
    (shutil.copytree if first.is_dir() else shutil.copyfile)(first, again)
    assert visual_key(Clip(first)) == visual_key(Clip(str(again)))
    other = SAVERS[name](tmp_path / f"other-{name}", moving(6)[::-1])
    assert len({visual_key(Clip(first)), visual_key(Clip(first, frames=3)), visual_key(Clip(other))}) == 3


def test_a_folder_has_the_key_of_its_frames(tmp_path: Path) -> None:
    path = save_folder(tmp_path / "folder", moving(5))
    frames = tuple(path / f"{number}.png" for number in range(1, 6))
    assert visual_key(Clip(path)) == visual_key(frames)
    assert visual_key(frames[0]) == image_key(frames[0]) != visual_key(frames[:1])


def test_the_key_of_a_clip_is_that_of_its_frames_in_their_order() -> None:
    one, other = "1a", "2b"
    assert clip_key([one, other]) == clip_key(iter((one, other)))
    assert len({one, clip_key([one]), clip_key([one, one]), clip_key([one, other]), clip_key([other, one])}) == 5


def test_a_picture_is_its_own_single_frame() -> None:
    assert frames_of("a.png") == ("a.png",)
    assert frames_of(("a.png", "b.png")) == ("a.png", "b.png")
    assert [most_frames(visual) for visual in ("a.png", ("a.png", "b.png"), Clip("a.mp4", frames=7))] == [1, 2, 7]


def test_clips_are_named_by_their_path() -> None:
    assert describe_visual(Clip(Path("films/a.mp4"))) == "video films/a.mp4"


@pytest.mark.parametrize("settings", [{"frames": 0}, {"frames": -1}, {"fps": 0}, {"fps": -1.0}, {"fps": float("nan")}])
def test_a_clip_of_nothing_is_refused(settings: Any) -> None:
    with pytest.raises(InputError, match=r"frames can't be looked at|no .* frames per second"):
        Clip("a.mp4", **settings)


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaMissing, match=r"none\.mp4 does not exist"):
        frames_of(Clip(tmp_path / "none.mp4"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaUnreadable, match="empty holds no frames"):
        frames_of(Clip(tmp_path / "empty"))


@pytest.mark.parametrize("data", [b"", b"no clip at all", b"\x00" * 5000, bytes(range(256)) * 40])
@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a"])
def test_what_is_no_clip_is_told(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MediaUnreadable, match=rf"{name} is no picture and no video"):
        frames_of(Clip(tmp_path / name))


@pytest.mark.parametrize("name", [name for name in SAVERS if name != "folder"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_cut_off_file_gives_frames_or_an_error_with_its_name(name: str, share: float, tmp_path: Path) -> None:
    path = SAVERS[name](tmp_path / name, moving(12))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    try:
        count = size_and_frames(Clip(path))[1]
        frames = [load_image(frame) for frame in frames_of(Clip(path))]
    except MediaError as error:
        assert name in str(error)
    else:
        assert 1 <= len(frames) == count <= 12


def test_a_damaged_frame_of_a_folder_is_named_when_it_is_looked_at(tmp_path: Path) -> None:
    path = save_folder(tmp_path / "folder", moving(3))
    (path / "2.png").write_bytes(b"no picture")
    with pytest.raises(MediaUnreadable, match=r"2\.png is not an image"):
        numbers(Clip(path))


@pytest.mark.parametrize("name", SAVERS)
def test_limits_hold_before_frames_are_decoded(name: str, tmp_path: Path) -> None:
    path = SAVERS[name](tmp_path / name, moving(12))
    with pytest.raises(MediaTooLarge, match="more than 11 frames"):
        frames_of(Clip(path), MediaLimits(max_frames=11))
    with pytest.raises(MediaTooLarge, match="5 of its frames have 15,360 pixels, the limit is 15,000; take fewer"):
        frames_of(Clip(path, frames=5), MediaLimits(max_clip_pixels=15_000))
    with pytest.raises(MediaTooLarge, match="3,072 pixels, the limit is 3,000"):
        frames_of(Clip(path), MediaLimits(max_pixels=3000))


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path: Path) -> None:
    video, picture = save_video(tmp_path / "a.mp4", moving(3)), save_animation(tmp_path / "a.gif", moving(3))
    with pytest.raises(MediaTooLarge, match="more than 100 bytes"):
        frames_of(Clip(video), MediaLimits(max_clip_bytes=100))
    with pytest.raises(MediaTooLarge, match="more than 100 bytes"):
        frames_of(Clip(picture), MediaLimits(max_bytes=100))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaUnreadable, match="no ordinary file"):
        frames_of(Clip(tmp_path / "pipe.mp4"))


def test_playlists_that_name_other_files_are_not_followed(tmp_path: Path) -> None:
    save_video(tmp_path / "a.mp4", moving(3))
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n")
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile a.mp4\n")
    for name in ("list.m3u8", "list.ffconcat"):
        with pytest.raises(MediaUnreadable, match=f"{name} is no picture and no video"):
            frames_of(Clip(tmp_path / name))


def test_a_file_of_sound_alone_holds_no_video(tmp_path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", 44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(MediaUnreadable, match=r"a\.mp4 holds no video"):
        frames_of(Clip(tmp_path / "a.mp4"))


def test_without_the_extra_a_video_file_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video, picture = save_video(tmp_path / "a.mp4", moving(3)), save_animation(tmp_path / "a.gif", moving(3))
    plain = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "av":
            raise ImportError(name)
        return plain(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r'pip install "elva-retrieval\[video\]"'):
        frames_of(Clip(video))
    assert numbers(Clip(picture)) == [0, 1, 2], "Pillow reads this one"


def test_frames_of_transparent_animations_lie_on_white(tmp_path: Path) -> None:
    frames = [Image.new("RGBA", (8, 8), (255, 0, 0, alpha)) for alpha in (0, 255)]
    path = save_animation(tmp_path / "a.webp", frames)
    corners = [load_image(frame).getpixel((0, 0)) for frame in frames_of(Clip(path))]
    assert corners[0] == (255, 255, 255) and corners[1] != corners[0]


def test_the_times_of_the_frames_that_are_shown(tmp_path: Path) -> None:
    clip = save_folder(tmp_path / "clip", moving(8))
    assert shown_times(Clip(clip, 3)) == [0.0, 2.0, 3.5]
    assert shown_times(Clip(clip, 8, fps=1)) == [0.0, 1.0, 2.0, 3.0]
    assert shown_times(Clip(clip, 8, part=(6, 8))) == [3.0, 3.5]
