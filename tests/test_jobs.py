"""Jobs: what is done again and what is not, what fails, what waits for what, and what it costs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from elva.errors import FolderInUse, InputError
from elva.jobs import Job, Runner, start_elva
from elva.locks import FolderLock


def ran(out: Path, first: str) -> list[str]:
    """Run three jobs, of which the second needs the first; give those that were not reused."""
    (out / "first").mkdir(exist_ok=True)
    jobs = [
        Job("one", lambda: [first], (), out / "first", out / "first"),
        Job("two", lambda: ["--version"], ("one",), out),
        Job("other", lambda: ["--version"], (), out),
    ]
    seconds = Runner(out, Console(quiet=True), {}).run(jobs)
    return sorted(name for name, taken in seconds.items() if taken is not None)


def test_a_job_that_runs_again_makes_those_that_need_it_run_again(tmp_path: Path) -> None:
    assert ran(tmp_path, "--version") == ["one", "other", "two"]
    assert ran(tmp_path, "--version") == []
    (tmp_path / "first/old").write_text("made by another command")
    assert ran(tmp_path, "--help") == ["one", "two"]
    assert not (tmp_path / "first").exists(), "what was made otherwise is not taken up"
    assert ran(tmp_path, "--help") == []
    (tmp_path / "logs/one.done").write_text("{half")
    assert ran(tmp_path, "--help") == ["one", "two"]


def test_a_job_that_was_stopped_goes_on_with_what_it_left(tmp_path: Path) -> None:
    ran(tmp_path, "--version")
    stamp = json.loads((tmp_path / "logs/one.done").read_text())
    del stamp["done"]
    (tmp_path / "logs/one.done").write_text(json.dumps(stamp))
    (tmp_path / "first/checkpoint").write_text("")
    assert ran(tmp_path, "--version") == ["one", "two"]
    assert (tmp_path / "first/checkpoint").exists()


def test_a_job_is_made_from_its_own_inputs_and_no_other_s(tmp_path: Path) -> None:
    def taken(**digests: str) -> list[str]:
        jobs = [
            Job(name, lambda: ["--version"], (), tmp_path, inputs={f"base of {name}": digest})
            for name, digest in digests.items()
        ]
        return [name for name, seconds in runner(tmp_path).run(jobs).items() if seconds is not None]

    assert taken(shapes="1") == ["shapes"]
    assert taken(shapes="1", photos="1") == ["photos"]
    assert taken(shapes="2", photos="1") == ["shapes"]


def runner(out: Path, **how: object) -> Runner:
    return Runner(out, Console(quiet=True), {}, **how)  # type: ignore[arg-type]


def test_a_patient_runner_does_what_does_not_need_what_failed_and_names_the_log(tmp_path: Path) -> None:
    told: list[str] = []
    jobs = [
        Job("bad", lambda: ["no-such-command"], (), tmp_path),
        Job("lost", lambda: ["--version"], ("bad",), tmp_path, then=lambda: told.append("lost")),
        Job("good", lambda: ["--version"], (), tmp_path, then=lambda: told.append("good")),
    ]
    with pytest.raises(InputError, match=r"(?s)job 'bad' failed; its log is .*bad\.log.*1 jobs that need") as failure:
        runner(tmp_path, at_once=1, patient=True).run(jobs)
    assert "No such command" in str(failure.value)
    assert told == ["good"]
    with pytest.raises(InputError, match="job 'bad' failed"):
        runner(tmp_path, at_once=1).run(jobs)
    assert told == ["good"], "an impatient one stops"


def test_what_a_job_does_then_is_done_again_when_the_job_is_found_done(tmp_path: Path) -> None:
    told: list[str] = []
    jobs = [Job("one", lambda: ["--version"], (), tmp_path, then=lambda: told.append("one"))]
    runner(tmp_path).run(jobs)
    assert runner(tmp_path).run(jobs) == {"one": None}
    assert told == ["one", "one"]


def test_a_job_that_only_waits_for_another_is_not_run_again_with_it(tmp_path: Path) -> None:
    def taken(first: str) -> list[str]:
        jobs = [
            Job("waits", lambda: ["--version"], (), tmp_path, after=("first",)),
            Job("first", lambda: [first], (), tmp_path),
        ]
        seconds = runner(tmp_path).run(jobs)
        return [name for name, taken in seconds.items() if taken is not None]

    assert taken("--version") == ["first", "waits"]
    assert taken("--help") == ["first"]


def test_nothing_runs_beside_a_job_that_measures(tmp_path: Path) -> None:
    spans: dict[str, list[float]] = {}

    def start(command: Sequence[str], log: Path) -> int:
        spans[log.stem] = [time.monotonic()]
        return start_elva(command, log)

    def job(name: str, alone: bool = False) -> Job:
        return Job(
            name,
            lambda: ["--version"],
            (),
            tmp_path,
            alone=alone,
            then=lambda: spans[name].append(time.monotonic()),
        )

    runner(tmp_path, at_once=3, start=start).run([job("a"), job("measures", alone=True), job("b")])
    begin, end = spans["measures"]
    assert spans["a"][1] <= begin
    assert spans["b"][0] >= end


def test_a_job_s_processor_time_is_kept_and_adds_up_over_its_beginnings(tmp_path: Path) -> None:
    jobs = [Job("one", lambda: ["--version"], (), tmp_path)]
    first = runner(tmp_path)
    first.run(jobs)
    once = first.cpu_seconds("one")
    assert 0.02 < once < 30
    stamp = json.loads((tmp_path / "logs/one.done").read_text())
    del stamp["done"]
    (tmp_path / "logs/one.done").write_text(json.dumps({**stamp, "cpu_seconds": 1000.0}))
    again = runner(tmp_path)
    again.run(jobs)
    assert 1000 < again.cpu_seconds("one") < 1030


def test_a_folder_has_one_runner_at_a_time(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "logs"), pytest.raises(FolderInUse, match="in use by process"):
        runner(tmp_path).run([])
    assert runner(tmp_path).run([]) == {}
