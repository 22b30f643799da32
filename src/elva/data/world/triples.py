"""Text triples for stage 1: a description, a paraphrase, and the same with one grain changed."""

from __future__ import annotations

import csv
import io
from random import Random

from elva.data.world.edits import apply, edits
from elva.data.world.facts import carried, facts, slots, some
from elva.data.world.language import other_words, reword
from elva.data.world.scenes import Scene, draw_scene
from elva.data.world.words import KINDS

HEADER = ("sent0", "sent1", "hard_neg")


def draw_triples(number: int, rng: Random, taken: set[Scene]) -> list[tuple[str, str, str]]:
    """Triples on scenes outside ``taken``; the kinds of the changed grain take turns by chance.

    Description and hard negative are worded by the same choices, so they differ in little else.
    """
    triples: list[tuple[str, str, str]] = []
    while len(triples) < number:
        scene = draw_scene(rng)
        if scene in taken:
            continue
        kind = rng.choice([kind for kind in KINDS if edits(scene, kind)])
        edit = rng.choice(edits(scene, kind))
        mention = some(scene, rng, must=[s for s in slots(scene) if s[1] == kind])
        after = apply(scene, edit)
        said = facts(scene, mention)
        wording = rng.getrandbits(64)
        text = reword(said, Random(wording))
        changed = facts(after, carried(mention, scene, edit, after))
        triples.append((text, other_words(said, text, rng), reword(changed, Random(wording))))
    return triples


def as_csv(triples: list[tuple[str, str, str]]) -> list[str]:
    """The lines of the file, header first."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([HEADER, *triples])
    return buffer.getvalue().splitlines()
