"""`elva demo`: the whole story on one machine, told by the very commands a user would type.

Jobs run two at a time, one thread each: two processes of one thread beat one of two threads by far at this size.
A job that finished is not run again while all that went into it is the same (command, recipe, base model, and the
jobs before it), so a second demo reuses what is there.

    world -> captions of the base -> stage 1 -> stage 2 -> mined negatives -> elva -> more_stage2, elva_paper
                                        `-> evaluated after each stage       `-> index, searches, report

`more_stage2` and `elva_paper` get the training seconds that `elva` took: equal budget, whatever the machine.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from elva import __version__
from elva.analysis.marks import around, insert
from elva.analysis.report import ReportInput, write_report
from elva.analysis.rows import read_results, row_of, write_results, write_results_table
from elva.data.world.write import FORMAT
from elva.data.writing import write_lines
from elva.errors import InputError
from elva.model.embedder import checkpoint_folder
from elva.training.recipe import dump_recipe, load_recipe

ROWS = ("stage1", "stage2", "more_stage2", "elva", "elva_paper")
EXTRA_ROWS = ("elva_no_rollouts", "control_infonce_rollouts")
# The benchmark holds an exact answer to each, and five pictures that are one grain off.
SEARCHES = (
    "a small red striped triangle above a large cyan house with dots",
    "a large hollow upside-down orange house above a large striped green circle on mint",
    "a little pink upside-down drop with stripes left of a little striped cyan circle",
)
QUICK = {"stage1": "budget.steps=5", "stage2": "budget.steps=10", "elva": "budget.steps=5"}
TABLE = "demo"
"""The marks of the table in a document."""
AT_ONCE = 2
MRBENCH_TASKS = (0, 3, 4, 7)

Command = Callable[[], list[str]]


@dataclass(frozen=True, slots=True)
class Job:
    """One `elva` command of the story.

    Attributes:
        name: for the screen and the log file.
        command: the arguments, asked for when the job starts, because some depend on earlier results.
        needs: names of the jobs that must be done before.
        leaves: what exists once it is done.
        folder: what is removed before the job runs on anything else than last time; commands that replace their own
            output need none.
    """

    name: str
    command: Command
    needs: tuple[str, ...]
    leaves: Path
    folder: Path | None = None


def run_demo(out: Path, seeds: int = 1, quick: bool = False, table: Path | None = None, extra: bool = False) -> None:
    """Run every job that is not done yet, then write report.html, results.json and say what to type next.

    Args:
        out: the demo's folder.
        seeds: how many training seeds; the world and its base model stay the same.
        quick: a few steps of everything, to see it run; its figures mean nothing.
        table: also write the table of all seeds between the marks of this markdown file.
        extra: also train the form without rollouts and the control on the same rollouts.

    Raises:
        ElvaError: a job failed; names its log. Or `out` holds something else, or `table` has no marks.
    """
    _check_out(out)
    if table:
        around(table, TABLE)
    console = Console(stderr=True)
    started = time.monotonic()
    rows = ROWS + (EXTRA_ROWS if extra else ())
    jobs = _data_jobs(out) + [job for seed in range(seeds) for job in _seed_jobs(out, seed, quick, rows)]
    _Runner(out, console).run(jobs)
    results = [_write_seed(out, seed, rows) for seed in range(seeds)]
    shutil.copyfile(out / "seed-0" / "results.json", out / "results.json")
    _write_report(out, rows)
    markdown = write_results_table(results)
    write_lines(out / "results.md", [markdown])
    if table:
        insert(table, TABLE, markdown)
    _say_goodbye(out, time.monotonic() - started)


def _data_jobs(out: Path) -> list[Job]:
    world, cache = str(out / "world"), str(out / "cache")
    captions = out / "captions.jsonl"
    caption = ["caption", world, "--model", "tiny-base", "--out", str(captions), "--image-cache", cache]
    return [
        Job("world", lambda: ["world", world], (), out / "world" / "grains.json", out / "world"),
        Job("captions", lambda: caption, ("world",), captions),
    ]


def _seed_jobs(out: Path, seed: int, quick: bool, rows: Sequence[str]) -> list[Job]:
    """The jobs of one training seed; names carry the seed from the second one on."""
    home = out / f"seed-{seed}"
    world, cache = str(out / "world"), str(out / "cache")
    model = {row: home / row / "model" for row in rows}
    negatives = home / "negatives.jsonl"

    def named(name: str) -> str:
        return f"{name} (seed {seed})" if seed else name

    def train(row: str, start: str, *settings: str) -> list[str]:
        common = [f"data.root={world}", f"data.image_cache={cache}", f"model.path={start}", f"seed={seed}"]
        short = [QUICK[row]] if quick and row in QUICK else []
        return ["train", f"tiny/{row}", *common, *settings, *short, "--out", str(home / row), "--resume"]

    written = f"data.captions={out / 'captions.jsonl'}"
    mined = f"data.negatives={negatives}"
    stage2 = str(model["stage2"])
    mining = ["mine", world, "--queries", "1200", "--seed", str(seed)]
    mining += [word for task in MRBENCH_TASKS for word in ("--task", str(task))]

    def seconds_of_elva() -> tuple[str, str]:
        run = json.loads((home / "elva" / "run.json").read_text("utf-8"))
        return "budget.steps=null", f"budget.seconds={run['train_seconds']}"

    commands: dict[str, tuple[Command, tuple[str, ...]]] = {
        "stage1": (lambda: train("stage1", "tiny-base"), ("world",)),
        "stage2": (lambda: train("stage2", str(model["stage1"]), written), ("stage1", "captions")),
        "mine": (
            lambda: [*mining, "--model", stage2, "--out", str(negatives), "--image-cache", cache],
            ("stage2",),
        ),
        "elva": (lambda: train("elva", stage2, written, mined), ("mine",)),
        "more_stage2": (lambda: train("more_stage2", stage2, written, *seconds_of_elva()), ("elva",)),
        "elva_paper": (lambda: train("elva_paper", stage2, mined, *seconds_of_elva()), ("elva",)),
    }
    for row in set(rows) & set(EXTRA_ROWS):
        commands[row] = (lambda row=row: train(row, stage2, written, mined, *seconds_of_elva()), ("elva",))  # type: ignore[misc]
    jobs = [
        Job(
            named(name),
            command,
            tuple(need if need in ("world", "captions") else named(need) for need in needs),
            *_leaves(home, name),
        )
        for name, (command, needs) in commands.items()
    ]
    for row in rows:
        judge = ["evaluate", "mbeir", world, "--dataset", "mrbench", "--model", str(model[row]), "--image-cache", cache]
        judged = home / row / "evaluation"
        jobs.append(
            Job(
                named(f"evaluate {row}"),
                lambda judge=judge, judged=judged: [*judge, "--out", str(judged)],  # type: ignore[misc]
                (named(row),),
                judged / "results.json",
            )
        )
    return jobs + (_search_jobs(out, str(model["elva"])) if seed == 0 else [])


def _leaves(home: Path, name: str) -> tuple[Path, Path | None]:
    if name == "mine":
        return home / "negatives.jsonl", None
    return home / name / "model" / "config.json", home / name


def _search_jobs(out: Path, model: str) -> list[Job]:
    index = out / "index"
    # The pictures alone: with the texts beside them, words would mostly find words.
    pictures = [str(out / "world"), "--dataset", "mrbench", "--task", "0"]
    build = ["index", *pictures, "--model", model, "--image-cache", str(out / "cache")]
    jobs = [Job("index", lambda: [*build, "--out", str(index)], ("elva",), index / "meta.json")]
    for number, text in enumerate(SEARCHES, 1):
        sheet = out / "searches" / f"{number}.png"
        search = ["search", str(index), text, "--instruction", "Find the matching picture.", "--sheet", str(sheet)]
        jobs.append(Job(f"search {number}", lambda search=search: search, ("index",), sheet))  # type: ignore[misc]
    return jobs


class _Runner:
    """Runs jobs as processes, as many at a time as there are cores for, and shows what each is doing."""

    def __init__(self, out: Path, console: Console) -> None:
        self._logs, self._console = out / "logs", console
        self._logs.mkdir(parents=True, exist_ok=True)
        self._running: dict[str, tuple[subprocess.Popen[bytes], float]] = {}
        self._seconds: dict[str, float | None] = {}
        self._everywhere = {"elva": __version__, "world": FORMAT, "base": _digest(checkpoint_folder("tiny-base"))}

    def run(self, jobs: Sequence[Job]) -> dict[str, float | None]:
        """Every job after those it needs; the first failure, Ctrl-C or SIGTERM stops all.

        Returns:
            The seconds that each job took, None where what it left was there already.
        """
        waiting = {job.name: job for job in jobs}
        try:
            with Live(console=self._console, refresh_per_second=2, transient=False) as live:
                while waiting or self._running:
                    self._start_ready(waiting)
                    time.sleep(0.2)
                    self._collect()
                    live.update(self._screen(len(jobs)))
        finally:
            self._stop()
        return self._seconds

    def _start_ready(self, waiting: dict[str, Job]) -> None:
        for job in list(waiting.values()):
            if len(self._running) >= AT_ONCE:
                return
            if not all(need in self._seconds for need in job.needs):
                continue
            del waiting[job.name]
            command = job.command()
            if self._is_done(job, self._made_from(job, command)):
                self._seconds[job.name] = None
                continue
            self._log(job.name).write_text("", "utf-8")
            with self._log(job.name).open("ab") as log:
                # A session of its own: the terminal's Ctrl-C reaches the demo alone, which asks each job to stop once.
                process = subprocess.Popen(
                    [sys.executable, "-m", "elva", *command], stdout=log, stderr=log, start_new_session=True
                )
            self._running[job.name] = process, time.monotonic()

    def _collect(self) -> None:
        for name, (process, started) in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            del self._running[name]
            if code:
                last = "\n".join(self._log(name).read_text("utf-8", "replace").splitlines()[-5:])
                raise InputError(f"the demo's job '{name}' failed; its log is {self._log(name)}:\n{last}")
            stamp = json.loads(self._stamp(name).read_text("utf-8"))
            write_lines(self._stamp(name), [json.dumps(stamp | {"done": time.time()}, indent=1)])
            self._seconds[name] = time.monotonic() - started
            if not self._console.is_terminal:
                self._console.print(f"{name}: done in {self._seconds[name]:.0f} s")

    def _made_from(self, job: Job, command: list[str]) -> dict[str, Any]:
        """All that goes into a job. The stamps of the jobs before it differ whenever one of those ran again."""
        recipe = {}
        if command[0] == "train":
            recipe["recipe"] = dump_recipe(load_recipe(command[1], command[2 : command.index("--out")]))
        needs = {need: self._stamp(need).read_text("utf-8") for need in job.needs}
        digests = {need: hashlib.sha256(stamp.encode()).hexdigest() for need, stamp in needs.items()}
        return {"command": command, **recipe, "needs": digests, **self._everywhere}

    def _is_done(self, job: Job, made_from: dict[str, Any]) -> bool:
        """Whether a job need not run. Where it must, its stamp is begun, and what was made otherwise goes."""
        path = self._stamp(job.name)
        begun = path.exists()
        try:
            stamp = json.loads(path.read_text("utf-8")) if begun else {}
        except ValueError:
            stamp = {}
        same = isinstance(stamp, dict) and stamp.get("made_from") == made_from
        if same and stamp.get("done") and job.leaves.exists():
            return True
        if begun and not same and job.folder is not None:
            shutil.rmtree(job.folder, ignore_errors=True)
        write_lines(path, [json.dumps({"made_from": made_from}, indent=1)])
        return False

    def _log(self, name: str) -> Path:
        return self._logs / f"{name.replace(' ', '-')}.log"

    def _stamp(self, name: str) -> Path:
        return self._log(name).with_suffix(".done")

    def _screen(self, total: int) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_row(f"[bold]{len(self._seconds)}/{total} jobs done[/bold]")
        for name, seconds in self._seconds.items():
            table.add_row("[green]✓[/green] " + name, "was there" if seconds is None else f"{seconds:.0f} s")
        for name, (_, started) in self._running.items():
            lines = self._log(name).read_text("utf-8", "replace").splitlines()
            table.add_row(f"… {name}", f"{time.monotonic() - started:.0f} s", lines[-1][:90] if lines else "starting")
        return table

    def _stop(self) -> None:
        """Ask what still runs to stop; trainings leave a checkpoint that the next demo resumes."""
        for process, _ in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process, _ in self._running.values():
            process.wait()


def _write_seed(out: Path, seed: int, rows: Sequence[str]) -> dict[str, object]:
    """results.json of one seed, from what each row's evaluation and training left."""
    home = out / f"seed-{seed}"
    table = {}
    for row in rows:
        evaluation = json.loads((home / row / "evaluation" / "results.json").read_text("utf-8"))
        run = json.loads((home / row / "run.json").read_text("utf-8"))
        table[row] = row_of(evaluation, updates=run["updates"], train_seconds=run["train_seconds"])
    write_results(home / "results.json", table, seed)
    return read_results(home / "results.json")


