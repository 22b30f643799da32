"""Rows of data files, parsed when they are asked for: held are 32 bytes a row: where it begins, and hashes.

M-BEIR's 5.6 M candidates fit into memory as these; as objects they take gigabytes. Ids are told apart by 64-bit hashes:
that two of 5.6 M ids share one has a chance of one in a million.
"""

from __future__ import annotations

import mmap
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Generic, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

from elva.data.records import Candidate, RowProblem
from elva.errors import DataError

Record = TypeVar("Record")
Changed = TypeVar("Changed")
Column = Literal["keys", "contents"]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Index:
    """Where n rows of a file lie, in file order, and their ids' hashes.

    Attributes:
        offsets: int64 [n], first byte of each row.
        lines: uint32 [n], its line, from 1.
        keys: int64 [n], hashes of the ids, ascending.
        order: uint32 [n], the row of each key.
        contents: int64 [n], a hash of what each key's row says, where it matters.
    """

    offsets: Numbers
    lines: npt.NDArray[np.uint32]
    keys: Numbers
    order: npt.NDArray[np.uint32]
    contents: Numbers

    def row(self, identifier: str) -> int | None:
        """The row with this id, if there is one."""
        keys = self.keys.data  # many times faster to bisect than the array
        place = bisect_left(keys, key := hash(identifier))
        return int(self.order[place]) if place < len(keys) and keys[place] == key else None

    def rows(self, keys: Numbers) -> Numbers:
        """The row of each of n hashed ids, int64 [n]; -1 where there is none. Ascending ones are found fastest."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.order[place].astype(np.int64), -1)

    def by_row(self, column: Numbers) -> Numbers:
        """`keys` or `contents` in file order."""
        ordered = np.empty_like(column)
        ordered[self.order] = column
        return ordered

    def twice(self, repeats: bool) -> list[int]:
        """Rows whose id an earlier row has; with `repeats`, unless both have the same content."""
        again = np.zeros(len(self.keys), bool)
        again[1:] = self.keys[1:] == self.keys[:-1]
        if repeats:
            first = np.maximum.accumulate(np.where(again, 0, np.arange(len(again))))
            again &= self.contents != self.contents[first]
        return sorted(self.order[again].tolist())

    def clashes(self, other: Index) -> list[int]:
        """Rows whose id another file's index has with another content."""
        if not len(other.keys):
            return []
        place = np.minimum(np.searchsorted(other.keys, self.keys), len(other.keys) - 1)
        clash = (other.keys[place] == self.keys) & (other.contents[place] != self.contents)
        return sorted(self.order[clash].tolist())

    def without(self, rows: Collection[int]) -> Index:
        """The index of the other rows."""
        if not rows:
            return self
        good = np.ones(len(self.offsets), bool)
        good[list(rows)] = False
        kept, numbers = good[self.order], np.cumsum(good) - 1
        order = numbers[self.order[kept]].astype(np.uint32)
        return Index(self.offsets[good], self.lines[good], self.keys[kept], order, self.contents[kept])


@dataclass(slots=True)
class Scan:
    """An index in the making: rows as they are read."""

    offsets: array[int] = field(default_factory=lambda: array("q"))
    lines: array[int] = field(default_factory=lambda: array("I"))
    keys: array[int] = field(default_factory=lambda: array("q"))
    contents: array[int] = field(default_factory=lambda: array("q"))

    def add(self, line: int, offset: int, identifier: str, content: int = 0) -> None:
        """Note a row; `content` as in `Index`."""
        self.lines.append(line)
        self.offsets.append(offset)
        self.keys.append(hash(identifier))
        self.contents.append(content)

    def index(self) -> Index:
        """The index of all rows; of rows with one id the first comes first."""
        keys = np.asarray(self.keys)
        order = np.argsort(keys, kind="stable")
        return Index(
            np.array(self.offsets, np.int64),
            np.array(self.lines, np.uint32),
            keys[order],
            order.astype(np.uint32),
            np.asarray(self.contents)[order],
        )


