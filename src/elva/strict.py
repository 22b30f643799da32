"""From nested mappings to a tree of frozen dataclasses, with errors that name source and key.

A setting is a dataclass field annotated as `Annotated[type, "what it does", Bounds(...)]`; a field
whose type is itself such a dataclass is a section, `tuple[Section, ...]` a list of them and `Mapping[str, Section]`
sections by name. Mappings come in layers (files, then the command
line): each layer is checked and converted by itself, so that an error names the layer it stands in,
and only then are the layers merged and built.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from elva.errors import RecipeError

Tree = TypeVar("Tree")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers a setting allows, both ends included unless `above` is set.

    Attributes:
        low: smallest allowed value.
        high: largest allowed value.
        above: the value must be larger than `low`, not equal to it.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False

    def allow(self, value: float) -> bool:
        """Whether the value lies inside."""
        return value <= self.high and (value > self.low if self.above else value >= self.low)

    def __str__(self) -> str:
        """The bounds in words, or nothing when there are none."""
        if math.isinf(self.low) and math.isinf(self.high):
            return ""
        if math.isinf(self.high):
            return f"above {self.low:g}" if self.above else f"of at least {self.low:g}"
        return f"between {self.low:g} and {self.high:g}"


POSITIVE = Bounds(0, above=True)
AT_LEAST_ZERO = Bounds(0)
AT_LEAST_ONE = Bounds(1)
SHARE = Bounds(0, 1)


class Typed(str):
    """A value as typed on the command line: YAML, unless its setting is text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a settings tree: its type, its documentation and its bounds."""

    name: str
    kind: Any
    doc: str
    bounds: Bounds
    default: Any

    @property
    def section(self) -> type[Any] | None:
        """The dataclass this field holds (also when it may be null), or None for a plain value."""
        kinds: tuple[type[Any], ...] = options(self.kind)
        return next((kind for kind in kinds if is_dataclass(kind)), None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands, for error messages: file (or command line), whole tree, dotted key."""

    source: str
    root: type
    key: str = ""

    def below(self, name: str) -> Place:
        """The place of a key inside this section."""
        return Place(self.source, self.root, f"{self.key}.{name}" if self.key else name)

    def at(self, position: int) -> Place:
        """The place of an entry of this list, counted from 0."""
        return Place(self.source, self.root, f"{self.key}[{position}]")

    def error(self, message: str) -> RecipeError:
        """A RecipeError that starts with the source."""
        return RecipeError(f"{self.source}: {message}")

    def wrong(self, value: object, expected: str) -> RecipeError:
        """A RecipeError for a value of the wrong type or size."""
        shown = str(value) if isinstance(value, Typed) else repr(value)
        return self.error(f"{self.key} is {shown}; expected {expected}")


