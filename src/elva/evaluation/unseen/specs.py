"""Which published benchmarks there are, who reads them, and what is asked and reported of each.

To add one, write its reader in `elva.data.unseen` and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from elva.data.instructions import Key
from elva.data.unseen import captions, clips, composed, dialogs, pairs
from elva.data.unseen.sets import PublishedSet

COCO_IMAGES: Key = (9, "text", "image")
COCO_CAPTIONS: Key = (9, "image", "text")
CIRR_IMAGES: Key = (8, "image,text", "image")
FASHIONIQ_IMAGES: Key = (7, "image,text", "image")


@dataclass(frozen=True, slots=True)
class Ask:
    """How one task is put and judged.

    Attributes:
        instruction: what its queries are given, in our words.
        measures: what is reported, see `measures`.
        like: whose instruction takes the place of ours where M-BEIR's file is given; None: ours stays.
        headline: which measure papers report; the first where nothing is said.
    """

    instruction: str
    measures: tuple[str, ...]
    like: Key | None = None
    headline: str = ""

    def __post_init__(self) -> None:
        """The first measure is the headline where nothing else is said."""
        object.__setattr__(self, "headline", self.headline or self.measures[0])


@dataclass(frozen=True, slots=True)
class Spec:
    """A benchmark.

    Attributes:
        title: its name for people.
        read: folder and split -> what it asks; DataError where a file is missing or malformed.
        asks: task -> how it is put.
        images: what holds its pictures, for people who lack them.
        splits: those that can be judged, the usual one first.
        withheld: splits whose answers only the authors' server knows.
    """

    title: str
    read: Callable[[Path, str], PublishedSet]
    asks: Mapping[str, Ask]
    images: str
    splits: tuple[str, ...] = ("test",)
    withheld: frozenset[str] = frozenset()


RECALLS = ("hit@1", "hit@5", "hit@10")
PAIR = Ask("Find the caption that is true of this picture.", ("accuracy",), COCO_CAPTIONS)
CHANGE = "Find a picture that resembles this one, changed as the words say."
CHANGED = Ask(CHANGE, ("hit@1", "hit@2", "hit@3"), CIRR_IMAGES)
FOCUSED = Ask("Find a picture that shares with this one what the words name.", ("hit@1", "hit@2", "hit@3"), CIRR_IMAGES)


def _both_ways(name: str) -> dict[str, Ask]:
    return {
        captions.to_image(name): Ask("Find the picture that this text describes.", RECALLS, COCO_IMAGES),
        captions.to_text(name): Ask("Find the text that describes this picture.", RECALLS, COCO_CAPTIONS),
    }


def _ccneg(root: Path, split: str) -> PublishedSet:
    from elva.data.unseen.files import Node, found
    from elva.model.plain_file import load_plain  # imports torch, which no other set needs

    path = found(root, pairs.CCNEG_FILES, "CC-Neg's annotations")
    return pairs.ccneg(root, Node(path, "", load_plain(path)))


UNSEEN: Mapping[str, Spec] = {
    captions.FLICKR30K: Spec(
        "Flickr30k", captions.flickr30k, _both_ways(captions.FLICKR30K), "the pictures of Flickr30k"
    ),
    captions.SHAREGPT4V: Spec(
        "ShareGPT4V", captions.sharegpt4v, _both_ways(captions.SHAREGPT4V), "the pictures of ShareGPT4V's validation"
    ),
    captions.URBAN1K: Spec("Urban-1k", captions.urban1k, _both_ways(captions.URBAN1K), "image/ of Urban1k"),
    composed.CIRCO: Spec(
        "CIRCO",
        composed.circo,
        {composed.CIRCO: Ask(CHANGE, ("map@5", "map@10", "map@25", "map@50"), CIRR_IMAGES)},
        "unlabeled2017.zip of COCO",
        ("val", "test"),
        frozenset({"test"}),
    ),
    "genecis": Spec(
        "GeneCIS",
        composed.genecis,
        {
            composed.CHANGE_OBJECT: CHANGED,
            composed.FOCUS_OBJECT: FOCUSED,
            composed.CHANGE_ATTRIBUTE: CHANGED,
            composed.FOCUS_ATTRIBUTE: FOCUSED,
        },
        "val2017.zip of COCO and both parts of Visual Genome 1.2",
    ),
    "sugarcrepe": Spec(
        "SugarCrepe",
        pairs.sugarcrepe,
        dict.fromkeys(map(pairs.sugarcrepe_task, pairs.SUGARCREPE), PAIR),
        "val2017.zip of COCO",
    ),
    pairs.CCNEG: Spec("CC-Neg", _ccneg, {pairs.CCNEG: PAIR}, "ccneg_images.tar.gz of CC-Neg"),
    dialogs.VISDIAL: Spec(
        "Visual Dialog",
        dialogs.visdial,
        {dialogs.VISDIAL: Ask("Find the picture that this dialog is about.", RECALLS)},
        "VisualDialog_val2018.zip of Visual Dialog 1.0",
        ("val",),
    ),
    dialogs.FASHIONIQ_TURNS: Spec(
        "multi-turn FashionIQ",
        dialogs.fashioniq_turns,
        {
            dialogs.FASHIONIQ_TURNS: Ask(
                "Find the garment that these pictures and remarks lead to.",
                RECALLS,
                headline="hit@5",
            )
        },
        "the pictures of FashionIQ",
        ("val",),
    ),
    composed.CIRR: Spec(
        "CIRR",
        composed.cirr,
        {
            composed.CIRR: Ask(CHANGE, ("hit@1", "hit@5", "hit@10", "hit@50"), CIRR_IMAGES, "hit@5"),
            composed.CIRR_SUBSET: Ask(CHANGE, ("hit@1", "hit@2", "hit@3"), CIRR_IMAGES),
        },
        "the pictures of CIRR, which are NLVR2's",
        ("val",),
    ),
    "fashioniq": Spec(
        "FashionIQ",
        composed.fashioniq,
        {
            f"fashioniq_{each}": Ask(
                "Find a garment that resembles this one, changed as the words say.",
                ("hit@10", "hit@50"),
                FASHIONIQ_IMAGES,
            )
            for each in composed.CATEGORIES
        },
        "the pictures of FashionIQ",
        ("val",),
    ),
}
"""Pictures and texts. M-BEIR trains on CIRR and FashionIQ: in their own formats they are here to be compared."""

TO_VIDEO = Ask("Find the video that this text describes.", RECALLS)

VIDEO: Mapping[str, Spec] = {
    clips.MSRVTT: Spec("MSR-VTT", clips.msrvtt, {clips.MSRVTT: TO_VIDEO}, "the videos of MSR-VTT"),
    clips.MSVD: Spec("MSVD", clips.msvd, {clips.MSVD: TO_VIDEO}, "YouTubeClips.tar of MSVD"),
}
"""Videos, asked for in words."""
