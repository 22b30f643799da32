"""Entries as rows of a Milvus collection, and back.

row        partition, `born` and `key` joined: one entry may have several rows, of several versions
key        digest of the id: a filter names it without quoting anything
id, content, length (words of the text and the summary)
born, died the versions that hold the row: born <= version < died
shown      JSON of what an entry shows, in parts: a text of Milvus holds 65,535 bytes, an array 4,096 texts
thumbnail  base64, in parts; none where there is no picture
words      the different words
facts      what conditions ask about by equality, see `_facts_of`
ranges     what they ask about by order: the least and the greatest of each field
vector     the embedding
terms      the words as a sparse vector: a product with that of a query is nearly BM25, see bm25.py

Entries with an image lie in a partition of their own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from elva.encoding import Vectors
from elva.errors import InputError
from elva.index.accepting import Said, words_of
from elva.index.bm25 import weight
from elva.index.protocol import Entry

if TYPE_CHECKING:
    from pymilvus import CollectionSchema

IMAGES, TEXTS = "images", "texts"
"""Partitions: entries with an image, and those without."""
DISPLAYED = ("id", "content", "shown")
FOREVER = 2**62
"""`died` of a row that is in force."""
LONGEST = 65_535
"""Bytes of a text of Milvus, and of a value of JSON."""
MOST_ELEMENTS = 4096
"""Of an array of Milvus."""
PART = 16_000
"""Characters of a part: 64,000 bytes at most."""
LONGEST_WORD = 64
"""Characters; of longer ones a digest is kept."""
_NO_WORDS = {0: 1.0}
"""Milvus takes no empty sparse vector; no word has this dimension."""


def schema_of(dimension: int) -> CollectionSchema:
    """The collection of vectors of this width."""
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("row", DataType.VARCHAR, is_primary=True, max_length=100)
    schema.add_field("key", DataType.VARCHAR, max_length=64)
    for name in ("id", "content"):
        schema.add_field(name, DataType.VARCHAR, max_length=LONGEST)
    for name in ("length", "born", "died"):
        schema.add_field(name, DataType.INT64)
    for name, longest in (("shown", LONGEST), ("thumbnail", LONGEST), ("words", 4 * LONGEST_WORD), ("facts", 64)):
        array = {"element_type": DataType.VARCHAR, "max_capacity": MOST_ELEMENTS, "max_length": longest}
        schema.add_field(name, DataType.ARRAY, **array)
    schema.add_field("ranges", DataType.JSON)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    schema.add_field("terms", DataType.SPARSE_FLOAT_VECTOR)
    return schema


def rows_of(
    entries: Sequence[Entry],
    vectors: Vectors,
    metadata: Sequence[str],
    said: Sequence[Said],
    fields: Mapping[str, int],
    born: int,
    mean_length: float,
) -> list[dict[str, Any]]:
    """The rows of n entries.

    Args:
        entries: n entries.
        vectors: float32 [n, d].
        metadata: theirs as JSON.
        said: what these say.
        fields: number of each field of metadata.
        born: the version that will hold them first.
        mean_length: words of an entry, on average, as far as is known.

    Raises:
        InputError: one doesn't fit into a row of Milvus; names it, and what to do.
    """
    rows = []
    for entry, vector, told, facts in zip(entries, vectors, metadata, said, strict=True):
        every = words_of(entry)
        row = {
            "row": f"{partition_of(entry)}-{born}-{key_of(entry.id)}",
            "key": key_of(entry.id),
            "id": entry.id,
            "content": entry.content,
            "length": len(every),
            "born": born,
            "died": FOREVER,
            "shown": _parts(json.dumps([entry.text, entry.image, entry.summary, told], ensure_ascii=False)),
            "thumbnail": _parts(base64.b64encode(entry.thumbnail).decode()) if entry.thumbnail is not None else [],
            "words": sorted(map(token, set(every))),
            "facts": _facts_of(facts, fields),
            "ranges": _ranges_of(facts, fields),
            "vector": vector,
            "terms": _terms(every, mean_length),
        }
        _require_fitting(row)
        rows.append(row)
    return rows


def entry_of(row: Mapping[str, Any]) -> Entry:
    """The entry of a row of the columns `DISPLAYED`."""
    text, image, summary, metadata = json.loads("".join(row["shown"]))
    return Entry(row["id"], text, image, summary, json.loads(metadata), row["content"])


def thumbnail_of(row: Mapping[str, Any]) -> bytes | None:
    """The picture of a row, if there is one."""
    parts = list(row["thumbnail"])
    return base64.b64decode("".join(parts)) if parts else None


def partition_of(entry: Entry) -> str:
    """Where an entry lies."""
    return TEXTS if entry.image is None else IMAGES


def by_partition(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Rows, of which `row` is enough, with the partition that they lie in."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["row"].partition("-")[0], []).append(row)
    return list(groups.items())


def key_of(item: str) -> str:
    """What stands for an id in a filter."""
    return _digest(item)


def token(word: str) -> str:
    """What stands for a word in `words`; a # can't occur in a word."""
    return word if len(word) <= LONGEST_WORD else f"#{_digest(word)}"


