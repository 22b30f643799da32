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
Lite compares all vectors, a server searches its HNSW index, which may miss some of the nearest. Which rows come, of
more than `most` that tie, is Milvus' choice.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from elva.encoding import ModelIdentity, Vectors
from elva.errors import StoreError
from elva.index.accepting import require_length, there, words_of
from elva.index.address import Address
from elva.index.bm25 import Scored, idf, ranked, weight
from elva.index.condition import Condition
from elva.index.folder import FolderError, new_index, refusing
from elva.index.milvus_collection import MANY, Collection, blocks
from elva.index.milvus_filters import expression, holding, of_ids, visible
from elva.index.milvus_rows import DISPLAYED, FOREVER, IMAGES, dimension_of, entry_of, rows_of, thumbnail_of
from elva.index.milvus_server import connected, make_collection, require_collection
from elva.index.pointer import Pointer
from elva.index.protocol import Entry, Origin, Stats
from elva.index.readers import announce, give_up_unread
from elva.index.versioned import SPARE, Taken, VersionedIndex, hold
from elva.index.words import words
from elva.whole import whole_file

STORE = "milvus"
CLAIM = "claim"
"""File of an index folder: see `_claim`."""
DRIFT = 1.25
"""How much a row's weight of words may be off, since it was computed with the mean length when the row was written."""


