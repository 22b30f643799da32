"""Queries and candidates, and their rows in M-BEIR's JSON.

Reading takes the rows as they are published: modality as "image,text" or "text,image", positives as
strings or as {"did": ...} objects, absent keys for null. Writing gives one canonical form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from elva.grains import Grain
from elva.items import HALF_CHARACTER, Modality

MODALITIES = ("text", "image", "image,text", "video")
"""M-BEIR's, and video, which is ours."""

Row = Mapping[str, Any]

_IDENTIFIER = re.compile(r"[0-9]+:\S+").fullmatch


class RowProblem(Exception):
    """What is wrong with one row; the reader adds file and line (`elva.errors.DataError`)."""

    def __init__(self, field: str | None, found: str, fix: str) -> None:
        """Keep the parts for the reader."""
        super().__init__(field, found, fix)
        self.field = field
        self.found = found
        self.fix = fix


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A candidate that differs from the query in one grain, of this kind."""

    did: str
    kind: str


@dataclass(frozen=True, slots=True)
class Query:
    """One query with its labels.

    Attributes:
        qid: "<dataset id>:<n>".
        text: the words, or None.
        image: path relative to the root, or None.
        modality: what of these and of a video it holds.
        positives: dids of the right answers; the same did never stands in `negatives`.
        negatives: dids known to be wrong; may be empty.
        task: M-BEIR's task id, see `layout.TASKS`.
        grains: what the query names, for pair accuracy and masked distance.
        near_misses: candidates one grain off.
        paraphrase: another wording of the same grains (row field "paraphrase_txt").
        source: query_src_content as it stands in the file.
        video: path of a video relative to the root, or None (row field "query_video_path"): what `Clip` takes.
    """

    qid: str
    text: str | None
    image: str | None
    modality: Modality
    positives: tuple[str, ...]
    negatives: tuple[str, ...]
    task: int
    grains: tuple[Grain, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()
    paraphrase: str | None = None
    source: str | None = None
    video: str | None = None

    @property
    def dataset_id(self) -> int:
        """The number before the colon."""
        return int(self.qid.partition(":")[0])


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that can be found; fields as in `Query`."""

    did: str
    text: str | None
    image: str | None
    modality: Modality
    source: str | None = None
    video: str | None = None

    @property
    def content(self) -> int:
        """A 64-bit hash of what it says: equal for the same text, picture and video under any id."""
        return hash((self.text, self.image, self.video))


def query_from_row(row: Row, task: int | None) -> Query:
    """Read a query row.

    Args:
        row: the JSON object of one line.
        task: the task named by the file, or None: then the row's own "task_id", or -1 for unknown.

    Raises:
        RowProblem: a field is missing, of a wrong type, or contradicts another one.
    """
    modality, text, image, video = _content(row, "query_modality", "query_txt", "query_img_path", "query_video_path")
    positives = _dids(row, "pos_cand_list")
    return Query(
        qid=_identifier(row, "qid"),
        text=text,
        image=image,
        modality=modality,
        positives=positives,
        negatives=tuple(did for did in _dids(row, "neg_cand_list") if did not in positives),
        task=_task(row) if task is None else task,
        grains=_grains(row, text),
        near_misses=_near_misses(row),
        paraphrase=_text(row, "paraphrase_txt"),
        source=_source(row, "query_src_content"),
        video=video,
    )


def query_to_row(query: Query) -> dict[str, Any]:
    """The row of a query; our own fields are left out where they are empty."""
    row: dict[str, Any] = {
        "qid": query.qid,
        "query_txt": query.text,
        "query_img_path": query.image,
        "query_modality": query.modality,
        "query_src_content": query.source,
        "pos_cand_list": list(query.positives),
        "neg_cand_list": list(query.negatives),
    }
    if query.video is not None:
        row["query_video_path"] = query.video
    if query.grains:
        row["grains"] = [grain.to_row() for grain in query.grains]
    if query.near_misses:
        row["near_misses"] = [{"did": miss.did, "kind": miss.kind} for miss in query.near_misses]
    if query.paraphrase is not None:
        row["paraphrase_txt"] = query.paraphrase
    return row


def candidate_from_row(row: Row) -> Candidate:
    """Read a candidate row; RowProblem as in `query_from_row`."""
    modality, text, image, video = _content(row, "modality", "txt", "img_path", "video_path")
    return Candidate(_identifier(row, "did"), text, image, modality, _source(row, "src_content"), video)


def candidate_to_row(candidate: Candidate) -> dict[str, Any]:
    """The row of a candidate; our own field is left out where it is empty."""
    row: dict[str, Any] = {
        "did": candidate.did,
        "txt": candidate.text,
        "img_path": candidate.image,
        "modality": candidate.modality,
        "src_content": candidate.source,
    }
    if candidate.video is not None:
        row["video_path"] = candidate.video
    return row


