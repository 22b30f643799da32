"""The dataset "clips": texts that ask for a clip by what a thing looks like and what it does (task 10).

Each target has a near miss of every kind, so that the action is as often the grain that decides as any other. In
"train" every clip has a query, elsewhere only targets. No shot appears twice, in whatever split.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random

from elva.data.records import Candidate, NearMiss
from elva.data.world.facts import statements
from elva.data.world.language import caption, other_words, reword
from elva.data.world.pools import Draft, Entry, Pool, Split, Studio, finished
from elva.data.world.shots import Shot, draw_shot, neighbours
from elva.data.world.words import CLIP_KINDS
from elva.grains import Lexicon

CLIP_TASK = 10
TRAIN = "train"


def clip_splits(studio: Studio, targets: Mapping[str, int], lexicon: Lexicon) -> list[Split]:
    """Every split, with so many targets."""
    taken: set[Shot] = set()
    return [
        _split(studio, name, draw_groups(number, studio.rng(f"shots of {name}"), taken), lexicon)
        for name, number in targets.items()
    ]


def draw_groups(number: int, rng: Random, taken: set[Shot]) -> list[dict[str, Shot]]:
    """Targets (under "") with a near miss of each kind; none of them in ``taken``, to which all are added."""
    groups: list[dict[str, Shot]] = []
    while len(groups) < number:
        target = draw_shot(rng)
        group = {"": target, **{kind: rng.choice([*neighbours(target, kind)]) for kind in CLIP_KINDS}}
        if taken.isdisjoint(group.values()):
            taken.update(group.values())
            groups.append(group)
    return groups


def _split(studio: Studio, name: str, groups: Sequence[Mapping[str, Shot]], lexicon: Lexicon) -> Split:
    pool, rng = Pool(), studio.rng(f"queries of {name}")
    drafts: list[tuple[Draft, tuple[NearMiss, ...] | None]] = []
    for group in groups:
        dids = {kind: pool.add(_entry(studio, shot, name)) for kind, shot in group.items()}
        misses = tuple(NearMiss(did, kind) for kind, did in dids.items() if kind)
        drafts.append((_draft(group[""], rng, lexicon), misses))
        if name == TRAIN:
            drafts += [(_draft(group[kind], rng, lexicon), None) for kind in CLIP_KINDS]
    queries = [finished(draft, studio.next_qid(), pool, misses) for draft, misses in drafts]
    return Split("clips", name, {CLIP_TASK: queries}, {CLIP_TASK: [entry.candidate for entry in pool.entries]})


def _entry(studio: Studio, shot: Shot, split: str) -> Entry:
    source = json.dumps({"caption": caption(shot.facts())})
    candidate = Candidate(studio.next_did(), None, None, "video", source, studio.clip(shot, split))
    return Entry(candidate, statements(shot.facts()))


def _draft(shot: Shot, rng: Random, lexicon: Lexicon) -> Draft:
    said = shot.facts()
    text = reword(said, rng)
    paraphrase = other_words(said, text, rng)
    return Draft(CLIP_TASK, text, None, lexicon.split(text), statements(said), paraphrase=paraphrase)