class MilvusIndex(VersionedIndex):
    """See the module; `create` or `open` gives one."""

    most: int = 16_384
    displayed = DISPLAYED

    def __init__(
        self, folder: Path, pointer: Pointer, collection: Collection, holding: ExitStack, writing: bool
    ) -> None:
        super().__init__(folder, pointer, holding, writing=writing)
        self._collection, self._worded, self._items = collection, pointer.worded, pointer.items

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
        with ExitStack() as holding:
            pointer = hold(folder, model, holding, writing=writing)
            address = pointer.address
            if address is None:
                raise FolderError(f"{folder} doesn't say where its collection is: bring meta.json back from a backup")
            client = connected(address)
            holding.callback(client.close)
            require_collection(client, address, pointer.model)
            collection = Collection(client, address, "Strong" if writing else address.consistency)
            if writing:
                _take_back(collection, pointer.table, f"the {address}", folder)
            return cls(folder, pointer, collection, holding.pop_all(), writing)

    def __len__(self) -> int:
        """How many items it holds."""
        return self._items  # not counted anew: of many rows that takes long, and each publication says it

    @property
    def _at(self) -> int:
        """The version that is asked for: that in force, or, of who writes, the one behind it."""
        return self._pointer.table + self._writing

    @property
    def _held(self) -> str:
        """The rows of this version."""
        return visible(self._at)

    # -- changing ------------------------------------------------------------------------------------------------

    def delete(self, ids: Sequence[str]) -> int:
        """See `Index`."""
        self._require_writing()
        gone = [row for _, row in self._selected(["row", "born", "length"], ids)]
        self._collection.delete_rows([row["row"] for row in gone if row["born"] == self._at])  # never published
        _let_die(self._collection, [row["row"] for row in gone if row["born"] < self._at], self._at)
        self._count_words([-row["length"] for row in gone])
        self._items -= len(gone)
        return len(gone)

    def _insert(self, new: Taken, fields: tuple[str, ...], *, instead: bool) -> None:
        """See `VersionedIndex`; InputError for an entry that doesn't fit into a row of Milvus."""
        with refusing(self._folder):  # texts may hold what is no Unicode
            rows = rows_of(*new, _numbered(fields), self._at, self._mean_length)
        if instead:
            self.delete([each.id for each in new.entries])
        self._fields = fields
        self._collection.insert(rows)
        self._count_words([row["length"] for row in rows])
        self._items += len(rows)

    def _count_words(self, lengths: Sequence[int]) -> None:
        """Count entries that came, with their words, and those that went, with theirs below zero."""
        entries, every = self._worded
        self._worded = entries + sum(int(np.sign(each)) for each in lengths), every + sum(lengths)

    @property
    def _mean_length(self) -> float:
        entries, every = self._worded
        return every / entries if entries else 10.0  # a guess, for the first rows: it only chooses candidates

    # -- asking --------------------------------------------------------------------------------------------------

    def by_words(
        self, text: str, k: int = 10, where: Condition | None = None, match: str | None = None
    ) -> list[Scored]:
        """See `Index`; k is no more than `most`."""
        require_length(k)
        self._require_given(k)
        held = {
            each: count
            for each in words(text)
            if (count := self._collection.count(f"{self._held} and {holding([each])}"))
        }
        if not held:
            return []
        entries, _ = self._worded
        rare = {word: idf(entries, count) for word, count in held.items()}
        query: dict[int, float] = {}
        for word, worth in rare.items():
            query[dimension_of(word)] = query.get(dimension_of(word), 0.0) + worth
        clause, asked = self._clause(where, match), min(4 * k + SPARE, self.most)
        while True:
            rows = self._collection.near("terms", query, asked, clause, DISPLAYED)
            scored = [(entry.id, score) for entry in map(entry_of, rows) if (score := self._score(entry, rare))]
            best = ranked(scored, k)
            sure = len(best) == k and rows[-1]["distance"] * DRIFT < best[-1][1]
            if len(rows) < asked or asked == self.most or sure:
                return best
            asked = min(4 * asked, self.most)

    def _score(self, entry: Entry, rare: Mapping[str, float]) -> float:
        """BM25 of an entry for words of which it is known how rare they are; 0 where it holds none."""
        every = words_of(entry)
        counts = Counter(every)
        held = [word for word in rare if word in counts]
        return sum(rare[word] * weight(counts[word], len(every), self._mean_length) for word in held)

    def _near(self, query: Vectors, count: int, clause: str) -> tuple[list[dict[str, Any]], Vectors]:
        rows = self._collection.near("vector", query.tolist(), count, clause, [*DISPLAYED, "vector"])
        vectors = np.array([row["vector"] for row in rows], np.float32)
        return rows, vectors.reshape(len(rows), self.model.dimension)

    def _entry(self, row: dict[str, Any]) -> Entry:
        return entry_of(row)

    def _clause(self, where: Condition | None, match: str | None) -> str:
        parts = [self._held]
        if where is not None:
            parts.append(expression(where, _numbered(self._fields)))
        wanted = words(match or "")
        if wanted:
            parts.append(holding(wanted))
        return " and ".join(parts)

    def contents(self) -> Mapping[str, str]:
        """See `Index`."""
        pages = self._collection.pages(self._held, ["id", "content"])
        return {row["id"]: row["content"] for page in pages for row in page}

    def thumbnail(self, item: str) -> bytes | None:
        """See `Index`."""
        return thumbnail_of(there(dict(self._selected(["id", "thumbnail"], [item])), item))

    def stats(self) -> Stats:
        """See `Index`."""
        items, pointer = len(self), self._pointer
        images = self._collection.count(self._held, partition_names=[IMAGES])
        size = items * self.model.dimension * 4
        return Stats(items, images, size, self.model, STORE, pointer.version, pointer.tidy)

    def _selected(self, columns: Sequence[str], ids: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for some in blocks(list(dict.fromkeys(ids)), MANY):
            found = self._collection.rows(f"{self._held} and {of_ids(some)}", ["id", *columns])
            yield from ((row["id"], row) for row in found)

    # -- versions ------------------------------------------------------------------------------------------------

    def publish(self, *, tidy: bool = True) -> int:
        """See `Index`; Milvus gathers and indexes rows by itself, a tidy publication only hands over the last ones."""
        self._require_writing()
        version = self._at
        with refusing(self._folder):
            if tidy:
                self._collection.flush()
            announce(self._folder, version)
            items, own = self._items, self._worded
            pointer = self._pointer.next(self.origin, version, items, self._fields, tidy=tidy, worded=own)
            self._collection.publish(version, _claim(self._folder))
            pointer.write(self._folder)
            self._pointer = pointer
            oldest = give_up_unread(self._folder, version)
        if tidy:
            try:
                self._collection.delete(f"died <= {oldest}")
            except StoreError as error:
                raise StoreError(
                    f"version {pointer.version} of {self._folder} is published; removing the rows that nobody reads "
                    f"any more failed, and is left to the next publication: {error}"
                ) from error
        return pointer.version


def _claim(folder: Path) -> str:
    """A word that this folder alone knows, for the version that it publishes next.

    It goes to the collection with the version before meta.json names it. So a copy of the folder that is behind finds a
    version that is not its own, at whatever moment this process ends, and this folder finds its own.
    """
    word = uuid.uuid4().hex
    with whole_file(folder / CLAIM) as file:
        file.write(word)
    return word


def _take_back(collection: Collection, published: int, name: str, folder: Path) -> None:
    """Undo what was written behind the version in force; refuse to where it is another folder's publication."""
    said, word = collection.published
    own = (folder / CLAIM).read_text("utf-8") if (folder / CLAIM).is_file() else ""
    if said > published and not (said == published + 1 and own and word == own):
        raise FolderError(
            f"{name} was published by another folder since: version {said}, and {folder} knows {published}; write "
            "there, or take its meta.json"
        )
    collection.delete(f"born > {published}")
    while died := collection.rows(f"died > {published} and died < {FOREVER}", ["row"], limit=MANY):
        _let_die(collection, [each["row"] for each in died], FOREVER)
    collection.publish(published, own)


def _let_die(collection: Collection, rows: Sequence[str], died: int) -> None:
    """Say from which version on these rows are no more."""
    collection.change([{"row": row, "died": died} for row in rows])


def _numbered(fields: Sequence[str]) -> dict[str, int]:
    return {field: i for i, field in enumerate(fields)}
