"""Contact sheets: what a search found, as one picture."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from elva.errors import MediaError
from elva.index.protocol import Entry, Hit, Index, image_path
from elva.items import Item
from elva.media import ImageSource, load_image

PAPER, CARD, LINE = "#f6f4f0", "#ffffff", "#ddd8ce"
INK, SOFT, RIGHT, WRONG = "#1d1b18", "#6d675e", "#1a8f4c", "#c9c2b6"
MARGIN, GAP, PAD, SIDE = 28, 18, 12, 208
TINY = 128
"""Pictures up to this side are enlarged pixel by pixel: smoothing would only blur them."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class Tile:
    """One hit on a sheet; `correct` is None where nobody knows what is relevant."""

    rank: int
    score: float
    image: ImageSource | None = None
    text: str | None = None
    summary: str = ""
    correct: bool | None = None


def tiles(hits: Sequence[Hit], index: Index, relevant: Collection[str] | None = None) -> list[Tile]:
    """Turn the hits of a search into tiles, marked when the relevant ids are known."""
    return [
        Tile(
            hit.rank,
            hit.score,
            _shown(index, hit.entry),
            hit.entry.text,
            hit.entry.summary,
            None if relevant is None else hit.entry.id in relevant,
        )
        for hit in hits
    ]


def _shown(index: Index, entry: Entry) -> ImageSource | None:
    """An entry's picture, or the small one that the index keeps where the file is gone."""
    path = image_path(index, entry)
    if path is None or path.is_file():
        return path
    return index.thumbnail(entry.id) or path


def contact_sheet(query: Item, summary: str, found: Sequence[Tile], columns: int = 5) -> Image.Image:
    """Draw the query with its summary above a grid of hits.

    Args:
        query: what was searched for.
        summary: what the model wrote about it; may be empty.
        found: the hits, best first. A picture that can't be opened is drawn as its reason.
        columns: hits in a row.

    Returns:
        An RGB picture as wide as `columns` tiles and as high as needed.
    """
    width = 2 * MARGIN + columns * (SIDE + 2 * PAD) + (columns - 1) * GAP
    head = _head(query, summary, width)
    cards = [(_card(tile), tile.correct) for tile in found]
    rows = [cards[i : i + columns] for i in range(0, len(cards), columns)]
    heights = [max(card.height for card, _ in row) for row in rows]
    sheet = Image.new("RGB", (width, head.height + sum(heights) + GAP * len(rows) + MARGIN), PAPER)
    sheet.paste(head, (0, 0))
    top = head.height
    for row, height in zip(rows, heights, strict=True):
        for column, (card, correct) in enumerate(row):
            left = MARGIN + column * (SIDE + 2 * PAD + GAP)
            sheet.paste(_framed(card, height, correct), (left, top))
        top += height + GAP
    return sheet


