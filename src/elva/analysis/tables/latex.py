"""Tables as LaTeX, for a document to input; they need the packages booktabs and, where they are wide, graphicx."""

from __future__ import annotations

from collections.abc import Sequence

from elva.analysis.tables.table import Table

WIDE = 7
"""From so many columns on a table is scaled to the width of the text."""

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{each: f"\\{each}" for each in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "→": r"$\to$",
    "±": r"$\pm$",
    "<": r"$<$",
    ">": r"$>$",
    "·": r"$\cdot$",
}


def escaped(text: str) -> str:
    """A text in which LaTeX finds no commands."""
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def latex(tables: Sequence[Table]) -> str:
    """A document part with every table as a float, labelled tab:NAME."""
    head = r"% \usepackage{booktabs}, and \usepackage{graphicx} for \resizebox"
    return "\n\n".join([head, *map(_table, tables)])


def _table(table: Table) -> str:
    source = f" Published figures: {table.source}." if table.source else ""
    body = _tabular(table)
    if len(table.columns) >= WIDE:
        body = f"\\resizebox{{\\textwidth}}{{!}}{{%\n{body}}}"
    lines = (
        r"\begin{table}[t]",
        r"\centering\small",
        f"\\caption{{{escaped(f'{table.title}. {table.note}{source}')}}}",
        f"\\label{{tab:{table.name.replace('_', '-')}}}",
        body,
        r"\end{table}",
    )
    return "\n".join(lines)


def _tabular(table: Table) -> str:
    lines = [f"\\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule", *_groups(table)]
    lines.append(_row([escaped(table.corner), *(escaped(each.name) for each in table.columns)]))
    lines.append(r"\midrule")
    for i, line in enumerate(table.lines):
        if line.strong and i and not table.lines[i - 1].strong:
            lines.append(r"\midrule")
        cells = [(escaped(cell.text), (i, j) in table.best) for j, cell in enumerate(line.cells)]
        lines.append(_row([escaped(line.label), *(f"\\textbf{{{text}}}" if best else text for text, best in cells)]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _groups(table: Table) -> list[str]:
    at, heads, rules = 2, [""], []
    for name, count in table.groups:
        heads.append(f"\\multicolumn{{{count}}}{{c}}{{{name}}}")
        rules.append(f"\\cmidrule(lr){{{at}-{at + count - 1}}}")
        at += count
    return [_row(heads), "".join(rules)] if rules else []


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
