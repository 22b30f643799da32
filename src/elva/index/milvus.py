"""An index in Milvus: anywhere, for as many items as its machines hold; the folder says only where.

meta.json     which version is in force, see pointer.py, and where the collection is, see address.py
readers/N     who reads version N, see readers.py

Milvus keeps no versions, so the rows do. Each says from which version on it holds, and from which on no more. Who
writes works on the version behind the one in force, which nobody else asks for; publishing writes meta.json, in one
instant, as with LanceDB. What a killed writer left behind that version, the next writer takes back. A tidy publication
deletes the rows that only versions hold that nobody reads any more.

Readers are known by locks in the folder. So whoever reads from a copy of the folder, or over a network file system
without locks, is not known: the next tidy publication may take rows away from it that were changed or removed since,
until it opens the newer meta.json. Of two folders of one collection only the one that published last can write.

Milvus only chooses who is near, or who holds the words: scores and order are those of gallery.py and bm25.py. A Milvus
Lite compares all vectors, a server searches its HNSW index, which may miss some of the nearest. Of more than MOST rows
that tie, which of them come is Milvus' choice.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elva.encoding import ModelIdentity, Vectors
from elva.index.accepting import (
    accepted,
    grown_fields,
    require_length,
    require_new,
    require_queries,
    there,
    words_of,
)
from elva.index.address import Address
from elva.index.bm25 import Scored, idf, ranked, weight
from elva.index.condition import Condition
from elva.index.facts import facts
from elva.index.folder import FolderError, new_index, refusing
from elva.index.gallery import MARGIN, MICRO, VectorError, cosines_micro
from elva.index.milvus_filters import expression, holding, of_ids, visible
from elva.index.milvus_rows import (
    DISPLAYED,
    FOREVER,
    IMAGES,
    by_partition,
    dimension_of,
    entry_of,
    rows_of,
    thumbnail_of,
)
from elva.index.milvus_server import (
    ANSWERING,
    VERSION,
    asking,
    connected,
    make_collection,
    properties,
    require_collection,
)
from elva.index.pointer import Pointer
from elva.index.protocol import Entry, Hit, Origin, Stats
from elva.index.readers import announce, give_up_unread, hold_newest
from elva.index.words import words
from elva.locks import FolderLock

if TYPE_CHECKING:
    from pymilvus import MilvusClient

STORE = "milvus"
SPARE = 4
"""More rows than are wanted are asked for, since the last bits of float32 may order near ties otherwise."""
MOST = 16_384
"""Rows that Milvus gives for one search."""
LOOKED_AT = 128
"""Candidates that a search in HNSW keeps, at least (ef)."""
DRIFT = 1.25
"""How much a row's weight of words may be off, since it was computed with the mean length when the row was written."""
MANY = 500
"""Ids in one filter."""
ROWS_AT_ONCE = 256
"""Rows in one message, of which Milvus takes 64 MB: with thumbnails some ten MB."""
PAGE = 4096
"""Rows of few columns in one answer."""


