"""Pictures of scenes: 64 x 64 pixels, from stamps drawn four times larger and averaged down.

Things are coloured and inked: a dark outline, dark stripes, white dots. So shape and fill look alike whatever the
colours are, as in a picture book, and a small vision tower can learn to see them. Stripes darken and dots lighten
a thing: two dark patterns of the same share of ink were told apart only six times in ten.

What a caption can't say varies from picture to picture of the same scene ("nuisance"): the place
of the things, a little of their size, the brightness.
"""

from __future__ import annotations

import math
from functools import cache
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from elva.data.world.scenes import Scene

SIDE = 64
FINE = 4  # drawn this much larger
_CELL = 32  # side of a grid cell, pixels
REACH = 14  # half the side of a stamp, pixels
_RADIUS = {"small": 9.0, "large": 12.5}  # pixels, before jitter
_SIZE_JITTER = 2  # fine pixels
_GROUP_SHIFT, _SHIFT = 2, 1  # pixels that all things stray together, and each from the middle of its cell
_BRIGHTNESS = 0.07  # share by which a colour varies
_OUTLINE = 4  # fine pixels: width of the ink around a thing
_RING = 9  # fine pixels: ink and colour around the hole of a hollow thing
_STRIPE = 0.26  # of the radius: height of a stripe, and of the gap to the next
_DOT, _DOT_PITCH = 0.16, 0.52  # of the radius: radius of a dot, and from one dot to the next
_INK = (25, 25, 30)
_PAPER = (255, 255, 255)  # of dots

COLOURS = {
    "red": (222, 30, 38),
    "green": (20, 150, 50),
    "blue": (35, 75, 235),
    "yellow": (245, 220, 20),
    "purple": (140, 35, 195),
    "orange": (250, 130, 10),
    "cyan": (20, 205, 225),
    "pink": (250, 110, 185),
}
BACKGROUNDS = {
    "white": (250, 250, 250),
    "gray": (165, 165, 170),
    "tan": (215, 188, 135),
    "mint": (175, 235, 200),
}

Point = tuple[float, float]
Colour = tuple[int, int, int]
Masks = tuple[Image.Image, Image.Image, Image.Image]


def render(scene: Scene, rng: Random) -> Image.Image:
    """Draw the scene: RGB, 64 x 64; ``rng`` draws what the caption can't say."""
    canvas = Image.new("RGB", (SIDE, SIDE), jittered(BACKGROUNDS[scene.background], rng))
    for thing, (x, y) in zip(scene.things, _places(scene, rng), strict=True):
        radius = round(_RADIUS[thing.size] * FINE) + rng.randint(-_SIZE_JITTER, _SIZE_JITTER)
        corner = (x - REACH, y - REACH)
        masks = stamps(thing.shape, thing.pose == "upside-down", thing.fill, radius)
        stamp(canvas, corner, jittered(COLOURS[thing.colour], rng), masks)
    return canvas


def stamp(canvas: Image.Image, corner: tuple[int, int], colour: Colour, masks: Masks) -> None:
    """Draw one thing, what `stamps` gives, with this upper left corner."""
    for paint, mask in zip((colour, _INK, _PAPER), masks, strict=True):
        canvas.paste(paint, corner, mask)


def _places(scene: Scene, rng: Random) -> list[tuple[int, int]]:
    """Centres of the things in pixels: their grid cells, the whole group centred, each astray."""
    cells = scene.cells
    columns, rows = (1 + max(cell[axis] for cell in cells) for axis in (0, 1))
    left, top = (SIDE - _CELL * columns) // 2, (SIDE - _CELL * rows) // 2
    left += rng.randint(-_GROUP_SHIFT, _GROUP_SHIFT) + _CELL // 2
    top += rng.randint(-_GROUP_SHIFT, _GROUP_SHIFT) + _CELL // 2
    return [
        (
            left + _CELL * column + rng.randint(-_SHIFT, _SHIFT),
            top + _CELL * row + rng.randint(-_SHIFT, _SHIFT),
        )
        for column, row in cells
    ]


def jittered(colour: Colour, rng: Random) -> Colour:
    """The colour a little brighter or darker."""
    factor = 1 + rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    red, green, blue = (min(255, round(part * factor)) for part in colour)
    return red, green, blue


