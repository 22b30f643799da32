"""Published benchmarks at their smallest, in the formats of their own repositories, and an encoder that sees colours.

Every picture is of one colour, and words say which: so it is known what a model that sees colours must find.
"""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import torch
from PIL import Image, ImageColor

from elva.clips import frames_of
from elva.items import Item
from elva.media import ImageSource, load_image
from filmed import save_video
from judging import FakeEncoder

COLOURS = ("red", "lime", "blue", "black", "white", "yellow", "cyan", "magenta", "gray", "brown", "pink", "navy")


class SeesColours(FakeEncoder):
    """Its words for a picture are the colour in its middle; for a video, those of its frames."""

    def words(self, item: Item) -> list[str]:
        return [word for part in item.parts for word in self._of(part)]

    def _of(self, part: Item) -> list[str]:
        pictures = () if part.shown is None else frames_of(part.shown)
        return [*map(_colour, pictures), *re.findall(r"\w+", (part.text or "").lower())]


def _colour(picture: ImageSource) -> str:
    image = load_image(picture)
    pixel = image.getpixel((image.width // 2, image.height // 2))

    def distance(name: str) -> int:
        return sum((a - b) ** 2 for a, b in zip(ImageColor.getrgb(name), pixel, strict=True))

    return min(COLOURS, key=distance)


def paint(path: Path, colour: str, size: tuple[int, int] = (24, 24)) -> None:
    """A picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def write(path: Path, value: object) -> None:
    """JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")


def flickr30k(root: Path) -> Path:
    """The flat list: caption i belongs to picture i // 5."""
    for i, colour in enumerate(COLOURS):
        paint(root / f"images/{i}.png", colour)
    write(root / "flickr_text.json", [f"{colour} picture {n}" for colour in COLOURS for n in range(5)])
    return root


def flickr30k_karpathy(root: Path) -> Path:
    """The same with names and splits."""
    rows = []
    for i, colour in enumerate(COLOURS):
        name = f"{1000 + i}.jpg"
        paint(root / "flickr30k-images" / name, colour)
        sentences = [{"raw": f"{colour} picture {n}", "tokens": [colour, "picture"], "imgid": i} for n in range(5)]
        split = "train" if colour == "navy" else "test"
        rows.append({"filename": name, "split": split, "imgid": i, "sentences": sentences})
    write(root / "dataset_flickr30k.json", {"images": rows, "dataset": "flickr30k"})
    return root


def sharegpt4v(root: Path) -> Path:
    for colour in COLOURS:
        paint(root / f"val_data/{colour}.jpg", colour)
    rows = [{"image_name": f"{each}.jpg", "caption": f"A {each} picture.\nIt is {each}."} for each in COLOURS]
    write(root / "datas_for_validation.json", rows)
    return root


def urban1k(root: Path) -> Path:
    (root / "caption").mkdir(parents=True)
    for i, colour in enumerate(COLOURS, start=1):
        paint(root / f"image/{i}.jpg", colour)
        (root / f"caption/{i}.txt").write_text(f"A {colour} street.\nA second line that is not read.\n", "utf-8")
    return root


def circo(root: Path) -> Path:
    """Two pictures of each colour; the first query has both of its colour as answers."""
    images = []
    for i, colour in enumerate((*COLOURS, *COLOURS)):
        name = f"{100 + i:012d}.jpg"
        paint(root / "COCO2017_unlabeled/unlabeled2017" / name, colour)
        images.append({"id": 100 + i, "file_name": name, "height": 24, "width": 24})
    write(root / "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json", {"images": images, "categories": []})
    rows = [
        {
            "id": i,
            "reference_img_id": 100 + i,
            "relative_caption": f"is {other} and {other} all over",
            "shared_concept": "a colour",
            "target_img_id": 100 + i + 1,
            "gt_img_ids": [100 + i + 1, 100 + i + 1 + len(COLOURS)],
            "semantic_aspects": ["cardinality"],
        }
        for i, other in enumerate(COLOURS[1:6])
    ]
    write(root / "annotations/val.json", rows)
    kept = ("id", "reference_img_id", "relative_caption", "shared_concept")
    write(root / "annotations/test.json", [{key: row[key] for key in kept} for row in rows])
    return root


def genecis(root: Path) -> Path:
    """Whole pictures for objects; for attributes a box of one colour in a picture of four."""
    for i, colour in enumerate(COLOURS):
        paint(root / f"val2017/{i:012d}.jpg", colour)
    genome = Image.new("RGB", (200, 200))
    for i, colour in enumerate(COLOURS[:4]):
        genome.paste(Image.new("RGB", (100, 100), colour), (100 * (i % 2), 100 * (i // 2)))
    (root / "VG_100K_2").mkdir()
    genome.save(root / "VG_100K_2/7.jpg", quality=95)
    boxes = [[x + 30, y + 30, 30, 30] for y in (0, 100) for x in (0, 100)]
    whole = [{"val_image_id": i} for i in range(len(COLOURS))]
    part = [{"image_id": 7, "instance_bbox": box, "object_name": "square"} for box in boxes]
    for name in ("change_object", "focus_object", "change_attribute", "focus_attribute"):
        shown = whole if name.endswith("object") else part
        rows = [
            {"reference": shown[0], "target": shown[i], "gallery": [shown[j] for j in (1, 2, 3) if j != i],
             "condition": f"{COLOURS[i]} {COLOURS[i]}"}
            for i in (1, 2, 3)
        ]  # fmt: skip
        write(root / f"{name}.json", rows)
    return root


def sugarcrepe(root: Path) -> Path:
    """The fourth pair of each file misleads; the fifth can't be told apart by what the encoder hears."""
    for i, colour in enumerate(COLOURS):
        paint(root / f"val2017/{i:012d}.jpg", colour)
    for name in ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"):
        rows = {
            "0": {"filename": f"{0:012d}.jpg", "caption": "A red thing.", "negative_caption": "A blue thing."},
            "1": {"filename": f"{1:012d}.jpg", "caption": "A lime thing.", "negative_caption": "A red thing."},
            "2": {"filename": f"{2:012d}.jpg", "caption": "A blue thing.", "negative_caption": "A thing."},
            "3": {"filename": f"{3:012d}.jpg", "caption": "A thing.", "negative_caption": "A black thing."},
            "4": {"filename": f"{4:012d}.jpg", "caption": "A white thing.", "negative_caption": "A white thing?"},
        }
        write(root / f"{name}.json", rows)
    return root


def ccneg(root: Path) -> Path:
    """Paths as on the authors' machine."""
    paths, rows = [], []
    for i, colour in enumerate(COLOURS):
        paint(root / f"ccneg_images/cc3m_subset_images_extracted_final/{i}.jpg", colour)
        paths.append(f"/somewhere/else/cc3m/cc3m_subset_images_extracted_final/{i}.jpg")
        denial = {"negative-prompt": f"a {COLOURS[i - 1]}, thing"}
        rows.append({"json": {"caption": f"a {colour} thing", "url": None}, "sop_data": denial})
    torch.save({"image_paths": paths, "annotations": rows, "num_ops": {1: [0, 1]}}, root / "ccneg_preprocessed.pt")
    return root


def visdial(root: Path) -> Path:
    for i, colour in enumerate(COLOURS):
        paint(root / f"VisualDialog_val2018/VisualDialog_val2018_{i:012d}.jpg", colour)
    rounds = [[{"question": n % 2, "answer": i, "answer_options": [i]} for n in range(10)] for i in range(len(COLOURS))]
    dialogs = [{"image_id": i, "caption": "not shown", "dialog": each} for i, each in enumerate(rounds)]
    data = {"dialogs": dialogs, "questions": ["which colour is it", "is it all one"], "answers": list(COLOURS)}
    write(root / "visdial_1.0_val.json", {"version": "1.0", "split": "val", "data": data})
    return root


def cirr(root: Path) -> Path:
    names = [f"dev-{i}-img0" for i in range(len(COLOURS))]
    for name, colour in zip(names, COLOURS, strict=True):
        paint(root / f"img_raw/dev/{name}.png", colour)
    rows = [
        {
            "pairid": 12060 + i,
            "reference": names[i],
            "target_hard": names[i + 1],
            "target_soft": {names[i + 1]: 1.0},
            "caption": f"make it {COLOURS[i + 1]}",
            "img_set": {"id": 1, "members": names[:6], "reference_rank": i, "target_rank": i + 1},
        }
        for i in range(5)
    ]
    write(root / "captions/cap.rc2.val.json", rows)
    write(root / "image_splits/split.rc2.val.json", {name: f"./dev/{name}.png" for name in names})
    return root


def fashioniq(root: Path) -> Path:
    """Two of the three categories, as many downloads have them."""
    names = [f"B00{i:04d}" for i in range(len(COLOURS))]
    for i, (name, colour) in enumerate(zip(names, COLOURS, strict=True)):
        paint(root / f"images/{name}.{'png' if i % 2 else 'jpg'}", colour)
    for category in ("dress", "shirt"):
        rows = [
            {"target": names[i + 1], "candidate": names[i], "captions": [f"is {COLOURS[i + 1]}.", COLOURS[i + 1]]}
            for i in range(5)
        ]
        write(root / f"captions/cap.{category}.val.json", rows)
        write(root / f"image_splits/split.{category}.val.json", names)
    return root


def fashioniq_turns(root: Path) -> Path:
    """Two rounds, a picture and a remark each; the second remark names the target twice."""
    names = [f"B00{i:04d}" for i in range(len(COLOURS))]
    for name, colour in zip(names, COLOURS, strict=True):
        paint(root / f"images/{name}.jpg", colour)
    rows = [
        {
            "target": ["", names[i]],
            "reference": [
                ["", ["is darker", ""], names[i - 1]],
                ["", [f"{COLOURS[i]} all over", f"{COLOURS[i]} again", COLOURS[i]], names[i - 2]],
            ],
        }
        for i in range(2, 8)
    ]
    write(root / "data/all.val.json", rows)
    write(root / "image_splits/split.all.val.json", names)
    return root


def msrvtt(root: Path) -> Path:
    """A video file, an animation and folders of frames: each shows its colour, then another."""
    lines = ["key,vid_key,video_id,sentence"]
    for i, colour in enumerate(COLOURS):
        frames = [Image.new("RGB", (24, 24), each) for each in (colour, colour, COLOURS[i - 1])]
        videos = root / "videos/all"
        videos.mkdir(parents=True, exist_ok=True)
        if i == 0:
            save_video(videos / "video0.mp4", frames)
        elif i == 1:
            frames[0].save(videos / f"video{i}.gif", save_all=True, append_images=frames[1:], duration=500)
        else:
            for number, shown in enumerate((colour, colour, COLOURS[i - 1])):
                paint(videos / f"video{i}/{number}.png", shown)
        lines.append(f'ret{i},msr{i},video{i},"it is {colour}, then {COLOURS[i - 1]}"')
    (root / "MSRVTT_JSFUSION_test.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return root


def msvd(root: Path) -> Path:
    """Two captions a video; captions of a video that is not of the test, too."""
    for colour in COLOURS:
        paint(root / f"YouTubeClips/{colour}_0_9/0.png", colour)
    captions = {f"{each}_0_9": [["a", each, "thing"], ["something", each]] for each in COLOURS}
    (root / "raw-captions.pkl").write_bytes(pickle.dumps(captions, protocol=2))
    (root / "test_list.txt").write_text("".join(f"{each}_0_9\n" for each in COLOURS[:8]), "utf-8")
    return root


VIDEOS = {"msrvtt": msrvtt, "msvd": msvd}
MINIATURES = {
    "flickr30k": flickr30k,
    "sharegpt4v": sharegpt4v,
    "urban1k": urban1k,
    "circo": circo,
    "genecis": genecis,
    "sugarcrepe": sugarcrepe,
    "ccneg": ccneg,
    "visdial": visdial,
    "fashioniq-multiturn": fashioniq_turns,
    "cirr": cirr,
    "fashioniq": fashioniq,
}


def miniature(name: str, root: Path) -> Path:
    """A set by its name."""
    return {**MINIATURES, **VIDEOS}[name](root)