class MilvusIndex:
    """See the module; `create` or `open` gives one."""

    def __init__(
        self, folder: Path, pointer: Pointer, address: Address, client: MilvusClient, holding: ExitStack, writing: bool
    ) -> None:
        self.origin = pointer.origin
        self._folder, self._pointer, self._address, self._client = folder, pointer, address, client
        self._fields, self._worded = pointer.fields, pointer.worded
        self._writing, self._holding = writing, holding
        weakref.finalize(self, holding.close)  # whoever forgets to close it lets go of the folder all the same

    @classmethod
    def create(cls, folder: Path, model: ModelIdentity, origin: Origin, address: Address) -> MilvusIndex:
        """Make the collection and the folder of an empty index, and open it for writing.

        Raises:
            MissingExtra: pymilvus isn't installed.
            FolderError: something lies there, the collection is another index, or the system refuses.
            IndexMismatch: the collection is that of another model.
            StoreError: Milvus can't be reached, or refuses.
        """
        with new_index(folder) as part:
            client = connected(address)
            try:
                make_collection(client, address, model)
            finally:
                client.close()
            pointer = Pointer(STORE, model, origin, address=address).next(origin, 1, 0, ())
            announce(part, pointer.table)
            pointer.write(part)
        return cls.open(folder, model, writing=True)

    @classmethod
    def open(cls, folder: Path, model: ModelIdentity | None = None, *, writing: bool = False) -> MilvusIndex:
        """Open what was published last.

        Raises:
            MissingExtra: pymilvus isn't installed.
            FolderError: it is no index, or damaged, or the collection is gone, or another folder has published since.
            IndexMismatch: `model` is given and would not give such vectors, or the collection is of another one.
            FolderInUse: `writing`, and another process is; or another process runs this Milvus Lite.
            StoreError: Milvus can't be reached, or refuses.
        """
        Pointer.read(folder).require(folder, model)
        with ExitStack() as holding:
            if writing:
                with refusing(folder):
                    holding.enter_context(FolderLock(folder))
                pointer = Pointer.read(folder)  # the lock holds it
            else:
                pointer = hold_newest(folder, holding)
            address = pointer.address
            if address is None:
                raise FolderError(f"{folder} doesn't say where its collection is: bring meta.json back from a backup")
            client = connected(address)
            holding.callback(client.close)
            require_collection(client, address, pointer.model)
            index = cls(folder, pointer, address, client, holding.pop_all(), writing)
        if writing:
            try:
                index._take_back()
            except BaseException:
                index.close()
                raise
        return index

    @property
    def model(self) -> ModelIdentity:
        """See `Index`."""
        return self._pointer.model

    def __len__(self) -> int:
        """How many items it holds."""
        return self._count()

    # -- changing ------------------------------------------------------------------------------------------------

    def add(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """See `Index`; InputError also for an entry that doesn't fit into a row of Milvus."""
        vectors, metadata = accepted(entries, vectors, self.model.dimension)
        self._require_writing()
        require_new(each for each, _ in self._selected(["id"], [each.id for each in entries]))
        self._put(entries, vectors, metadata)

    def upsert(self, entries: Sequence[Entry], vectors: Vectors) -> None:
        """See `Index`; raises as `add`."""
        vectors, metadata = accepted(entries, vectors, self.model.dimension)
        self._require_writing()
        self._put(entries, vectors, metadata, instead=True)

    def delete(self, ids: Sequence[str]) -> int:
        """See `Index`."""
        self._require_writing()
        gone = [row for _, row in self._selected(["row", "born", "length"], ids)]
        unpublished = [row["row"] for row in gone if row["born"] == self._at]
        with asking(self._address):
            if unpublished:
                self._client.delete(self._address.collection, ids=unpublished, timeout=ANSWERING)
            self._let_die([row["row"] for row in gone if row["born"] < self._at], self._at)
        self._count_words([-row["length"] for row in gone])
        return len(gone)

    def _put(
        self, entries: Sequence[Entry], vectors: Vectors, metadata: Sequence[str], *, instead: bool = False
    ) -> None:
        """Insert rows, `instead` of those of the same ids."""
        said = [facts(each.metadata) for each in entries]
        fields = grown_fields(self._fields, said)
        with refusing(self._folder):  # texts may hold what is no Unicode
            rows = rows_of(entries, vectors, metadata, said, _numbered(fields), self._at, self._mean_length)
        if instead:
            self.delete([each.id for each in entries])
        self._fields = fields
        for partition, here in by_partition(rows):
            for some in _blocks(here, ROWS_AT_ONCE):
                with asking(self._address):
                    self._client.insert(self._address.collection, some, partition_name=partition, timeout=ANSWERING)
        self._count_words([row["length"] for row in rows])

    def _let_die(self, rows: Sequence[str], died: int) -> None:
        """Say from which version on these rows are no more; the rest of them stays as it is."""
        changed = [{"row": row, "died": died} for row in rows]
        for partition, here in by_partition(changed):
            for some in _blocks(here, MANY):
                self._client.upsert(
                    self._address.collection,
                    some,
                    partition_name=partition,
                    partial_update=True,
                    timeout=ANSWERING,
                )

    def _count_words(self, lengths: Sequence[int]) -> None:
        """Count entries that came, with their words, and those that went, with theirs below zero."""
        entries, every = self._worded
        self._worded = entries + sum(int(np.sign(each)) for each in lengths), every + sum(lengths)

    @property
    def _mean_length(self) -> float:
        entries, every = self._worded
        return every / entries if entries else 10.0  # a guess, for the first rows: it only chooses candidates

    # -- asking --------------------------------------------------------------------------------------------------

    def search(
        self, queries: Vectors, k: int = 10, where: Condition | None = None, match: str | None = None
    ) -> list[list[Hit]]:
        """See `Index`; of a server some of the nearest may be missing, and k is no more than MOST."""
        require_queries(queries, k, self.model.dimension)
        self._require_given(k)
        clause = self._clause(where, match)
        return [self._nearest(query, k, clause) for query in queries]

    def by_words(
        self, text: str, k: int = 10, where: Condition | None = None, match: str | None = None
    ) -> list[Scored]:
        """See `Index`; k is no more than MOST."""
        require_length(k)
        self._require_given(k)
        held = {each: count for each in words(text) if (count := self._count(holding([each])))}
        if not held:
            return []
        entries, _ = self._worded
        rare = {word: idf(entries, count) for word, count in held.items()}
        query: dict[int, float] = {}
        for word, worth in rare.items():
            query[dimension_of(word)] = query.get(dimension_of(word), 0.0) + worth
        clause, asked = self._clause(where, match), min(4 * k + SPARE, MOST)
        while True:
            rows = self._found("terms", query, asked, clause, DISPLAYED)
            scored = [(entry.id, score) for entry in map(entry_of, rows) if (score := self._score(entry, rare))]
            best = ranked(scored, k)
            sure = len(best) == k and rows[-1]["distance"] * DRIFT < best[-1][1]
            if len(rows) < asked or asked == MOST or sure:
                return best
            asked = min(4 * asked, MOST)

    def _score(self, entry: Entry, rare: Mapping[str, float]) -> float:
        """BM25 of an entry for words of which it is known how rare they are; 0 where it holds none."""
        every = words_of(entry)
        counts = Counter(every)
        held = [word for word in rare if word in counts]
        return sum(rare[word] * weight(counts[word], len(every), self._mean_length) for word in held)

    def _nearest(self, query: Vectors, k: int, clause: str) -> list[Hit]:
        """The k nearest of one query [d]: more are asked for until those left out are surely further."""
        asked = min(k + SPARE, MOST)
        while True:
            rows = self._found("vector", query.tolist(), asked, clause, [*DISPLAYED, "vector"])
            micro = cosines_micro(_vectors(rows, self.model.dimension), query).tolist()
            order = sorted(range(len(rows)), key=lambda i: (-micro[i], rows[i]["id"]))[:k]
            sure = len(rows) < asked or min(micro) < micro[order[-1]] - 2 * MARGIN * MICRO
            if sure or asked == MOST:
                return [Hit(rank, micro[i] / MICRO, entry_of(rows[i])) for rank, i in enumerate(order, start=1)]
            asked = min(4 * asked, MOST)

    def _found(self, column: str, query: Any, count: int, clause: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        """The nearest rows by one of the columns of vectors, each with its `distance`."""
        graph = column == "vector" and not self._address.local
        with asking(self._address):
            (found,) = self._client.search(
                self._address.collection,
                data=[query],
                anns_field=column,
                filter=clause,
                limit=count,
                output_fields=list(columns),
                search_params={"metric_type": "IP", "params": {"ef": max(count, LOOKED_AT)} if graph else {}},
                consistency_level=self._consistency,
                timeout=ANSWERING,
            )
        return [{**hit["entity"], "distance": hit["distance"]} for hit in found]

    def _clause(self, where: Condition | None, match: str | None) -> str:
        parts = [visible(self._at)]
        if where is not None:
            parts.append(expression(where, _numbered(self._fields)))
        wanted = words(match or "")
        if wanted:
            parts.append(holding(wanted))
        return " and ".join(parts)

    def get(self, ids: Sequence[str]) -> list[Entry]:
        """See `Index`."""
        rows = dict(self._selected(DISPLAYED, ids))
        return [entry_of(there(rows, each)) for each in ids]

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """See `Index`."""
        rows = dict(self._selected(["id", "vector"], ids))
        return _vectors([there(rows, each) for each in ids], self.model.dimension)

    def contents(self) -> Mapping[str, str]:
        """See `Index`."""
        contents: dict[str, str] = {}
        with asking(self._address):
            pages = self._client.query_iterator(
                self._address.collection,
                batch_size=PAGE,
                filter=visible(self._at),
                output_fields=["id", "content"],
                consistency_level=self._consistency,
                timeout=ANSWERING,
            )
            while page := pages.next():
                contents |= {row["id"]: row["content"] for row in page}
            pages.close()
        return contents

    def thumbnail(self, item: str) -> bytes | None:
        """See `Index`."""
        return thumbnail_of(there(dict(self._selected(["id", "thumbnail"], [item])), item))

    def fields(self) -> tuple[str, ...]:
        """See `Index`; also those that only removed entries had."""
        return tuple(sorted(self._fields))

    def stats(self) -> Stats:
        """See `Index`."""
        items, images, pointer = len(self), self._count(partition_names=[IMAGES]), self._pointer
        size = items * self.model.dimension * 4
        return Stats(items, images, size, self.model, STORE, pointer.version, pointer.tidy)

    def _selected(self, columns: Sequence[str], ids: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Id and row of those of these ids that are there, in any order."""
        for some in _blocks(list(dict.fromkeys(ids)), MANY):
            with asking(self._address):
                found = self._ask(f"{visible(self._at)} and {of_ids(some)}", ["id", *columns])
            yield from ((row["id"], row) for row in found)

    def _count(self, clause: str | None = None, **where: Any) -> int:
        """Rows of this version that a clause, if any, is true of."""
        asked = visible(self._at) if clause is None else f"{visible(self._at)} and {clause}"
        with asking(self._address):
            return int(self._ask(asked, ["count(*)"], **where)[0]["count(*)"])

    def _ask(self, clause: str, columns: Sequence[str], **where: Any) -> list[dict[str, Any]]:
        """The rows that a clause is true of, which must be few."""
        return list(
            self._client.query(
                self._address.collection,
                filter=clause,
                output_fields=list(dict.fromkeys(columns)),
                consistency_level=self._consistency,
                timeout=ANSWERING,
                **where,
            )
        )

    @property
    def _at(self) -> int:
        """The version that is asked for: that in force, or, of who writes, the one behind it."""
        return self._pointer.table + self._writing

    @property
    def _consistency(self) -> str:
        return "Strong" if self._writing else self._address.consistency

    # -- versions ------------------------------------------------------------------------------------------------

    def publish(self, *, tidy: bool = True) -> int:
        """See `Index`; Milvus gathers and indexes rows by itself, a tidy publication only hands over the last ones."""
        self._require_writing()
        version, collection = self._at, self._address.collection
        with refusing(self._folder), asking(self._address):
            if tidy:
                self._client.flush(collection, timeout=ANSWERING)
            announce(self._folder, version)
            pointer = self._pointer.next(self.origin, version, len(self), self._fields, tidy=tidy, worded=self._worded)
            pointer.write(self._folder)
            self._pointer = pointer
            self._say_version()
            oldest = give_up_unread(self._folder, version)
            if tidy:
                self._client.delete(collection, filter=f"died <= {oldest}", timeout=ANSWERING)
        return pointer.version

    def close(self) -> None:
        """See `Index`."""
        self._writing = False
        self._holding.close()

    def _take_back(self) -> None:
        """Undo what was written behind the version in force; refuse to where it is another folder's publication."""
        published, collection = self._pointer.table, self._address.collection
        with asking(self._address):
            said = int(properties(self._client, self._address).get(VERSION, 0))
            if said > published:
                raise FolderError(
                    f"the {self._address} was published by another folder since: version {said}, and {self._folder} "
                    f"knows {published}; write there, or take its meta.json"
                )
            self._client.delete(collection, filter=f"born > {published}", timeout=ANSWERING)
            while died := self._ask(f"died > {published} and died < {FOREVER}", ["row"], limit=MANY):
                self._let_die([each["row"] for each in died], FOREVER)
            self._say_version()

    def _say_version(self) -> None:
        """Let writers from other folders know."""
        version = {VERSION: str(self._pointer.table)}
        self._client.alter_collection_properties(self._address.collection, properties=version, timeout=ANSWERING)

    def _require_writing(self) -> None:
        if not self._writing:
            raise FolderError(f"{self._folder} was opened for reading: open it with writing=True")

    def _require_given(self, k: int) -> None:
        if k > MOST:
            raise VectorError(f"lists of length {k:,} were asked for: Milvus gives {MOST:,} at most")


def _numbered(fields: Sequence[str]) -> dict[str, int]:
    return {field: i for i, field in enumerate(fields)}


def _blocks(rows: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])


def _vectors(rows: Sequence[Mapping[str, Any]], dimension: int) -> Vectors:
    return np.array([row["vector"] for row in rows], np.float32).reshape(len(rows), dimension)
