"""How a child comes to its end: by SIGKILL at a chosen place, or on a disk that takes no more."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import Qwen2VLForConditionalGeneration

from elva import whole
from elva.index import build
from elva.model.processor import Processor
from elva.training import checkpoint, run
from elva.training.session import Session


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(place: Any, name: str, act: Callable[..., None]) -> None:
    """Do this before each call of a function, with its arguments."""
    function = getattr(place, name)

    def called(*arguments: Any, **named: Any) -> Any:
        act(*arguments)
        return function(*arguments, **named)

    setattr(place, name, called)


def after(place: Any, name: str, act: Callable[..., None]) -> None:
    """Do this after each call of a function, with its result and its arguments."""
    function = getattr(place, name)

    def called(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        act(result, *arguments, **named)
        return result

    setattr(place, name, called)


def half_a_file(folder: Path, name: str) -> None:
    """Killed when half of this file of a checkpoint, or of a model, is written."""

    def halve(*_: Any, **__: Any) -> None:
        for file in folder.parent.glob(f".{folder.name}.*.part/{name}"):
            os.truncate(file, file.stat().st_size // 2)
            die()

    after(checkpoint, "_write_tensors", halve)
    after(checkpoint, "_write_json", halve)
    after(Qwen2VLForConditionalGeneration, "save_pretrained", halve)
    after(Processor, "save", halve)


def before_it_is_in_place(folder: Path) -> None:
    """Killed when all is written, and nothing is renamed."""
    before(whole, "_place", lambda part, out, replace: die() if out == folder else None)


def when_it_is_in_place(folder: Path) -> None:
    """Killed when all is renamed, and nothing that was replaced is removed."""
    after(whole, "_place", lambda _, part, out, replace: die() if out == folder else None)


def between_two_renames(folder: Path) -> None:
    """Killed where the system can't swap two folders at once, and one of them has no name."""
    whole._exchange = lambda part, out: False
    rename = Path.rename

    def renamed(path: Path, target: Path) -> Path:
        if path.name.endswith(whole.PART) and not folder.exists():
            die()
        return rename(path, target)

    Path.rename = renamed  # type: ignore[method-assign]


def half_pruned(folder: Path) -> None:
    """Killed while an old checkpoint is removed."""

    def remove(path: Path, *_: Any) -> None:
        if path == folder:
            next(path.glob("*.safetensors")).unlink()
            die()

    before(shutil, "rmtree", remove)


def before_the_record(_: Path) -> None:
    """Killed when the model is saved, and run.json is not."""
    after(run, "_save", lambda *_: die())


def at_call(place: Any, name: str, number: int, *, done: bool) -> None:
    """Killed at the call of a function that is the `number`-th, from 1: before it, or once it is done."""
    calls: list[None] = []

    def count(*_: Any, **__: Any) -> None:
        calls.append(None)
        if len(calls) == number:
            die()

    (after if done else before)(place, name, count)


def full_disk_when_publishing(number: int, room: int) -> None:
    """From the `number`-th publication on, no file may grow beyond `room` bytes."""
    calls: list[None] = []

    def limit(*_: Any) -> None:
        calls.append(None)
        if len(calls) == number:
            no_file_beyond(room)

    before(build._Build, "_put", limit)


def full_disk(step: int, room: int, beside: Path | None = None) -> None:
    """From this update on, no file may grow beyond `room` bytes (and the size of `beside`)."""

    def limit(_: None, session: Session, *__: Any) -> None:
        if session.steps_done == step:
            no_file_beyond(room + (beside.stat().st_size if beside else 0))

    after(Session, "update", limit)


def full_disk_at_the_end(room: int) -> None:
    """The same once the training is over."""
    before(run, "_save", lambda *_: no_file_beyond(room))


def no_file_beyond(size: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # python ignores SIGXFSZ: a write fails