class Stored(Sequence[Record], Generic[Record]):
    """The rows of one file, in file order; each is read and parsed whenever it is asked for.

    Args:
        path: the file; it must not change meanwhile.
        places: where its rows lie.
        parse: a line -> its record.
        chosen: numbers of the rows that this sequence shows; all by default.
    """

    def __init__(
        self, path: Path, places: Index, parse: Callable[[str], Record], chosen: Numbers | None = None
    ) -> None:
        self.path, self.places, self._parse, self._chosen = path, places, parse, chosen

    def __len__(self) -> int:
        """How many rows it shows."""
        return len(self.places.offsets if self._chosen is None else self._chosen)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        """One record, or some; DataError where the file has changed."""
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self.at(place % len(self) if self._chosen is None else int(self._chosen[place]))

    def __iter__(self) -> Iterator[Record]:
        """All of them, in order."""
        return map(self.at, range(len(self)) if self._chosen is None else self._chosen.tolist())

    def __eq__(self, other: object) -> bool:
        """Whether the other sequence holds the same records."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def at(self, row: int) -> Record:
        """The record of a row of the index."""
        start = int(self.places.offsets[row])
        end = self._bytes.find(b"\n", start)
        raw = self._bytes[start : end if end >= 0 else None]
        try:
            return self._parse(raw.decode("utf-8" if start else "utf-8-sig"))
        except (RowProblem, UnicodeDecodeError) as error:
            line, fix = int(self.places.lines[row]), "run the command again, and leave the data alone meanwhile"
            raise DataError(self.path, line, None, "the file has changed while it was read", fix) from error

    def column(self, name: Column) -> Numbers:
        """Hashed ids, or contents, of the records that it shows, int64 [n]; no row is read."""
        every = self.places.by_row(self.places.keys if name == "keys" else self.places.contents)
        return every if self._chosen is None else every[self._chosen]

    def line(self, place: int) -> int:
        """The line, from 1, of a record that the sequence shows."""
        return int(self.places.lines[place if self._chosen is None else self._chosen[place]])

    def only(self, places: Sequence[int] | Numbers) -> Stored[Record]:
        """These of the records that the sequence shows, as a sequence of the same file."""
        return self.changed(places, lambda record: record)

    def changed(self, places: Sequence[int] | Numbers, change: Callable[[Record], Changed]) -> Stored[Changed]:
        """As `only`; `change` is made to each record when it is asked for."""
        chosen = np.asarray(places, np.int64)
        rows = chosen if self._chosen is None else self._chosen[chosen]
        return Stored(self.path, self.places, lambda line: change(self._parse(line)), rows)

    @cached_property
    def _bytes(self) -> mmap.mmap:
        with self.path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class Joined(Sequence[Record], Generic[Record]):
    """The rows of several files one after the other.

    Attributes:
        parts: those of each file.
    """

    def __init__(self, parts: Sequence[Stored[Record]]) -> None:
        self.parts, self._ends = parts, [*accumulate(map(len, parts))]

    def __len__(self) -> int:
        """The sum of their lengths."""
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        """One record, or some."""
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        part = bisect_right(self._ends, place % len(self))
        return self.parts[part][place % len(self) - (self._ends[part - 1] if part else 0)]

    def __iter__(self) -> Iterator[Record]:
        """All of them, in order."""
        return (record for part in self.parts for record in part)

    def only(self, places: Numbers) -> Joined[Record]:
        """These of the records; the places ascend."""
        starts = [0, *self._ends]
        cuts = np.split(places, np.searchsorted(places, starts[1:-1]))
        return Joined([part.only(own - start) for part, own, start in zip(self.parts, cuts, starts, strict=False)])

    def column(self, name: Column) -> Numbers:
        """Hashed ids, or contents, of the records, int64 [n]; no row is read."""
        return np.concatenate([np.empty(0, np.int64), *(part.column(name) for part in self.parts)])


class Lookup(Mapping[str, Candidate]):
    """did -> candidate over several pools; the first that holds a did gives it.

    Args:
        pools: where to look.
        shown: per pool the rows that count as keys, bool [rows]; all by default. Then every did is a key once.
    """

    def __init__(self, pools: Sequence[Stored[Candidate]], shown: Sequence[npt.NDArray[np.bool_]] = ()) -> None:
        self._pools, self._shown = pools, shown

    def place(self, did: str) -> tuple[int, int] | None:
        """Pool and row of a did."""
        for number, pool in enumerate(self._pools):
            row = pool.places.row(did)
            if row is not None and (not self._shown or self._shown[number][row]):
                return number, row
        return None

    def __contains__(self, did: object) -> bool:
        """Whether some pool holds it; the row itself is not read."""
        return isinstance(did, str) and self.place(did) is not None

    def __getitem__(self, did: str) -> Candidate:
        """The candidate; KeyError where no pool holds it."""
        place = self.place(did)
        if place is None:
            raise KeyError(did)
        return self._pools[place[0]].at(place[1])

    def __iter__(self) -> Iterator[str]:
        """The dids."""
        return (candidate.did for candidate in self.candidates())

    def values(self) -> ValuesView[Candidate]:
        """The candidates, each row read once."""
        return _Values(self)

    def __len__(self) -> int:
        """How many they are."""
        return sum(int(rows.sum()) for rows in self._shown) if self._shown else sum(map(len, self._pools))

    def candidates(self) -> Joined[Candidate]:
        """All of them, pool after pool."""
        if not self._shown:
            return Joined(self._pools)
        return Joined([pool.only(np.flatnonzero(rows)) for pool, rows in zip(self._pools, self._shown, strict=True)])


class _Values(ValuesView[Candidate]):
    """Without it, a look at all values would look every did up that it has just read."""

    _mapping: Lookup

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self._mapping.candidates())


def once(pools: Sequence[Stored[Record]]) -> Joined[Record]:
    """Each record of several files once, by its id."""
    every = Joined(pools)
    return every.only(np.sort(np.unique(every.column("keys"), return_index=True)[1]))


def distinct(pools: Sequence[Stored[Record]]) -> tuple[Joined[Record], list[Numbers]]:
    """As `once`, and per file the numbers of its rows among them, int64 [rows]."""
    every = once(pools)
    keys = every.column("keys")
    order = np.argsort(keys)
    return every, [order[np.searchsorted(keys, pool.column("keys"), sorter=order)] for pool in pools]