def fact(field: int, value: float | str) -> str:
    """What stands in `facts` for a value of the field of this number."""
    if isinstance(value, str):
        return f"t{field}={_digest(value)[:32]}"
    return f"n{field}={value!r}"


def dimension_of(word: str) -> int:
    """Of a word in `terms`; two words may share one, so who reads a score computes it from the words again."""
    return 1 + zlib.crc32(word.encode()) % (2**32 - 3)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _terms(every: Sequence[str], mean_length: float) -> dict[int, float]:
    terms: dict[int, float] = {}
    for word, count in Counter(every).items():
        dimension = dimension_of(word)
        terms[dimension] = terms.get(dimension, 0.0) + weight(count, len(every), mean_length)
    return terms or _NO_WORDS


def _facts_of(said: Said, fields: Mapping[str, int]) -> list[str]:
    """`fact` of each value, and "t" or "n" with the field's number where it has texts or numbers at all."""
    facts = set()
    for field, values in said.items():
        i = fields[field]
        facts |= {f"t{i}"} | ({f"n{i}"} if values.numbers else set())
        facts |= {fact(i, text) for text in values.texts} | {fact(i, number) for number in values.numbers}
    return sorted(facts)


def _ranges_of(said: Said, fields: Mapping[str, int]) -> dict[str, float | str]:
    ranges: dict[str, float | str] = {}
    for field, values in said.items():
        i = fields[field]
        ranges |= {f"t{i}_least": min(values.texts), f"t{i}_greatest": max(values.texts)}
        if values.numbers:
            ranges |= {f"n{i}_least": min(values.numbers), f"n{i}_greatest": max(values.numbers)}
    return ranges


def _parts(text: str) -> list[str]:
    """A text in parts that Milvus takes; an empty one is one part."""
    return [text[start : start + PART] for start in range(0, len(text), PART)] or [""]


def _require_fitting(row: Mapping[str, Any]) -> None:
    sizes = {
        "bytes of its id": (len(row["id"].encode()), LONGEST),
        "bytes of its content": (len(row["content"].encode()), LONGEST),
        f"times {PART:,} characters of texts and metadata": (len(row["shown"]), MOST_ELEMENTS),
        f"times {PART:,} characters of its thumbnail": (len(row["thumbnail"]), MOST_ELEMENTS),
        "different words of its text and summary": (len(row["words"]), MOST_ELEMENTS),
        "values in its metadata": (len(row["facts"]), MOST_ELEMENTS),
        "bytes of what its metadata can be asked about": (len(json.dumps(row["ranges"]).encode()), LONGEST),
    }
    for what, (size, most) in sizes.items():
        if size > most:
            raise InputError(
                f"{row['id'][:200]!r} doesn't fit into a row of Milvus: {size:,} {what}, {most:,} at most; "
                "shorten it, leave it out, or take --store lance"
            )
