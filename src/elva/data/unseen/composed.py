"""A picture and words that change it: CIRCO, GeneCIS, CIRR and FashionIQ in their own formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from elva.data.unseen.files import Node, folder, found, inside, read_json
from elva.data.unseen.sets import Content, Picture, PublishedSet, Question, Task

CIRCO, CIRR, CIRR_SUBSET = "circo", "cirr", "cirr_subset"
CHANGE_OBJECT, FOCUS_OBJECT = "genecis_change_object", "genecis_focus_object"
CHANGE_ATTRIBUTE, FOCUS_ATTRIBUTE = "genecis_change_attribute", "genecis_focus_attribute"
GENOME = ("VG_100K", "VG_100K_2", "visual_genome/VG_100K", "visual_genome/VG_100K_2")
"""Where Visual Genome's pictures may lie: it comes in two parts."""
CATEGORIES = ("dress", "shirt", "toptee")


def circo(root: Path, split: str) -> PublishedSet:
    """CIRCO: every picture of COCO's unlabeled 2017 is a candidate; val has several answers a query, test none.

    Raises:
        DataError: a file is missing or malformed, or names a picture that the list of pictures lacks.
    """
    path = found(root, (f"annotations/{split}.json", f"{split}.json"), f"CIRCO's {split} annotations")
    names = [
        f"{above}image_info_unlabeled2017.json" for above in ("COCO2017_unlabeled/annotations/", "annotations/", "")
    ]
    info = found(
        root, names, "the list of COCO's unlabeled pictures, in image_info_unlabeled2017.zip of cocodataset.org"
    )
    images = folder(root, ("COCO2017_unlabeled/unlabeled2017", "images/unlabeled2017", "unlabeled2017"))
    pictures = {
        str(row["id"].whole()): Content(picture=Picture(inside(row["file_name"], images)))
        for row in read_json(info)["images"].items()
    }
    questions = [
        Question(
            f"circo:{row['id'].whole()}",
            Content(row["relative_caption"].text(), pictures[known(row["reference_img_id"], pictures)].picture),
            tuple(known(each, pictures) for each in row["gt_img_ids"].items()) if split == "val" else (),
        )
        for row in read_json(path).items()
    ]
    return PublishedSet((Task(CIRCO, questions, pictures),), (path, info))


def genecis(root: Path, split: str) -> PublishedSet:
    """GeneCIS: four tasks, each query with a gallery of its own.

    The tasks on objects show whole pictures of COCO's val2017, those on attributes parts of Visual Genome's.

    Raises:
        DataError: a file is missing or malformed.
    """
    coco = folder(root, ("val2017", "coco/val2017"))
    tasks, files = [], []
    for name in (CHANGE_OBJECT, FOCUS_OBJECT, CHANGE_ATTRIBUTE, FOCUS_ATTRIBUTE):
        file = f"{name.removeprefix('genecis_')}.json"
        path = found(root, (file, f"annotations/{file}", f"genecis/{file}"), "one of GeneCIS' four tasks")
        picture = partial(_whole, coco) if name.endswith("object") else partial(_part, root)
        tasks.append(_galleries(name, read_json(path), picture))
        files.append(path)
    return PublishedSet(tuple(tasks), tuple(files))


def cirr(root: Path, split: str) -> PublishedSet:
    """CIRR: all pictures of the split but the one that is shown; as a second task, the other five of its group.

    Raises:
        DataError: a file is missing or malformed, or names a picture that the split lacks.
    """
    path = found(root, (f"captions/cap.rc2.{split}.json", f"cap.rc2.{split}.json"), "CIRR's captions")
    names = found(root, (f"image_splits/split.rc2.{split}.json", f"split.rc2.{split}.json"), "CIRR's list of pictures")
    images = folder(root, ("img_raw", "images", "."))
    pictures = {did: Content(picture=Picture(inside(each, images))) for did, each in read_json(names).entries()}
    every, group = [], []
    for row in read_json(path).items():
        shown, answer = known(row["reference"], pictures), (known(row["target_hard"], pictures),)
        members = tuple(known(each, pictures) for each in row["img_set"]["members"].items())
        content = Content(row["caption"].text(), pictures[shown].picture)
        pair = row["pairid"].whole()
        every.append(Question(f"cirr:{pair}", content, answer, without=(shown,)))
        group.append(Question(f"subset:{pair}", content, answer, members, (shown,)))
    return PublishedSet((Task(CIRR, every, pictures), Task(CIRR_SUBSET, group, pictures)), (path, names))


