"""An index in LanceDB: on disk, for many items, with vectors, texts, metadata and thumbnails in one table.

meta.json        which version of the table is in force, see pointer.py
entries.lance    the table
readers/N        who reads version N, see readers.py

LanceDB makes a new version of the table with every change. A reader opens the one that meta.json names; what a killed
writer left behind it, the next writer takes back. Publishing names the newest one, and a tidy publication removes what
nobody reads any more.

A table of few rows is searched whole, one of many by an IVF index. Either way LanceDB only chooses who is near: scores
and order are those of gallery.py, so that a whole search gives what ExactIndex gives.

An IVF index holds the vectors once more, or codes in their place: a byte a number (scalar quantisation), or a bit
(RaBitQ: Gao and Long, 2024, arXiv 2405.12497). What is near by its codes is compared again by its whole vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elva.encoding import ModelIdentity, Vectors
from elva.errors import MissingExtra
from elva.index.accepting import require_length, there
from elva.index.bm25 import Scored, ranked
from elva.index.condition import Condition, quoted
from elva.index.folder import INDEX, FolderError, new_index, refusing
from elva.index.lance_rows import DISPLAYED, columns_of, entry_of, schema_of, table_of
from elva.index.pointer import Pointer
from elva.index.protocol import NOWHERE, Codes, Entry, Origin, Stats
from elva.index.readers import announce, give_up_unread
from elva.index.versioned import SPARE, Taken, VersionedIndex, hold
from elva.index.words import words
from elva.whole import sync_all

if TYPE_CHECKING:
    from lancedb.table import Table

STORE = "lance"
TABLE = "entries"
INDEXED_FROM = 50_000
"""Rows from which on the vectors get an IVF index; fewer are compared whole within some hundredths of a second."""
PROBES = 40
"""Parts of an IVF index that a query looks into, at least. LanceDB makes one of 4,096 rows: of some 160,000 rows, which
are compared within some hundredths of a second, nothing is missed."""
VECTORS, WORDS, BM25 = "vector_idx", "words_idx", "words_bm25_idx"
"""Names of the indices: of vectors, of words that must occur, and of words to rank by."""
SHORTLIST: dict[Codes, int] = {"none": 1, "int8": 2, "binary": 50}
"""So many times as many rows as are wanted are compared whole: those that are nearest by their codes."""
MANY = 1000
"""Ids in one expression of SQL."""
ROWS_AT_ONCE = 4096
"""Rows that are handed to LanceDB at a time: some hundred MB at most."""
SAFE = timedelta(seconds=10)
"""While somebody reads an old version, only what is older than it by so much goes: LanceDB goes by ages."""


class LanceIndex(VersionedIndex):
    """See the module; `create` or `open` gives one."""

    displayed = DISPLAYED

    def __init__(self, folder: Path, pointer: Pointer, table: Table, holding: ExitStack, writing: bool) -> None:
        super().__init__(folder, pointer, holding, writing=writing)
        self._table = table

    @classmethod
    def create(cls, folder: Path, model: ModelIdentity, origin: Origin = NOWHERE, codes: Codes = "none") -> LanceIndex:
        """Make a folder of an empty index, and open it for writing.

        Raises:
            MissingExtra: LanceDB isn't installed.
            FolderError: something lies there, or the system refuses.
        """
        with new_index(folder) as part:
            table = _connected(part).create_table(TABLE, schema=schema_of(model.dimension))
            announce(part, table.version)
            Pointer(STORE, model, origin, codes=codes).next(origin, table.version, 0, ()).write(part)
        return cls.open(folder, model, writing=True)

    @classmethod
    def open(cls, folder: Path, model: ModelIdentity | None = None, *, writing: bool = False) -> LanceIndex:
        """Open what was published last.

        Raises:
            MissingExtra: LanceDB isn't installed.
            FolderError: it is no index, or damaged.
            IndexMismatch: `model` is given and would not give such vectors.
            FolderInUse: `writing`, and another process is; names it.
        """
        database = _connected(folder)
        with ExitStack() as holding:
            pointer = hold(folder, model, holding, writing=writing)
            with _damage(folder):
                table = database.open_table(TABLE)
                newest = table.version
                table.checkout(pointer.table)
            if writing:
                with refusing(folder):
                    table.checkout_latest() if newest == pointer.table else table.restore()
            return cls(folder, pointer, table, holding.pop_all(), writing)

    def __len__(self) -> int:
        """How many items it holds."""
        with _damage(self._folder):
            return int(self._table.count_rows())

    # -- changing ------------------------------------------------------------------------------------------------

    def delete(self, ids: Sequence[str]) -> int:
        """See `Index`."""
        self._require_writing()
        before = len(self)
        with refusing(self._folder):
            for clause in _clauses(ids):
                if self._table.count_rows(clause):  # a deletion of nothing makes a version, too
                    self._table.delete(clause)
        return before - len(self)

    def _insert(self, new: Taken, fields: tuple[str, ...], *, instead: bool) -> None:
        if len(fields) > len(self._fields):
            with refusing(self._folder):
                self._table.add_columns(columns_of(range(len(self._fields), len(fields))))
        self._fields = fields
        if instead:
            self.delete([each.id for each in new.entries])
        for start in range(0, len(new.entries), ROWS_AT_ONCE):
            some = slice(start, start + ROWS_AT_ONCE)
            with refusing(self._folder):
                self._table.add(table_of(*new.part(some), fields))

    # -- asking --------------------------------------------------------------------------------------------------

    def by_words(
        self, text: str, k: int = 10, where: Condition | None = None, match: str | None = None
    ) -> list[Scored]:
        """See `Index`; of a table with indices, how rare words are is what it was when they were brought up to date."""
        require_length(k)
        wanted, clause, asked = " ".join(words(text)), self._clause(where, match), k + SPARE
        while wanted:
            query: Any = self._table.search(wanted, query_type="fts", fts_columns="words")
            query = query.select(["id", "_score"]).limit(asked)
            with _damage(self._folder):
                found = (query.where(clause, prefilter=True) if clause else query).to_arrow()
            scored = ranked(zip(found["id"].to_pylist(), found["_score"].to_pylist(), strict=True), asked)
            if len(scored) < asked or scored[-1][1] < scored[k - 1][1]:
                return scored[:k]
            asked *= 4
        return []

    def _entry(self, row: dict[str, Any]) -> Entry:
        return entry_of(row)

    def _clause(self, where: Condition | None, match: str | None) -> str:
        parts = []
        if where is not None:
            columns = {field: (f"text_{i}", f"number_{i}") for i, field in enumerate(self._fields)}
            parts.append(where.sql(columns))
        wanted = words(match or "")
        if wanted:
            parts.append(f"array_has_all(words, [{', '.join(map(quoted, wanted))}])")
        return " AND ".join(parts)

    def _near(self, query: Vectors, count: int, clause: str) -> tuple[list[dict[str, Any]], Vectors]:
        asked: Any = self._table.search(query, vector_column_name="vector")
        asked = asked.distance_type("dot").select([*DISPLAYED, "vector", "_distance"]).limit(count)
        asked = asked.minimum_nprobes(PROBES).maximum_nprobes(0)  # 0: as many as it takes to find enough
        if self._pointer.codes != "none":
            asked = asked.refine_factor(SHORTLIST[self._pointer.codes])
        with _damage(self._folder):
            # `to_arrow` would ask for the schema once more, which takes as long as all that follows here.
            found = (asked.where(clause, prefilter=True) if clause else asked).to_batches().read_all()
        return found.select(list(DISPLAYED)).to_pylist(), _vectors(found["vector"], self.model.dimension)

    def contents(self) -> Mapping[str, str]:
        """See `Index`."""
        with _damage(self._folder):
            batches = self._table.search().select(["id", "content"]).to_batches()
            return {row["id"]: row["content"] for batch in batches for row in batch.to_pylist()}

    def thumbnail(self, item: str) -> bytes | None:
        """See `Index`."""
        picture: bytes | None = there(dict(self._selected(["id", "thumbnail"], [item])), item)["thumbnail"]
        return picture

    def stats(self) -> Stats:
        """See `Index`."""
        items = len(self)
        with _damage(self._folder):
            images = self._table.count_rows("image IS NOT NULL")
        size, pointer = items * self.model.dimension * 4, self._pointer
        return Stats(items, images, size, self.model, STORE, pointer.version, pointer.tidy, pointer.codes)

    def _selected(self, columns: Sequence[str], ids: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for clause in _clauses(ids):
            with _damage(self._folder):
                found = self._table.search().where(clause).select(list(columns)).limit(MANY).to_arrow()
            yield from ((row["id"], row) for row in found.to_pylist())

    # -- on disk -------------------------------------------------------------------------------------------------

    def publish(self, *, tidy: bool = True) -> int:
        """See `Index`."""
        self._require_writing()
        with refusing(self._folder):
            if tidy:
                self._tidy()
            sync_all(self._folder / f"{TABLE}.lance")
            announce(self._folder, self._table.version)
            pointer = self._pointer.next(self.origin, self._table.version, len(self), self._fields, tidy=tidy)
            pointer.write(self._folder)
            self._pointer = pointer
            oldest = give_up_unread(self._folder, pointer.table)
            if tidy:
                self._remove_older(oldest)
        return pointer.version

    def _tidy(self) -> None:
        """Few files, and indices of all rows once there are enough.

        Rows are gathered before they are indexed: bringing the index of words along takes ten times as long as making
        it anew.
        """
        from lancedb.index import FTS, IvfFlat, IvfRq, IvfSq, LabelList

        there = self._indices()
        if WORDS in there and (self._table.version != self._pointer.table or not self._pointer.tidy):
            self._table.drop_index(WORDS)
            there.remove(WORDS)
        self._optimize()
        if len(self) >= INDEXED_FROM:
            whole = FTS(
                base_tokenizer="whitespace",
                lower_case=False,
                stem=False,
                remove_stop_words=False,
                ascii_folding=False,
                max_token_length=None,
            )  # words.py has said already what a word is
            kind = {"none": IvfFlat, "int8": IvfSq, "binary": IvfRq}[self._pointer.codes]
            wanted = (
                (VECTORS, "vector", kind(distance_type="dot")),
                (WORDS, "words", LabelList()),
                (BM25, "words", whole),
            )
            for name, column, config in wanted:
                if name not in there:
                    self._table.create_index(column, config=config, name=name)
        self._optimize()

    def _indices(self) -> set[str]:
        """Names of those that there are."""
        return {each.name for each in self._table.list_indices()}

    def _optimize(self) -> None:
        """Until nothing is left to do, so that the optimisation that removes old versions makes no new one."""
        before = None
        while before != self._table.version:
            before = self._table.version
            self._table.optimize()

    def _remove_older(self, version: int) -> None:
        """Remove what only versions before this one need, which is the one in force or one that is read."""
        if version == self._table.version:  # LanceDB keeps the newest of all, however old
            self._table.optimize(cleanup_older_than=timedelta(milliseconds=1), delete_unverified=True)
            return
        when = next(each["timestamp"] for each in self._table.list_versions() if each["version"] == version)
        age = datetime.now(UTC) - when.astimezone(UTC) + SAFE
        # We hold the lock, so files of no version are a killed writer's, however young.
        self._table.optimize(cleanup_older_than=max(age, SAFE), delete_unverified=True)


def _connected(folder: Path) -> Any:
    try:
        import lancedb
    except ImportError as error:
        raise MissingExtra("lancedb", "lancedb") from error
    return lancedb.connect(folder)


@contextmanager
def _damage(folder: Path) -> Iterator[None]:
    """What LanceDB raises where files are missing or torn, as a FolderError that says what to do."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise FolderError(f"{folder / TABLE}.lance can't be read ({error}): {INDEX.remedy}") from error


def _clauses(ids: Sequence[str]) -> Iterator[str]:
    different = list(dict.fromkeys(ids))
    for start in range(0, len(different), MANY):
        yield f"id IN ({', '.join(map(quoted, different[start : start + MANY]))})"


def _vectors(column: Any, dimension: int) -> Vectors:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors: Vectors = np.asarray(flat, np.float32).reshape(-1, dimension)
    return vectors
