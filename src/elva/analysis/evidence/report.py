"""The report of an experiment: a page, its tables as Markdown, its plots as files, and every figure as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from elva.analysis.evidence.arms import trials
from elva.analysis.evidence.checks import Check, checks
from elva.analysis.evidence.figures import ROLE_COLOURS, Figure, choose, figures
from elva.analysis.evidence.judged import Against, Judged, judge
from elva.analysis.evidence.tables import ROLE_NAMES, Table, p_value, points, tables
from elva.analysis.marks import around, insert
from elva.analysis.page import render, standalone
from elva.analysis.records import read_records
from elva.data.writing import write_lines
from elva.errors import InputError
from elva.evaluation.table import percent

SCHEMA = 1
MARK = "evidence"
SUMMARY = "summary.json"


@dataclass(frozen=True, slots=True)
class Section:
    """One trial as the page shows it."""

    name: str
    judged: Judged
    verdict: list[str]
    tables: list[Table]
    figures: list[Figure]
    checks: list[Check]

    @property
    def slug(self) -> str:
        """A name for files."""
        return f"{self.judged.experiment}-{self.judged.data}-{self.judged.split}"


def write_evidence(
    places: Sequence[Path],
    out: Path,
    *,
    dominant: Sequence[str] = (),
    show: Sequence[str] = (),
    document: Path | None = None,
    images: Path | None = None,
) -> list[Section]:
    """Judge the records of `places` and write the page, and `SUMMARY` beside it.

    Args:
        places: record files, or folders of them.
        out: the page to write.
        dominant: kinds of grains that mostly suffice; those that the records name when empty.
        show: the arms of the plots by kind; baseline, strongest control, default and the best candidates when empty.
        document: a Markdown file whose tables between the marks `MARK` are written anew.
        images: a folder for the plots as SVG files.

    Raises:
        InputError: a place is missing or holds no record; a record can't be used (names file and key); records
            contradict each other; an arm or a kind of grain that no record knows is asked for; the document has no
            marks.
    """
    if document:
        around(document, MARK)
    records = read_records(places)
    _check_names("--show", show, {each.arm for each in records})
    _check_names("--dominant", dominant, {kind for each in records for kind in each.grains})
    held = trials(records)
    judged = [judge(trial, dominant) for trial in held]
    sections = []
    for trial, each in zip(held, judged, strict=True):
        others = [other for other in judged if (other.data, other.split) == (each.data, each.split)]
        name = f"{each.experiment}: {each.data}, {each.split}"
        drawn = figures(trial, each, others, choose(each, show))
        sections.append(Section(name, each, verdict(each), tables(each), drawn, checks(trial, each)))
    page = render(
        "evidence.html.j2",
        title="Experiment " + ", ".join(dict.fromkeys(each.experiment for each in judged)),
        sections=sections,
        role_names=ROLE_NAMES,
        role_colours=ROLE_COLOURS,
        count=len(records),
    )
    if images:
        for section in sections:
            for figure in section.figures:
                write_lines(_image(images, section, figure), [standalone(figure.svg)])
    summary = {"schema": SCHEMA, "trials": [_summary(each) for each in sections]}
    write_lines(out.with_name(SUMMARY), [json.dumps(summary, indent=1, allow_nan=False)])
    write_lines(out, [page])
    if document:
        insert(document, MARK, markdown(sections, document.parent, images))
    return sections


def markdown(sections: Sequence[Section], folder: Path, images: Path | None = None) -> str:
    """The sections for a document in `folder`, with links to the plots in `images`."""
    parts = []
    for each in sections:
        parts += [f"### {each.name}\n", "\n".join(f"- {line}" for line in each.verdict) + "\n"]
        first, *others = [table.markdown() for table in each.tables]
        parts.append(first)
        if images:
            for figure in each.figures:
                link = os.path.relpath(_image(images, each, figure), folder)
                parts.append(f"![{figure.title}]({Path(link).as_posix()})\n\n*{figure.title}.* {figure.note}\n")
        parts += others
        parts.append("**What a sceptic would ask**\n\n" + "\n".join(_check_line(check) for check in each.checks) + "\n")
    return "\n".join(parts)


def verdict(judged: Judged) -> list[str]:
    """What the trial says, in sentences: about the default, or the best candidate where there is none."""
    candidates = [row for row in judged.rows.values() if row.role == "candidate"]
    if not candidates:
        return ["There is no candidate, so there is nothing to judge."]
    best = max(candidates, key=lambda row: row.rates["hit@1"].mean)
    subject = judged.rows[judged.default] if judged.default else best
    lines = []
    for against, what in (
        (subject.against_control, "the strongest control"),
        (subject.against_baseline, "the baseline"),
    ):
        if against:
            lines.append(f"{subject.name}{' (default)' if subject.default else ''} {_compared(against, what)}")
    if best.name != subject.name:
        lines.append(f"The best candidate is {best.name}, at {percent(best.rates['hit@1'].mean)} % hit@1.")
    winners = [row.name for row in candidates if (a := row.against_control) and a.clear and a.found.difference > 0]
    if judged.control:
        listed = ", ".join(winners) or "none"
        lines.append(f"Candidates that clearly beat the strongest control: {listed} (of {len(candidates)}).")
    return lines


def _compared(against: Against, what: str) -> str:
    found = against.found
    word = ("clearly better" if found.difference > 0 else "clearly worse") if against.clear else "no clear difference"
    word = word if len(against.seeds) > 1 else "one seed, which can't tell the luck of training"
    p = p_value(against.p_holm)
    sign = "p " if p.startswith("<") else "p = "
    return (
        f"against {what}, {against.other}: {points(found.difference)} points of hit@1 "
        f"({points(found.low)} to {points(found.high)}), {sign}{p} after Holm, "
        f"the same sign in {found.same_sign} of {len(against.seeds)} seeds: {word}."
    )


def _check_line(check: Check) -> str:
    sign = {"yes": "✓", "no": "**!**", "open": "·"}[check.verdict]
    return f"- {sign} {check.question} {check.answer}"


def _summary(section: Section) -> dict[str, object]:
    return {
        **section.judged.to_row(),
        "verdict": section.verdict,
        "checks": [asdict(each) for each in section.checks],
    }


def _image(folder: Path, section: Section, figure: Figure) -> Path:
    return folder / f"{MARK}-{section.slug}-{figure.name}.svg"


def _check_names(option: str, asked: Sequence[str], known: set[str]) -> None:
    for each in asked:
        if each not in known:
            raise InputError(f"{option} {each}: no record has it; they have {', '.join(sorted(known))}")