def fashioniq(root: Path, split: str) -> PublishedSet:
    """FashionIQ: a garment and two remarks; each category ranks the pictures of its own split.

    Categories without captions are left out, and named: a part of the download can be judged.

    Raises:
        DataError: a file is missing or malformed, names a picture that the split lacks, or no category is there.
    """
    images = folder(root, ("images", "."))
    captions = {each: (f"captions/cap.{each}.{split}.json", f"cap.{each}.{split}.json") for each in CATEGORIES}
    there = [each for each in CATEGORIES if any((root / name).is_file() for name in captions[each])]
    tasks, files = [], []
    for category in there or CATEGORIES:
        path = found(root, captions[category], "FashionIQ's captions")
        splits = (f"image_splits/split.{category}.{split}.json", f"split.{category}.{split}.json")
        names = found(root, splits, "FashionIQ's list of pictures")
        pictures = {each.text(): Content(picture=garment(each, images)) for each in read_json(names).items()}
        questions = [
            Question(
                f"{category}:{i}",
                Content(remarks(row["captions"]), pictures[known(row["candidate"], pictures)].picture),
                (known(row["target"], pictures),),
            )
            for i, row in enumerate(read_json(path).items())
        ]
        tasks.append(Task(f"fashioniq_{category}", questions, pictures))
        files += [path, names]
    return PublishedSet(tuple(tasks), tuple(files), tuple(each for each in CATEGORIES if each not in there))


def garment(node: Node, images: Path) -> Picture:
    """FashionIQ's picture of an id: JPEG as M-BEIR has it, or PNG."""
    paths = [inside(node, images, ending) for ending in (".jpg", ".png")]
    return Picture(next((path for path in paths if path.is_file()), paths[0]))


def remarks(node: Node) -> str:
    """The remarks about one picture as one sentence; empty ones left out."""
    said = [each.text().rstrip(" .,") for each in node.items() if str(each.value).strip()]
    if not any(said):
        raise node.wrong("no remark", "download the file again")
    return " and ".join(filter(None, said))


def _galleries(name: str, rows: Node, picture: Callable[[Node], Picture]) -> Task:
    """Each row's gallery and target; a picture that several rows show is one candidate."""
    candidates: dict[str, Content] = {}
    numbers: dict[Picture, str] = {}

    def did(row: Node) -> str:
        shown = picture(row)
        number = numbers.setdefault(shown, f"{name}:{len(numbers)}")
        candidates[number] = Content(picture=shown)
        return number

    questions = []
    for i, row in enumerate(rows.items()):
        target, others = did(row["target"]), [did(each) for each in row["gallery"].items()]
        content = Content(row["condition"].text(), picture(row["reference"]))
        questions.append(Question(f"{name}:q{i}", content, (target,), tuple(dict.fromkeys((target, *others)))))
    return Task(name, questions, candidates)


def _whole(images: Path, row: Node) -> Picture:
    return Picture(images / f"{row['val_image_id'].whole():012d}.jpg")


def _part(root: Path, row: Node) -> Picture:
    box = [each.number() for each in row["instance_bbox"].items()]
    if len(box) != 4 or box[2] <= 0 or box[3] <= 0:
        raise row["instance_bbox"].wrong(f"{box} is no box", "it is left, top, width and height; download it again")
    paths = [root / above / f"{row['image_id'].whole()}.jpg" for above in GENOME]
    path = next((path for path in paths if path.is_file()), paths[0])
    return Picture(path, (box[0], box[1], box[2], box[3]))


def known(node: Node, pictures: Mapping[str, Content]) -> str:
    """The did that a value names; DataError where there is no such picture."""
    did = node.value if isinstance(node.value, str) else str(node.whole())
    if did not in pictures:
        raise node.wrong(f"picture {did!r} is not in the list of pictures", "download both files again, of one version")
    return did
