"""The small pictures that an index keeps, so that results can be shown without the originals."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

SIDE = 256
"""Pixels of the longer side at most: what a grid of results shows, also on fine screens."""
TINY = 96
"""Pictures up to this side stay as they are, without loss: a JPEG would be no smaller, and smeared."""
QUALITY = 82


def thumbnail(picture: Image.Image) -> bytes:
    """An RGB picture as the bytes of a small JPEG; of a tiny one, as a PNG of all its pixels."""
    written = BytesIO()
    if max(picture.size) <= TINY:
        picture.save(written, "PNG")
    else:
        small = picture.copy()
        small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        small.save(written, "JPEG", quality=QUALITY)
    return written.getvalue()
