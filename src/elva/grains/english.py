"""Closed word lists: what the words do that hold an English query together, and qualities that everyone names.

No dictionary: a word that is in no list is open (a noun, or an adjective before one), and its neighbours say which.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Role(Enum):
    """What a word does in its sentence."""

    determiner = "determiner"  # a, the, same, my
    count = "count"
    quality = "quality"  # colours, materials, patterns, sizes
    degree = "degree"  # very, slightly: belongs to the word after it
    relation = "relation"  # where one thing is to another; a grain of its own
    link = "link"  # with, in, of, that has: says nothing without what follows
    join = "join"  # and, or, commas
    verb = "verb"
    negation = "negation"  # denies the phrase that follows
    unit = "unit"  # follows its number; "size" goes before it
    filler = "filler"  # find me, it, one: neither a grain nor tied to one
    quote = "quote"
    mark = "mark"  # any other punctuation
    word = "word"  # everything else


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


QUALITIES: Mapping[str, tuple[str, ...]] = {
    "colour": _words(
        "black, white, grey, gray, red, green, blue, yellow, orange, purple, violet, pink, brown, beige, cream, ivory, "
        "tan, navy, teal, cyan, turquoise, magenta, maroon, burgundy, crimson, scarlet, gold, golden, silver, bronze, "
        "copper, khaki, olive, mint, coral, lavender, lilac, mustard, multicolored, multicoloured, colorful, "
        "colourful, transparent"
    ),
    "material": _words(
        "leather, suede, denim, cotton, wool, woolen, silk, linen, satin, velvet, lace, nylon, polyester, cashmere, "
        "fleece, mesh, knit, knitted, wooden, wood, metal, metallic, steel, iron, glass, plastic, paper, cardboard, "
        "ceramic, stone, brick, concrete, marble, rubber, wicker, bamboo, canvas, fur, faux fur, stainless steel"
    ),
    "pattern": _words(
        "striped, stripes, stripe, plaid, checked, checkered, dotted, dots, polka dot, polka dots, spotted, floral, "
        "paisley, printed, print, plain, solid, camouflage, camo, tartan, gingham, houndstooth, zigzag, animal print, "
        "leopard print"
    ),
    "size": _words(
        "small, large, big, little, tiny, huge, giant, mini, medium, oversized, tall, short, long, wide, narrow, "
        "thick, thin, smaller, larger, bigger, longer, shorter, taller, wider, narrower, knee-length, ankle-length"
    ),
}

SHADES = frozenset(
    _words("light, dark, pale, bright, deep, hot, navy, sky, royal, forest, lime, off, rose, baby, olive")
)
"""They name a colour together with the colour that follows: one grain."""

ROLES: Mapping[Role, tuple[str, ...]] = {
    Role.determiner: _words(
        "a, an, the, this, these, those, some, any, my, your, his, her, its, our, their, each, every, all, same, the "
        "same, another, other, such, such a, similar, a similar, what, which kind of"
    ),
    Role.count: _words(
        "one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, several, many, few, a few, both, "
        "single, multiple, numerous, a couple of, a pair of, pair of, a group of, group of, a dozen, a lot of, lots "
        "of, a bunch of"
    ),
    Role.degree: _words(
        "very, really, slightly, more, less, most, least, too, quite, rather, extremely, fairly, so, a bit, much"
    ),
    Role.relation: _words(
        "on, onto, on top of, on the left of, on the right of, to the left of, to the right of, left of, right of, "
        "above, over, below, under, underneath, beneath, next to, beside, besides, near, close to, by the side of, "
        "behind, in front of, in the middle of, between, among, inside, inside of, outside, outside of, within, "
        "around, across, across from, along, through, against, opposite, facing, off, up, down, toward, towards, past, "
        "into, out of, at the top of, at the bottom of, surrounded by, attached to, leaning against"
    ),
    Role.link: _words(
        "with, in, of, at, for, from, to, by, as, like, like this, via, per, made of, made from, that has, that have, "
        "which has, which have, who has, has, have, having, had, featuring, features, including, is, are, was, were, "
        "be, being, been, it is, there is, there are, that is, that are, which is, which are, who is, who are, that, "
        "which, who, whose, while, during, after, before, says, saying, reading, reads, called, named, labelled, "
        "labeled, titled, that says, that reads, make it, make them, turn it, turn them, change it to, in the style "
        "of, looks like, look like, does, do, can, should, will, where, when"
    ),
    Role.join: _words("and, or, but, plus, as well as, along with, together with, and also, also, then, nor"),
    Role.verb: _words(
        "sits, sit, sitting, stands, stand, standing, stood, holds, hold, holding, held, wears, wear, wearing, worn, "
        "rides, ride, riding, plays, play, playing, runs, run, running, walks, walk, walking, eats, eat, eating, "
        "drinks, drink, flies, fly, flying, jumps, jump, jumping, lies, lie, lying, lays, laying, carries, carry, "
        "carrying, sleeps, sleep, sleeping, looks at, looking at, looks, looking, chases, chase, chasing, throws, "
        "throw, throwing, catches, catch, pulls, pulling, pushes, pushing, hangs, hanging, parked, covered, filled, "
        "driving, drives, drive, surfing, surfs, skiing, skis, swings, swinging, cuts, cutting, cooks, cooking, talks, "
        "talking"
    ),
    Role.negation: _words(
        "without, without any, no, not, not a, never, except, except for, minus, lacking, excluding, remove, instead "
        "of, rather than, doesn't have, don't have, does not have, with no, isn't, is not, are not, aren't, free of"
    ),
    Role.filler: _words(
        "find, find me, show, show me, give me, get me, search for, look for, looking for, i am looking for, i'm "
        "looking for, i want, i need, please, a photo of, a picture of, an image of, a photograph of, photo of, "
        "picture of, image of, photos of, pictures of, images of, a drawing of, a close up of, it, they, them, him, "
        "he, she, i, me, you, we, us, something, anything, someone, ones, there, here, only, just, make, change, turn, "
        "put, add, replace, move"
    ),
    Role.unit: _words(
        "cm, mm, m, km, inch, inches, ft, feet, ml, l, cl, oz, g, kg, lb, lbs, gb, tb, mb, w, v, mah, years, year, "
        "percent, pack"
    ),
    Role.mark: (),
}

FORMS: Mapping[str, tuple[Role, str]] = {
    **{form: (role, role.value) for role, forms in ROLES.items() for form in forms},
    **{form: (Role.quality, kind) for kind, forms in QUALITIES.items() for form in forms},
}
"""Lower-case words, or several with one space between -> role, kind."""

LONGEST = max(form.count(" ") for form in FORMS) + 1
"""Words of the longest form."""

POSSESSING = frozenset(_words("with, featuring, having, that has, that have, which has, which have, has, have"))
"""Links after which a list of parts may follow: "with silver buttons and long sleeves"."""

COPULAS = frozenset(
    _words(
        "is, are, was, were, be, being, it is, that is, that are, which is, which are, who is, who are, make it, make "
        "them, turn it, turn them"
    )
)
"""What follows them without an article is a quality: "the sleeves are longer".
"""

PLURALS = frozenset(_words("people, men, women, children, feet, teeth, mice, sheep"))
"""Plurals without an s."""

NOT_ACTIONS = frozenset(
    _words(
        "king, ring, string, wing, thing, spring, swing, sling, ceiling, clothing, earring, building, morning, "
        "evening, wedding, something, nothing, everything, anything, pudding, railing, awning, lining, stocking, "
        "legging, painting, swimming, bed, shed, sled, seed, weed, speed, breed, red, feed, bread, hundred, sacred, "
        "naked, wicked, crossing, necked, bling"
    )
)
"""End as participles do, and are none."""

SYNONYMS: tuple[tuple[str, str], ...] = (
    ("small", "little"),
    ("large", "big"),
    ("grey", "gray"),
    ("next to", "beside"),
    ("below", "under"),
    ("above", "over"),
    ("violet", "purple"),
    ("sofa", "couch"),
    ("bicycle", "bike"),
    ("trousers", "pants"),
    ("sneakers", "trainers"),
    ("kid", "child"),
    ("kids", "children"),
    ("several", "multiple"),
)
"""Words that name the same grain, either way round."""
