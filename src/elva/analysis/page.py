"""Pages and pictures that need nothing beside them: templates with their style in them, plots as files of their own."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from elva.analysis.figures import WIDTH

SCALE = 1.6
"""Pixels per unit of a plot that stands alone."""


def render(template: str, **values: Any) -> str:
    """A page from a template of this folder; values are escaped unless the template says that they are safe."""
    loader = PackageLoader(__package__, "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(**values)


def standalone(svg: str) -> str:
    """A plot of the report as a file: it carries the colours of the page, for light and for dark."""
    style = files(__package__).joinpath("charts.css").read_text("utf-8")
    opened, _, rest = svg.partition(">")
    width, height = (float(each) for each in opened.split('viewBox="')[1].split('"')[0].split()[2:])
    size = f'xmlns="http://www.w3.org/2000/svg" width="{SCALE * width:.0f}" height="{SCALE * height:.0f}"'
    paper = f'<rect width="{WIDTH}" height="{height:.0f}" rx="6" style="fill: var(--card)"/>'
    return f"{opened.replace('<svg', f'<svg {size}', 1)}><style>{style}</style>{paper}{rest}"