@cache
def stamps(shape: str, flipped: bool, fill: str, radius: int) -> Masks:
    """Where a thing leaves its colour, where ink, where white: "L" masks of 2 * REACH pixels a side, it in the middle.

    ``radius`` counts fine pixels.
    """
    whole = _whole(shape, flipped, radius)
    inside = _shrunk(whole, _OUTLINE)
    colour, ink, paper = whole, ImageChops.subtract(whole, inside), Image.new("L", whole.size)
    if fill == "hollow":
        colour = ImageChops.subtract(whole, _shrunk(whole, _RING))
    elif fill == "striped":
        ink = ImageChops.lighter(ink, ImageChops.darker(inside, _stripes(radius)))
    elif fill == "dotted":
        paper = ImageChops.darker(inside, _dots(radius))
    return _stamp(colour, radius), _stamp(ink, radius), _stamp(paper, radius)


def _stamp(mask: Image.Image, radius: int) -> Image.Image:
    """The mask in the middle of a stamp, in pixels."""
    stamp = Image.new("L", (2 * REACH * FINE,) * 2)
    corner = REACH * FINE - radius
    stamp.paste(mask, (corner, corner))
    return stamp.reduce(FINE)


def _whole(shape: str, flipped: bool, radius: int) -> Image.Image:
    """The shape in full, as an "L" mask of 2 * radius fine pixels on each side."""
    mask = Image.new("L", (2 * radius,) * 2)
    _draw(ImageDraw.Draw(mask), shape, radius)
    return mask.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if flipped else mask


def _shrunk(mask: Image.Image, line: int) -> Image.Image:
    """The mask without a line of this width along its edge."""
    side = mask.width
    # a frame of nothing around it, so that the line also runs along the border of the stamp
    framed = Image.new("L", (side + 2,) * 2)
    framed.paste(mask, (1, 1))
    return framed.filter(ImageFilter.MinFilter(2 * line + 1)).crop((1, 1, side + 1, side + 1))


def _stripes(radius: int) -> Image.Image:
    """Stripes over the whole square of a stamp, one of them through its middle."""
    side, height = 2 * radius, round(_STRIPE * radius)
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    for top in range((radius - height // 2) % (2 * height) - 2 * height, side, 2 * height):
        draw.rectangle((0, top, side, top + height - 1), fill=255)
    return image


def _dots(radius: int) -> Image.Image:
    """A square grid of dots over the whole square of a stamp, one of them in its middle."""
    side, dot, pitch = 2 * radius, round(_DOT * radius), round(_DOT_PITCH * radius)
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    middles = range(radius % pitch, side, pitch)
    for x in middles:
        for y in middles:
            draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=255)
    return image


def _draw(draw: ImageDraw.ImageDraw, shape: str, radius: int) -> None:
    """Draw one upright shape in white; outlines are given in units of the radius, y downwards."""

    def scaled(points: list[Point]) -> list[Point]:
        return [(radius * (1 + x), radius * (1 + y)) for x, y in points]

    if shape == "moon":
        # horns up: a disc with a bite out of its top
        draw.ellipse(_box(scaled([(-0.98, -0.98), (0.98, 0.98)])), fill=255)
        draw.ellipse(_box(scaled([(-0.58, -1.5), (0.58, -0.2)])), fill=0)
    elif shape == "circle":
        draw.ellipse(_box(scaled([(-0.95, -0.95), (0.95, 0.95)])), fill=255)
    else:
        draw.polygon(scaled(_OUTLINES[shape]), fill=255)


def _box(points: list[Point]) -> tuple[float, float, float, float]:
    (left, top), (right, bottom) = points
    return left, top, right, bottom


def _heart() -> list[Point]:
    angles = [2 * math.pi * step / 48 for step in range(48)]
    return [
        (
            0.95 * math.sin(a) ** 3,
            -0.06 - (13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) / 16.5,
        )
        for a in angles
    ]


def _drop() -> list[Point]:
    """A round belly that runs out into a tip at the top."""
    belly = [math.pi * (step / 24) for step in range(-3, 28)]
    return [(0.0, -1.0)] + [(0.72 * math.cos(a), 0.27 + 0.72 * math.sin(a)) for a in belly]


_OUTLINES: dict[str, list[Point]] = {
    "square": [(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)],
    "triangle": [(0, -0.95), (0.98, 0.85), (-0.98, 0.85)],
    "arrow": [
        (0, -1),
        (0.98, -0.05),
        (0.42, -0.05),
        (0.42, 1),
        (-0.42, 1),
        (-0.42, -0.05),
        (-0.9, -0.05),
    ],
    "house": [(0, -1), (0.95, -0.2), (0.95, 0.95), (-0.95, 0.95), (-0.95, -0.2)],
    "heart": _heart(),
    "drop": _drop(),
}