def save_sheet(sheet: Image.Image, out: Path) -> None:
    """Write PNG or JPEG, by the suffix of `out`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out, quality=92)


def thumbnail(image: Image.Image, side: int) -> Image.Image:
    """Fit a picture into a square of `side` pixels, enlarging tiny ones without blur."""
    scale = side / max(image.size)
    smooth = Image.Resampling.LANCZOS
    method = Image.Resampling.NEAREST if max(image.size) <= TINY and scale > 1 else smooth
    size = [max(1, round(each * scale)) for each in image.size]
    return image.resize((size[0], size[1]), method)


def wrap(text: str, font: Font, width: float, lines: int) -> list[str]:
    """Break text into at most `lines` lines of `width` pixels; what is cut ends in an ellipsis."""
    words, broken = text.split(), [""]
    for word in words:
        longer = f"{broken[-1]} {word}".strip()
        if font.getlength(longer) <= width or not broken[-1]:
            broken[-1] = longer
        else:
            broken.append(word)
    kept = [_fit(line, font, width) for line in broken[:lines]]
    if len(broken) > lines:
        kept[-1] = _fit(f"{kept[-1]}…", font, width)
    return kept


def _fit(line: str, font: Font, width: float) -> str:
    if font.getlength(line) <= width:
        return line
    line = line.removesuffix("…")
    while line and font.getlength(f"{line}…") > width:
        line = line[:-1]
    return f"{line.rstrip()}…"


def _head(query: Item, summary: str, width: int) -> Image.Image:
    picture = _picture(query.image, 176) if query.image is not None else None
    left = MARGIN + (picture.width + GAP if picture else 0)
    big, small = ImageFont.load_default(27), ImageFont.load_default(17)
    title = wrap(query.text or "Image query", big, width - left - MARGIN, 3)
    notes = wrap(f"The model reads: {summary}", small, width - left - MARGIN, 3) if summary else []
    written = len(title) * 34 + (len(notes) * 23 + 10 if notes else 0)
    height = max(written, picture.height if picture else 0)
    head = Image.new("RGB", (width, 2 * MARGIN + height), PAPER)
    draw = ImageDraw.Draw(head)
    if picture:
        head.paste(picture, (MARGIN, MARGIN))
    top = MARGIN + (height - written) // 2
    _lines(draw, title, (left, top), big, INK, 34)
    _lines(draw, notes, (left, top + len(title) * 34 + 10), small, SOFT, 23)
    return head


def _card(tile: Tile) -> Image.Image:
    plain, small = ImageFont.load_default(17), ImageFont.load_default(14)
    pictured = tile.image is not None
    words, step = (small, 19) if pictured else (plain, 24)
    text = wrap(tile.text, words, SIDE, 3 if pictured else 8) if tile.text else []
    notes = wrap(tile.summary, small, SIDE, 3) if tile.summary not in ("", tile.text) else []
    body = PAD + (SIDE + 8 if pictured else 0)
    below = body + 28 + step * len(text)
    card = Image.new("RGB", (SIDE + 2 * PAD, below + 19 * len(notes) + PAD), CARD)
    draw = ImageDraw.Draw(card)
    if tile.image is not None:
        _centre(card, _picture(tile.image, SIDE))
    draw.text((PAD, body), str(tile.rank), fill=INK, font=plain)
    draw.text((PAD + SIDE, body), f"{tile.score:.3f}", fill=SOFT, font=plain, anchor="ra")
    if tile.correct:
        _tick(draw, PAD + round(plain.getlength(str(tile.rank))) + 10, body)
    _lines(draw, text, (PAD, body + 28), words, INK, step)
    _lines(draw, notes, (PAD, below), small, SOFT, 19)
    return card


def _framed(card: Image.Image, height: int, correct: bool | None) -> Image.Image:
    framed = Image.new("RGB", (card.width, height), CARD)
    framed.paste(card, (0, 0))
    draw = ImageDraw.Draw(framed)
    colour, line = {True: (RIGHT, 5), False: (WRONG, 1), None: (LINE, 1)}[correct]
    draw.rectangle((0, 0, card.width - 1, height - 1), outline=colour, width=line)
    return framed


def _tick(draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
    """Drawn, because not every font has the sign."""
    points = [(left, top + 10), (left + 6, top + 16), (left + 16, top + 3)]
    draw.line(points, fill=RIGHT, width=4, joint="curve")


def _picture(source: ImageSource, side: int) -> Image.Image:
    try:
        return thumbnail(load_image(source), side)
    except MediaError as error:
        blank = Image.new("RGB", (side, side), LINE)
        font = ImageFont.load_default(13)
        reason = wrap(str(error), font, side - 2 * PAD, 8)
        _lines(ImageDraw.Draw(blank), reason, (PAD, PAD), font, SOFT, 18)
        return blank


def _centre(card: Image.Image, picture: Image.Image) -> None:
    left, top = (PAD + (SIDE - each) // 2 for each in picture.size)
    card.paste(picture, (left, top))


def _lines(
    draw: ImageDraw.ImageDraw,
    lines: Sequence[str],
    at: tuple[int, int],
    font: Font,
    colour: str,
    step: int,
) -> None:
    for i, line in enumerate(lines):
        draw.text((at[0], at[1] + i * step), line, fill=colour, font=font)
