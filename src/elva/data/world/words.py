"""The vocabulary of the built-in world: every value, every way of saying it, and its lexicon."""

from __future__ import annotations

from elva.grains import Lexicon

KINDS = ("shape", "colour", "size", "fill", "pose", "relation", "background")
CLIP_KINDS = ("shape", "colour", "fill", "action", "background")
DOMINANT = ("shape", "colour")
MINOR = ("size", "fill", "pose", "relation", "background")

# value -> words before the noun (the first is the canonical one) and phrases after it
NOUNS: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "disc"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "heart": ("heart",),
    "arrow": ("arrow",),
    "house": ("house", "hut"),
    "moon": ("moon", "crescent"),
    "drop": ("drop", "droplet"),
}
ADJECTIVES: dict[str, dict[str, tuple[str, ...]]] = {
    "colour": {
        "red": ("red",),
        "green": ("green",),
        "blue": ("blue",),
        "yellow": ("yellow",),
        "purple": ("purple", "violet"),
        "orange": ("orange",),
        "cyan": ("cyan", "turquoise"),
        "pink": ("pink",),
    },
    "size": {"small": ("small", "little"), "large": ("large", "big")},
    "fill": {
        "solid": ("solid", "filled"),
        "striped": ("striped",),
        "dotted": ("dotted", "spotted"),
        "hollow": ("hollow", "outlined"),
    },
    "pose": {
        "upright": ("upright", "standing"),
        "upside-down": ("upside-down", "flipped"),
    },
}
AFTER_NOUN: dict[str, tuple[str, ...]] = {
    "striped": ("with stripes",),
    "dotted": ("with dots", "with spots"),
}
RELATIONS: dict[str, tuple[str, ...]] = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
INVERSE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
# Only clips show these.
ACTIONS: dict[str, tuple[str, ...]] = {
    "moving left": ("moving left", "going left"),
    "moving right": ("moving right", "going right"),
    "moving up": ("moving up", "rising"),
    "moving down": ("moving down", "sinking"),
    "turning": ("turning", "rotating"),
    "growing": ("growing", "that grows"),
    "shrinking": ("shrinking", "that shrinks"),
}
BACKGROUNDS: dict[str, tuple[str, ...]] = {
    "white": ("white",),
    "mint": ("mint",),
    "gray": ("gray", "grey"),
    "tan": ("tan", "beige"),
}
BACKGROUND_PHRASES = (
    "on {}",
    "against {}",
    "on a {} background",
    "against a {} background",
)
# Read, but never written by a description: edits say "gray", people write "gray background".
BACKGROUND_READINGS = ("on {} background", "{} background", "{}")

POSED = ("triangle", "heart", "arrow", "house", "moon", "drop")
VALUES: dict[str, tuple[str, ...]] = {
    "shape": tuple(NOUNS),
    **{kind: tuple(table) for kind, table in ADJECTIVES.items()},
    "action": tuple(ACTIONS),
    "relation": tuple(RELATIONS),
    "background": tuple(BACKGROUNDS),
}


def lexicon(clips: bool = False) -> Lexicon:
    """The lexicon of the world, of its clips too: built from the same tables that write its texts."""
    kinds = {
        "shape": {value: list(forms) for value, forms in NOUNS.items()},
        **{
            kind: {value: [*forms, *AFTER_NOUN.get(value, ())] for value, forms in table.items()}
            for kind, table in ADJECTIVES.items()
        },
        "background": {
            value: [phrase.format(word) for phrase in (*BACKGROUND_PHRASES, *BACKGROUND_READINGS) for word in words]
            for value, words in BACKGROUNDS.items()
        },
    }
    if clips:
        kinds["action"] = {value: list(forms) for value, forms in ACTIONS.items()}
    return Lexicon(
        entity_kind="shape",
        kinds=kinds,
        relations={value: {"forms": list(forms), "inverse": INVERSE[value]} for value, forms in RELATIONS.items()},
        scene_kinds=("background",),
        dominant=DOMINANT,
        entities=2,
    )
