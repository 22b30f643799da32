"""The tables of a judged trial, once for the page and for Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from elva.analysis.evidence.arms import Spread
from elva.analysis.evidence.judged import Against, Judged, Row
from elva.evaluation.table import decimals, markdown, percent

NONE = "-"
ROLE_NAMES = {
    "baseline": "baseline: what all start from",
    "candidate": "candidates",
    "control": "controls: the same seconds without the idea",
    "reference": "references",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table by arm.

    Attributes:
        title: what it shows.
        note: how to read it.
        header: the columns behind the arm.
        rows: a row's arm and cells.
        best: column, where higher is better -> the arms with its highest figure, references aside, to be marked.
    """

    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[Row, tuple[str, ...]], ...]
    best: dict[int, set[str]]

    def markdown(self) -> str:
        """As Markdown, with a title, a note, and the arms' roles as a column."""
        lines = [[_name(row), row.role, *cells] for row, cells in self.rows]
        return f"**{self.title}.** {self.note}\n\n{markdown(['arm', 'role', *self.header], lines)}"


def tables(judged: Judged) -> list[Table]:
    """All tables that the records have figures for, the main one first."""
    return [_main(judged), *_pairs(judged), *_distances(judged), *_named(judged)]


def _main(judged: Judged) -> Table:
    rows = list(judged.rows.values())
    seeds = sorted({seed for row in rows for seed in row.seeds})
    compared = (f"less {judged.control or 'a control'}", "p (Holm)", "seeds agree", "over baseline")
    by_seed = f"seed {' · '.join(map(str, seeds))}"
    header = ("hit@1", by_seed, *compared, "hit@5", "MRR", "updates", "seconds", "no [RET]")
    note = (
        "Rates in percent; ± is the sample standard deviation over seeds. The difference to the strongest control is "
        "in points of hit@1, with its 95 % interval; interval and p are paired by query and know nothing of seeds, so "
        "'seeds agree' tells in how many seeds the difference has this sign. 'Over baseline' is the relative gain."
    )
    best = {column: _best(rows, key) for column, key in ((0, "hit@1"), (6, "hit@5"), (7, "mrr"))}
    return Table("Retrieval", note, header, tuple((row, _main_cells(row, seeds)) for row in rows), best)


def _main_cells(row: Row, seeds: Sequence[int]) -> tuple[str, ...]:
    by_seed = dict(zip(row.seeds, row.rates["hit@1"].by_seed, strict=True))
    return (
        spread(row.rates["hit@1"]),
        " · ".join(percent(by_seed.get(seed)) for seed in seeds),
        *_against(row.against_control),
        NONE if not row.against_baseline else _relative(row.against_baseline),
        spread(row.rates["hit@5"]),
        spread(row.rates["mrr"]),
        f"{row.updates:,.0f}",
        f"{row.seconds.mean:,.0f}",
        percent(row.missing_ret.mean if row.missing_ret else None),
    )


def _against(against: Against | None) -> tuple[str, str, str]:
    if against is None:
        return NONE, NONE, NONE
    found = against.found
    return (
        f"{points(found.difference)} ({points(found.low)} to {points(found.high)})",
        p_value(against.p_holm),
        f"{found.same_sign} of {len(against.seeds)}",
    )


def _relative(against: Against) -> str:
    gain = against.found.relative
    return NONE if gain is None else f"{100 * gain:+.1f} %"


def _pairs(judged: Judged) -> Iterator[Table]:
    kinds = [kind for kind in judged.kinds if any(row.grains[kind].pair_accuracy for row in judged.rows.values())]
    if not kinds:
        return
    minor = any(row.minor for row in judged.rows.values())
    rows = tuple(
        (
            row,
            (
                *([spread(row.minor)] if minor else []),
                *(_mean_percent(row.grains[kind].pair_accuracy) for kind in kinds),
            ),
        )
        for row in judged.rows.values()
    )
    header = (*(["minor kinds"] if minor else []), *kinds)
    note = "How often the right answer is nearer to the query than one that is off in just this grain; chance is 50."
    if minor:
        note += f" Minor kinds, the mean of {', '.join(judged.minor)}, with ± over seeds."
    figures = [
        {row.name: each.mean for row in judged.rows.values() if (each := _pair_figure(row, column))}
        for column in header
    ]
    best = {column: _highest(each) for column, each in enumerate(figures)}
    yield Table("Pair accuracy by kind of grain", note, header, rows, best)


def _pair_figure(row: Row, column: str) -> Spread | None:
    if row.role == "reference":  # not what is compared
        return None
    return row.minor if column == "minor kinds" else row.grains[column].pair_accuracy


def _distances(judged: Judged) -> Iterator[Table]:
    kinds = [
        kind for kind in judged.kinds if any(row.grains[kind].distance is not None for row in judged.rows.values())
    ]
    if not kinds:
        return
    rows = tuple(
        (row, (decimals(row.paraphrase), *(_distance(row, kind) for kind in kinds))) for row in judged.rows.values()
    )
    note = (
        "Cosine distance of a query to itself without a grain of this kind; in brackets its ratio to the distance of a "
        "paraphrase that changes no grain: below 1, leaving the grain out moves the query less than other words do."
    )
    yield Table("Masked distance by kind of grain", note, ("paraphrase", *kinds), rows, {})


def _distance(row: Row, kind: str) -> str:
    grain = row.grains[kind]
    ratio = "" if grain.ratio is None else f" ({grain.ratio:.1f})"
    return decimals(grain.distance) + ratio


def _named(judged: Judged) -> Iterator[Table]:
    kinds = [kind for kind in judged.kinds if any(kind in row.named for row in judged.rows.values())]
    kinds += sorted({kind for row in judged.rows.values() for kind in row.named} - set(kinds))
    if not kinds:
        return
    before: Mapping[str, float] = judged.rows[judged.baseline].named if judged.baseline else {}
    rows = tuple((row, tuple(_share(row, kind, before) for kind in kinds)) for row in judged.rows.values() if row.named)
    note = "Percent of the grains of a query or picture that the model's own summary names; in brackets the change "
    note += "in points to the baseline." if before else "to a baseline, where there is one."
    yield Table("Grains that the summaries name", note, tuple(kinds), rows, {})


def _share(row: Row, kind: str, before: Mapping[str, float]) -> str:
    share = row.named.get(kind)
    old = before.get(kind)
    if share is None or old is None or row.role == "baseline":
        return percent(share)
    return f"{percent(share)} ({points(share - old)})"


def _name(row: Row) -> str:
    return f"**{row.name}** (default)" if row.default else row.name


def _best(rows: Sequence[Row], key: str) -> set[str]:
    return _highest({row.name: row.rates[key].mean for row in rows if row.role != "reference"})


def _highest(figures: Mapping[str, float]) -> set[str]:
    return {name for name, value in figures.items() if value == max(figures.values())}


def spread(each: Spread | None) -> str:
    """Mean ± standard deviation over seeds, in percent."""
    if each is None:
        return NONE
    return percent(each.mean) + (f" ± {percent(each.sd)}" if each.sd is not None else "")


def _mean_percent(each: Spread | None) -> str:
    return percent(each.mean if each else None)


def points(value: float) -> str:
    """A difference of rates in percentage points, with its sign."""
    return f"{100 * value:+.1f}"


def p_value(value: float) -> str:
    """A p-value as people read it."""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"
