"""`elva explain`: which parts of a query the model listens to."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elva.cli.options import Device, Precision, PrecisionOption, Threads, load_searching
from elva.cli.search import PIPE_WIDTH, print_hits
from elva.whole import whole_file

if TYPE_CHECKING:
    from rich.console import Console

    from elva.search.inspector import Change, Explanation, Heard

BAR = 20
"""Characters of the longest bar."""
WIDE = 110
"""Columns of a terminal that has room for the query without each grain."""
LONGEST = 160
"""Characters of a text that are shown; JSON holds all."""
NAMED = 3
"""Results that are named when they come or go."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(explain)


def explain(
    index: Annotated[Path, typer.Argument(help="Folder made by `elva index`.", show_default=False)],
    text: Annotated[str | None, typer.Argument(help="What to look for.", show_default=False)] = None,
    image: Annotated[Path | None, typer.Option(help="An image to look for, with or without a text.")] = None,
    instruction: Annotated[str | None, typer.Option(help="What kind of thing is wanted, as in training.")] = None,
    grain: Annotated[
        list[str] | None,
        typer.Option("--grain", "-g", help="These words of the text as a grain; repeat for more. Default: by rule."),
    ] = None,
    top: Annotated[int, typer.Option("--top", "-k", help="How many results are compared.", min=1)] = 10,
    lacking: Annotated[
        bool, typer.Option("--lacking", help="Also show what each result lacks beside the others; reads them all.")
    ] = False,
    to_json: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE|-", help="Write it as JSON: to a file, or with - to the output instead."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Default: the model the index was made with."),
    ] = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.auto,
    threads: Threads = None,
) -> None:
    """Show which parts of a query the model listens to, and which it ignores.

    The query is embedded without each of its grains (colours, things, relations, what it denies ...), and in other
    words. A grain that moves it no farther than other words do is ignored. Then: how the results change without each,
    and with --lacking, which grains are four times less, or more, probable behind a result than behind the others.

    Examples:

        elva explain runs/elva/index "a small red striped triangle above a house"
        elva explain runs/elva/index "a dress with silver buttons" --grain "silver buttons" --grain dress
        elva explain runs/elva/index --image photo.jpg
        elva explain runs/elva/index "a small red triangle" --lacking
    """
    from elva.encoding import ModelIdentity
    from elva.index.opening import open_index
    from elva.index.pointer import Pointer
    from elva.items import Item
    from elva.media import load_image

    query = Item(text=text, image=image, instruction=instruction)
    if image is not None:
        load_image(image)  # what is wrong is told before the seconds that loading a model takes
    Pointer.read(index)
    if text is not None and grain:
        from elva.grains.splitting import choose_grains

        choose_grains(text, grain)
    embedder = load_searching(index, model, threads, device, precision)
    opened = open_index(index, ModelIdentity.of(embedder))
    from elva.data.mbeir import read_lexicon
    from elva.search.inspector import Inspector

    lexicon = read_lexicon(opened.origin.root) if opened.origin.root else None
    likelihood = None
    if lacking:
        from elva.search.lacking import grain_likelihoods
        from elva.search.searcher import Searcher

        likelihood = partial(grain_likelihoods, embedder, Searcher(embedder, opened))
    inspector = Inspector(embedder, opened, lexicon=lexicon, likelihood=likelihood)
    explanation = inspector.explain(query, top, grain or None)
    if to_json is not None:
        _write(to_json, {"query": query.label(), **explanation.to_row()})
    if to_json != Path("-"):
        _show(query.label(), explanation)


