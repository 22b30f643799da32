"""The report: one self-contained page that says what was done, what came of it, and shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elva.analysis.curves import curves, read_metrics
from elva.analysis.examples import Changes, Evaluated
from elva.analysis.figures import Bars, bar_chart
from elva.analysis.page import render
from elva.analysis.rows import LABELS, difference, read_results
from elva.data.mbeir import MBeir
from elva.data.writing import write_lines
from elva.evaluation.table import percent

_MAIN = ("hit@1", "hit@5", "hit@10", "mrr")


@dataclass(frozen=True, slots=True)
class ReportInput:
    """What a report is made of.

    Attributes:
        results: demo/results.json, see `rows.write_results`.
        evaluations: row -> its evaluation folder.
        runs: name -> run folder (or metrics.jsonl) whose curves are drawn; a row's own name where
            it has one.
        root: the data, for queries and pictures.
        commands: what to type next, each with what it does.
        before: the row that the pictures start from.
        after: the row they are compared with.
        about: a sentence on what was trained, and on which data.
    """

    results: Path
    evaluations: Mapping[str, Path]
    runs: Mapping[str, Path]
    root: Path
    commands: Sequence[tuple[str, str]] = ()
    before: str = "stage2"
    after: str = "elva"
    about: str = "Here a tiny vision-language model went through all stages on rendered scenes."


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell; the best of its column is marked."""

    text: str
    best: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What the models wrote about one query: summary -> the rows that wrote it."""

    image: str | None
    text: str | None
    summaries: Mapping[str, Sequence[str]]


def write_report(given: ReportInput, out: Path) -> None:
    """Write the page to `out`, at once or not at all. It needs no network and no scripts.

    Raises:
        InputError: results or an evaluation are missing, or of different queries.
    """
    results = read_results(given.results)
    rows = results["rows"]
    evaluated = {name: Evaluated(given.evaluations[name]) for name in rows if name in given.evaluations}
    names = list(dict.fromkeys([*rows, *given.runs]))
    colours = {name: i for i, name in enumerate(names)}
    text = render(
        "report.html.j2",
        about=given.about,
        seed=results["seed"],
        labels={name: LABELS.get(name, name) for name in names},
        colours=colours,
        rows=list(rows),
        before=given.before,
        after=given.after,
        table=_table(rows),
        tasks=_task_table(rows),
        chance=[percent(_any(rows).get("chance", {}).get(key)) for key in _MAIN],
        verdict=verdict(evaluated),
        comparisons=comparisons(evaluated, given.after),
        pairs=_pair_chart(rows, colours),
        distances=_distance_chart(rows, colours),
        curves=curves({name: read_metrics(run) for name, run in given.runs.items()}, colours),
        **_pictures(given, evaluated),
        commands=given.commands,
        models={name: row.get("model", {}) for name, row in rows.items()},
        data=next(iter(evaluated.values())).results["data"]["fingerprint"] if evaluated else "",
    )
    write_lines(out, [text])


def _any(rows: Mapping[str, Any]) -> Mapping[str, Any]:
    first: Mapping[str, Any] = next(iter(rows.values()))
    return first


def verdict(evaluated: Mapping[str, Evaluated]) -> str:
    """Which row is best by mean hit@1, and whether its lead is more than noise."""
    ordered = sorted(evaluated, key=lambda name: -evaluated[name].results["mean"]["hit@1"])
    if len(ordered) < 2:
        return "There is only one row, so there is nothing to compare."
    first, second = (evaluated[name].results for name in ordered[:2])
    lead = difference(first, second)
    reached = f"{ordered[0]} has the highest mean hit@1, {percent(first['mean']['hit@1'])} %"
    against = f"{ordered[1]} ({percent(second['mean']['hit@1'])} %)"
    if lead.clear:
        return f"{reached}: {lead} over {against}, more than two standard errors."
    return f"{reached}, but its lead over {against} is {lead}: too close to call."


def comparisons(evaluated: Mapping[str, Evaluated], subject: str) -> list[str]:
    """A sentence for every other row: how `subject` compares with it, paired by query."""
    if subject not in evaluated:
        return []
    return [_comparison(subject, name, evaluated) for name in evaluated if name != subject]


def _comparison(subject: str, name: str, evaluated: Mapping[str, Evaluated]) -> str:
    found = difference(evaluated[subject].results, evaluated[name].results)
    word = ("better" if found.points > 0 else "worse") if found.clear else "no clear difference"
    return f"{subject} against {name}: {found} of hit@1 over {found.queries} queries; {word}."


def _table(rows: Mapping[str, Any]) -> dict[str, list[Cell]]:
    best = {key: max(row["mean"][key] for row in rows.values()) for key in _MAIN}
    return {
        name: [
            *(
                Cell(
                    percent(row["mean"][key]),
                    row["mean"][key] == best[key],
                    f"± {percent(row['mean']['hit@1_se'])}" if key == "hit@1" else "",
                )
                for key in _MAIN
            ),
            Cell(f"{row['updates']:,}"),
            Cell(f"{row['train_seconds']:.0f} s"),
            Cell(f"{percent(row['missing_ret'], 2)}"),
        ]
        for name, row in rows.items()
    }


def _task_table(rows: Mapping[str, Any]) -> dict[str, dict[str, list[Cell]]]:
    """Task -> row -> hit@1, hit@5, hit@10, MRR."""
    tables = {}
    for task in _any(rows)["tasks"]:
        held = {name: row["tasks"][task] for name, row in rows.items() if task in row["tasks"]}
        best = {key: max(each[key] for each in held.values()) for key in _MAIN}
        tables[task] = {
            name: [Cell(percent(each[key]), each[key] == best[key]) for key in _MAIN] for name, each in held.items()
        }
    return tables


def _kinds(rows: Mapping[str, Any], key: str) -> list[str]:
    """Kinds of grains that have this figure, those the first row feels best on top."""
    grains = _any(rows)["grains"]
    known = [kind for kind, each in grains.items() if each[key] is not None]
    return sorted(known, key=lambda kind: (-(grains[kind]["pair_accuracy"] or 0.0), kind))


def _pair_chart(rows: Mapping[str, Any], colours: Mapping[str, int]) -> str:
    bars = [
        Bars(name, colours[name], {k: _percent(g["pair_accuracy"]) for k, g in row["grains"].items()})
        for name, row in rows.items()
    ]
    kinds = _kinds(rows, "pair_accuracy")
    return bar_chart(bars, kinds, "pair accuracy by kind of grain", 100, 50) if kinds else ""


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _distance_chart(rows: Mapping[str, Any], colours: Mapping[str, int]) -> str:
    bars = [
        Bars(
            name,
            colours[name],
            {kind: each["grain_distance"] for kind, each in row["grains"].items()},
            row.get("paraphrase_distance"),
        )
        for name, row in rows.items()
    ]
    kinds = _kinds(rows, "grain_distance")
    held = [v for each in bars for v in (*each.values.values(), each.mark) if v is not None]
    label = "distance when a grain is removed, by kind"
    return bar_chart(bars, kinds, label, max(held)) if kinds and held else ""


def _pictures(given: ReportInput, evaluated: Mapping[str, Evaluated]) -> dict[str, Any]:
    """The parts of the page that show queries: by even spacing, largest gains, largest losses."""
    nothing: dict[str, Any] = {"spaced": [], "gains": [], "losses": [], "written": []}
    pair = {name: evaluated[name] for name in (given.before, given.after) if name in evaluated}
    if len(pair) < 2:
        return nothing
    shown = Changes.of(MBeir.open(given.root), *pair.items())
    return {
        "spaced": shown.spaced,
        "gains": shown.gains,
        "losses": shown.losses,
        "written": [Written(each.image, each.text, _summaries(each.qid, evaluated)) for each in shown.spaced],
    }


def _summaries(qid: str, evaluated: Mapping[str, Evaluated]) -> dict[str, list[str]]:
    written: dict[str, list[str]] = {}
    for name, each in evaluated.items():
        written.setdefault(each.summaries.get(("query", qid), ""), []).append(name)
    return written