def _write_report(out: Path, rows: Sequence[str]) -> None:
    home = out / "seed-0"
    index = out / "index"
    given = ReportInput(
        results=out / "results.json",
        evaluations={row: home / row / "evaluation" for row in rows},
        runs={row: home / row for row in rows},
        root=out / "world",
        commands=[
            (f'elva search {index} "{SEARCHES[0]}"', "search with your own words"),
            (f"elva search {index} --image {out}/world/mbeir_images/mrbench/test/00001.png", "search with a picture"),
            (f"elva evaluate mbeir {out}/world --model {home}/elva/model --out evaluation", "all eight task types"),
            (f"elva demo --out {out} --seeds 3", "the same for three training seeds"),
            ("elva import --help", "your own table of pictures and texts"),
        ],
    )
    write_report(given, out / "report.html")


def _check_out(out: Path) -> None:
    """Refuse a folder that is no demo: results.json, report.html and more would be written over."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "logs" / "world.log").is_file())):
        raise InputError(f"{out} exists and is no demo; choose another folder, or empty this one")


def _digest(folder: Path) -> str:
    """One name for all that a folder of files holds."""
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        digest.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _say_goodbye(out: Path, seconds: float) -> None:
    console = Console()
    console.print(f"\nDone in {seconds / 60:.1f} minutes. Open [bold]{out / 'report.html'}[/bold] in a browser.")
    console.print(f"The sheets of {len(SEARCHES)} sample searches lie in {out / 'searches'}. Type next:")
    console.print(f'  elva search {out / "index"} "{SEARCHES[0]}"', highlight=False)
