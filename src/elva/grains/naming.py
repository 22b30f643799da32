"""Which grains a text names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from elva.grains.facts import Facts, Grain
from elva.grains.lexicon import Lexicon


def naming(written: Iterable[tuple[Sequence[Grain], str]], lexicon: Lexicon) -> dict[str, tuple[int, int]]:
    """How many grains of some things are named by what was written about them.

    A value counts wherever in the text it stands, in any of its words, and as often as it is said. So a relation told
    from its other end ("right of" for "left of") does not count.

    Args:
        written: grains of a thing, and the text about it.
        lexicon: the words for grains.

    Returns:
        Kind -> (grains named, grains there are), in alphabetical order.
    """
    named: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for grains, text in written:
        said = _values(lexicon.parse(text))
        there = Counter((grain.kind, lexicon.value(grain)) for grain in grains)
        for (kind, value), count in there.items():
            total[kind] += count
            named[kind] += min(count, said[kind, value])
    return {kind: (named[kind], count) for kind, count in sorted(total.items())}


def _values(facts: Facts) -> Counter[tuple[str, str]]:
    """How often each (kind, value) is stated."""
    stated = Counter((kind, value) for entity in facts.entities for kind, value in entity.items())
    stated.update(facts.scene.items())
    stated.update(("relation", value) for _, value, _ in facts.relations)
    return stated