def _write(file: Path, row: object) -> None:
    text = json.dumps(row, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if file == Path("-"):
        typer.echo(text, nl=False)
        return
    with whole_file(file) as unfinished:
        unfinished.write(text)


def _show(query: str, explanation: Explanation) -> None:
    from rich.console import Console
    from rich.text import Text

    # where nobody watches, as in a pipe, lines are wide enough not to break names
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    print_hits(query, explanation.summary, list(explanation.hits))
    if explanation.picture_cosine is not None:
        console.print(
            Text(
                "The query is a picture: what follows explains the model's summary of it, as a text query. Summary and "
                f"picture are {explanation.picture_cosine:.3f} alike (cosine)."
            )
        )
    _print_grains(console, explanation)
    _print_changes(console, explanation)
    _print_lacking(console, explanation)
    for line in _notes(explanation):
        console.print(Text(line))


def _print_grains(console: Console, explanation: Explanation) -> None:
    from rich.table import Table
    from rich.text import Text

    usual = explanation.paraphrase_distance
    largest = max([each.distance for each in explanation.grains] + ([] if usual is None else [usual]))
    table = Table("grain", "kind", "moves the query", "distance", "verdict")
    table.columns[2].no_wrap = table.columns[3].no_wrap = True
    wide = console.width >= WIDE
    if wide:
        table.add_column("the query without it")
    for each in explanation.grains:
        row: list[str | Text] = [
            Text(each.grain.text),
            each.grain.kind,
            bar(each.distance, usual, largest),
            f"{each.distance:.4f}",
        ]
        table.add_row(*row, verdict(each), *([Text(_left(each))] if wide else []))
    if usual is not None:
        table.add_section()
        table.add_row("other words", "", bar(usual, usual, largest), f"{usual:.4f}")
    console.print(table)
    if not wide:
        console.print(f"From {WIDE} columns on, the query without each grain is shown beside it.")


def _left(heard: Heard) -> str:
    return "the text alone" if heard.grain.span is None else _short(heard.grain.masked_txt or "")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def bar(distance: float, usual: float | None, largest: float) -> str:
    """A bar as long as a distance, with a mark where other words take the query; `largest` fills the width."""
    if largest <= 0:
        return ""
    cells = ["█"] * round(BAR * max(0.0, distance) / largest)
    if usual is not None:
        mark = min(BAR - 1, round(BAR * usual / largest))
        cells += [" "] * (mark + 1 - len(cells))
        cells[mark] = "┃"
    return "".join(cells)


def verdict(heard: Heard) -> str:
    """What the distances say, in words."""
    if heard.ignored is None:
        return "not known"
    word = "IGNORED" if heard.ignored else "heard" if heard.heard else "in doubt"
    return word if heard.ratio is None else f"{word} ({heard.ratio:.1f} x)"


def _print_changes(console: Console, explanation: Explanation) -> None:
    from rich.table import Table
    from rich.text import Text

    count = len(explanation.hits)
    if not count:
        return
    table = Table("without", f"stay of {count}", "first result", "come in (rank)", "drop out (rank)")
    for each in explanation.grains:
        change = each.change
        table.add_row(
            Text(each.grain.text),
            f"{len(change.kept)}",
            Text(_first(change)),
            Text(_some(change.entered)),
            Text(_some(change.left)),
        )
    console.print(table)


def _print_lacking(console: Console, explanation: Explanation) -> None:
    """What each result lacks, and has, beside the others."""
    if not explanation.nats:
        return
    from rich.table import Table
    from rich.text import Text

    from elva.search.lacking import LACKING

    def named(row: tuple[float | None, ...], tells: Callable[[float], bool]) -> Text:
        pairs = zip(explanation.grains, row, strict=True)
        return Text(", ".join(f"{each.grain.text} ({nats:+.1f})" for each, nats in pairs if nats and tells(nats)))

    table = Table("#", "id", "lacks (nats)", "has", title="Beside the other results", title_justify="left")
    for hit, row in zip(explanation.hits, explanation.nats, strict=True):
        lacks, has = named(row, lambda nats: nats < -LACKING), named(row, lambda nats: nats > LACKING)
        table.add_row(str(hit.rank), Text(hit.entry.id), lacks, has)
    console.print(table)


def _first(change: Change) -> str:
    """What becomes of the result that was first."""
    was = next((now for _, before, now in change.kept if before == 1), None)
    return "stays first" if was == 1 else "drops out" if was is None else f"falls to {was}"


def _some(ids: tuple[tuple[str, int], ...]) -> str:
    named = ", ".join(f"{each} ({rank})" for each, rank in ids[:NAMED])
    return f"{named} and {len(ids) - NAMED} more" if len(ids) > NAMED else named


def _notes(explanation: Explanation) -> list[str]:
    """What the distances were judged by, what was found, and what to know about it."""
    others, usual = explanation.rewordings, explanation.paraphrase_distance
    if usual is None:
        notes = ["No rewording could be made of this query, so no distance can be judged: read how the results change."]
    else:
        apart = [distance for _, distance in others]
        notes = [
            f"┃ other words: the mean of {len(others)} rewordings by rule, {usual:.4f} "
            f"({min(apart):.4f} to {max(apart):.4f}), such as: {_short(others[-1][0])}"
        ]
        deaf = [each.grain.text for each in explanation.grains if each.ignored]
        doubtful = [each.grain.text for each in explanation.grains if not each.ignored and not each.heard]
        notes.append(f"Ignored: {', '.join(deaf)}." if deaf else "No grain is ignored.")
        if doubtful:
            notes.append(f"In doubt, since some other words move the query as far: {', '.join(doubtful)}.")
    if explanation.more:
        notes.append(f"{explanation.more:,} further grains were not tried; choose some with --grain.")
    if explanation.forced_ret:
        notes.append(f"{explanation.forced_ret:,} summaries of all variants did not end by themselves.")
    if explanation.truncated:
        notes.append(f"{explanation.truncated:,} texts of all variants were cut to fit.")
    return notes