def parse_modality(value: object, field: str) -> Modality:
    """One canonical spelling of a modality; RowProblem when it is none."""
    modality = "image,text" if value == "text,image" else value
    if modality not in MODALITIES:
        raise RowProblem(field, f"unknown modality {value!r}", "use text, image, image,text or video")
    return cast(Modality, modality)


def check_identifier(value: object, field: str) -> str:
    """The id when it has the form "<dataset id>:<n>"; RowProblem otherwise."""
    if isinstance(value, str) and _IDENTIFIER(value):
        return value
    raise RowProblem(field, f"{value!r} is no id", 'write it as "<dataset id>:<number>"')


def check_encoding(text: str, field: str) -> None:
    """RowProblem when a text holds half a UTF-16 character: what bad bytes decode to."""
    if not text.isascii() and HALF_CHARACTER.search(text):
        raise RowProblem(field, "the text is not UTF-8", "save the file as UTF-8")


def _identifier(row: Row, field: str) -> str:
    if field not in row:
        raise RowProblem(field, "the field is missing", "every row needs an id")
    return check_identifier(row[field], field)


def _content(
    row: Row, modality_field: str, text_field: str, image_field: str, video_field: str
) -> tuple[Modality, str | None, str | None, str | None]:
    """Modality, text, image and video, which must fit."""
    modality = parse_modality(row.get(modality_field), modality_field)
    text, image, video = _text(row, text_field), _path(row, image_field), _path(row, video_field)
    parts = (("text", text_field, text), ("image", image_field, image), ("video", video_field, video))
    if text is None and image is None and video is None:
        raise RowProblem(text_field, "text, image and video are all empty", "give one, or drop the row")
    for part, field, value in parts:
        if part in modality and value is None:
            raise RowProblem(field, f"empty, but the modality is {modality}", f"give the {part}")
    for part, field, value in parts:
        if part not in modality and value is not None:
            fix = f"leave {field} out" if "video" in (part, modality) else "write image,text"
            raise RowProblem(modality_field, f"{modality}, but there is {field}", fix)
    return modality, text, image, video


def _text(row: Row, field: str) -> str | None:
    text = row.get(field)
    if text is None:
        return None
    if not isinstance(text, str):
        raise RowProblem(field, f"{_kind(text)} instead of a string", "write a string or null")
    check_encoding(text, field)
    return text if text.strip() else None


def _path(row: Row, field: str) -> str | None:
    path = _text(row, field)
    if path is None:
        return None
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise RowProblem(field, f"{path!r} leaves the data folder", "write it relative to the root")
    return path


def _dids(row: Row, field: str) -> tuple[str, ...]:
    entries = row.get(field) or []
    if not isinstance(entries, list):
        raise RowProblem(field, f"{_kind(entries)} instead of a list", "write a list of dids")
    dids = (entry.get("did") if isinstance(entry, dict) else entry for entry in entries)
    return tuple(dict.fromkeys(check_identifier(did, field) for did in dids))


def _task(row: Row) -> int:
    task = row.get("task_id")
    if task is None:
        return -1
    if not isinstance(task, int) or isinstance(task, bool):
        raise RowProblem("task_id", f"{task!r} is no task", "write a number, or leave it out")
    return task


def _grains(row: Row, text: str | None) -> tuple[Grain, ...]:
    rows = row.get("grains")
    if not rows:
        return ()
    try:
        grains = tuple(Grain.from_row(grain) for grain in rows)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fix = "write a list of {kind, text, span, masked_txt}"
        raise RowProblem("grains", f"malformed ({error})", fix) from error
    for grain in grains:
        _check_grain(grain, text)
    return grains


def _check_grain(grain: Grain, text: str | None) -> None:
    if grain.span is not None:
        start, end = grain.span
        if text is None or not 0 <= start < end <= len(text):
            fix = "spans are [start, end) in query_txt"
            raise RowProblem("grains", f"span {list(grain.span)} lies outside the text", fix)
    if grain.masked_txt is not None and not _is_text(grain.masked_txt):
        fix = "write the query without that grain, or null"
        raise RowProblem("grains", f"masked_txt of {grain.kind!r} is no text", fix)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _near_misses(row: Row) -> tuple[NearMiss, ...]:
    rows = row.get("near_misses")
    if not rows:
        return ()
    try:
        pairs = [(miss["did"], miss["kind"]) for miss in rows]
    except (KeyError, TypeError) as error:
        fix = "write a list of {did, kind}"
        raise RowProblem("near_misses", f"malformed ({error})", fix) from error
    return tuple(NearMiss(check_identifier(did, "near_misses"), str(kind)) for did, kind in pairs)


def _source(row: Row, field: str) -> str | None:
    content = row.get(field)
    # The files hold a JSON string; some exports hold the object itself.
    return content if content is None or isinstance(content, str) else json.dumps(content)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", bool: "a truth value", int: "a number"}
    return names.get(type(value), f"a {type(value).__name__}")