def options(kind: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


@cache
def settings(tree: type[Any]) -> Mapping[str, Setting]:
    """The settings of one section by name, in the order in which they are written."""
    hints = get_type_hints(tree, include_extras=True)
    found = {}
    for item in fields(tree):
        hint = hints[item.name]
        extras: tuple[Any, ...] = ()
        if get_origin(hint) is Annotated:
            hint, *extras = get_args(hint)  # type: ignore[assignment]
        doc = next((extra for extra in extras if isinstance(extra, str)), "")
        bounds = next((extra for extra in extras if isinstance(extra, Bounds)), Bounds())
        found[item.name] = Setting(item.name, hint, doc, bounds, item.default)
    return found


def every_setting(tree: type, prefix: str = "") -> Iterator[tuple[str, Setting]]:
    """Every plain setting of the tree with its dotted key."""
    for name, setting in settings(tree).items():
        if setting.section is None:
            yield prefix + name, setting
        else:
            yield from every_setting(setting.section, f"{prefix}{name}.")


def describe_settings(tree: type) -> Iterator[tuple[str, str, str, str]]:
    """Per setting: dotted key, what it accepts, its default, what it does."""
    for key, setting in every_setting(tree):
        default = "(must be given)" if setting.default is MISSING else _shown(setting.default)
        yield key, describe(setting.kind, setting.bounds), default, setting.doc


def _shown(default: Any) -> str:
    """A default as it would be written in YAML."""
    value = list(default) if isinstance(default, tuple) else default
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.removesuffix("...\n").strip()


def read_layer(tree: type, mapping: Mapping[Any, Any], source: str, place: Place | None = None) -> dict[str, Any]:
    """Check one layer and convert its values; keys it leaves out stay left out.

    Args:
        tree: the dataclass that holds the settings.
        mapping: keys and values as read from YAML.
        source: file name, or "command line", for error messages.
        place: where the mapping stands inside the tree.

    Raises:
        RecipeError: an unknown key (with the nearest one), or a value of the wrong type.
    """
    place = place or Place(source, tree)
    layer = {}
    for name, value in mapping.items():
        setting = settings(tree).get(name)
        if setting is None:
            raise _unknown(tree, str(name), place)
        layer[str(name)] = _convert(setting.kind, value, setting.bounds, place.below(str(name)))
    return layer


def merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one layer over another: sections are merged, other values replaced."""
    merged = dict(lower)
    for name, value in upper.items():
        below = merged.get(name)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[name] = merge(below, value) if both else value  # type: ignore[arg-type]
    return merged


def build(tree: type[Tree], layer: Mapping[str, Any], place: Place) -> Tree:
    """Make the dataclass from checked values; what is left out takes its default.

    Raises:
        RecipeError: a setting without a default is missing.
    """
    values: dict[str, Any] = {}
    for name, setting in settings(tree).items():  # type: ignore[arg-type]
        value = layer.get(name, MISSING)
        if setting.section is not None and (isinstance(value, Mapping) or setting.default is value is MISSING):
            given = {} if value is MISSING else value
            values[name] = build(setting.section, given, place.below(name))
        elif value is not MISSING:
            values[name] = _built(setting.kind, value, place.below(name))
        elif setting.default is MISSING:
            raise place.error(f"{place.below(name).key} is missing: {setting.doc}")
    return tree(**values)


def _built(kind: Any, value: Any, place: Place) -> Any:
    """A checked value, the sections inside lists and named entries built."""
    kind = options(kind)[0]
    inner = get_args(kind)
    if get_origin(kind) is tuple and isinstance(value, tuple):
        return tuple(_built(inner[0], item, place.at(number)) for number, item in enumerate(value))
    if get_origin(kind) is Mapping and isinstance(value, Mapping):
        return {name: _built(inner[1], item, place.below(name)) for name, item in value.items()}
    return build(kind, value, place) if is_dataclass(kind) and isinstance(value, Mapping) else value  # type: ignore[arg-type]


def typed_layer(tree: type, pairs: Sequence[str], source: str) -> dict[str, Any]:
    """One layer from "key=value" pairs with dotted keys and YAML values; later ones lie on top.

    Raises:
        RecipeError: no pair, an unknown key, or a value of the wrong type; begins with the source.
    """
    layer: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise RecipeError(f"{source}: '{pair}' is no key=value pair")
        nested: Any = Typed(text)
        for part in reversed(key.strip().split(".")):
            nested = {part: nested}
        layer = merge(layer, read_layer(tree, nested, source))
    return layer


def describe(kind: Any, bounds: Bounds | None = None) -> str:
    """What a setting accepts, in words."""
    words = [_describe_one(option) for option in options(kind)]
    if bounds and str(bounds):
        words[0] += f" {bounds}"
    return " or ".join(words)


def _describe_one(kind: Any) -> str:
    if is_dataclass(kind):
        return "a section of settings"
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(kind))
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if Ellipsis in inner:
            return f"a list ([a, b]) of {_PLURAL.get(inner[0]) or describe(inner[0])}"
        return f"a list of {len(inner)} {_PLURAL[inner[0]]}"
    if get_origin(kind) is Mapping:
        return f"entries 'name: value', each {describe(get_args(kind)[1])}"
    return _NAMES[kind]


_NAMES: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    NoneType: "null",
}
_PLURAL: Mapping[Any, str] = {int: "whole numbers", float: "numbers", str: "texts"}


def _unknown(tree: type, name: str, place: Place) -> RecipeError:
    siblings = list(settings(tree))
    near_here = [place.below(near).key for near in get_close_matches(name, siblings, n=1)]
    elsewhere = [key for key, _ in every_setting(place.root) if key.split(".")[-1] == name]
    nearest = near_here or elsewhere
    hint = f"did you mean '{nearest[0]}'?" if nearest else f"known here: {', '.join(siblings)}"
    return place.error(f"unknown key '{place.below(name).key}'; {hint}")


def _convert(kind: Any, value: Any, bounds: Bounds, place: Place) -> Any:
    """The value as its type, or a RecipeError that says what was expected."""
    if isinstance(value, Typed):
        value = _parse(kind, value, place)
    if value is None and NoneType in options(kind):
        return None
    wanted = options(kind)[0]
    converted = _convert_one(wanted, value, bounds, place)
    if converted is MISSING:
        raise place.wrong(value, describe(kind, bounds))
    if wanted in (int, float) and not bounds.allow(converted):
        raise place.wrong(value, describe(kind, bounds))
    return converted


def _convert_one(kind: Any, value: Any, bounds: Bounds, place: Place) -> Any:
    """The converted value, or MISSING where the type is wrong."""
    if is_dataclass(kind):
        if not isinstance(value, Mapping):
            return MISSING
        return read_layer(kind, value, place.source, place)  # type: ignore[arg-type]
    if get_origin(kind) is Literal:
        return next((c for c in get_args(kind) if c == value and type(c) is type(value)), MISSING)
    if get_origin(kind) is tuple:
        return _convert_list(get_args(kind), value, bounds, place)
    if get_origin(kind) is Mapping:
        if not isinstance(value, Mapping):
            return MISSING
        inner = get_args(kind)[1]
        return {str(name): _convert(inner, item, bounds, place.below(str(name))) for name, item in value.items()}
    if kind in (int, float):
        return _number(kind, value)
    return value if type(value) is kind else MISSING


def _convert_list(inner: tuple[Any, ...], value: Any, bounds: Bounds, place: Place) -> Any:
    open_ended = Ellipsis in inner
    if not isinstance(value, list) or (not open_ended and len(value) != len(inner)):
        return MISSING
    return tuple(_convert(inner[0], item, bounds, place.at(position)) for position, item in enumerate(value))


def _number(kind: type, value: Any) -> Any:
    """A finite number; text is tried too, because YAML 1.1 reads `1e-4` as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return MISSING
    if isinstance(value, int):
        return kind(value)
    try:
        number = float(value)
    except ValueError:
        return MISSING
    if not math.isfinite(number) or (kind is int and not number.is_integer()):
        return MISSING
    return kind(number)


def _parse(kind: Any, text: Typed, place: Place) -> Any:
    """What was typed on the command line, as YAML; a text setting takes it as it is."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        if str in options(kind):
            return str(text)
        raise place.wrong(text, describe(kind)) from error
    is_null = value is None and NoneType in options(kind)
    return str(text) if str in options(kind) and not is_null else value
