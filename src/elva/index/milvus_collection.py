"""The collection of an index as rows: thin calls of pymilvus, with time limits, and errors in words of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from elva.index.address import Address
from elva.index.milvus_rows import by_partition
from elva.index.milvus_server import ANSWERING, VERSION, WORD, asking, properties

if TYPE_CHECKING:
    from pymilvus import MilvusClient

LOOKED_AT = 128
"""Candidates that a search in HNSW keeps, at least (ef)."""
MANY = 500
"""Rows that one filter names, or that are changed at once."""
ROWS_AT_ONCE = 256
"""Rows in one message, of which Milvus takes 64 MB: with thumbnails some ten MB."""
PAGE = 4096
"""Rows of few columns in one answer."""


class Collection:
    """Rows behind an address; StoreError from everything, where Milvus doesn't answer as it should.

    Args:
        client: connected to the address.
        address: where the collection is.
        consistency: which writes are seen.
    """

    def __init__(self, client: MilvusClient, address: Address, consistency: str) -> None:
        self._client, self._address = client, address
        self._named = {"collection_name": address.collection, "timeout": ANSWERING}
        self._read = {**self._named, "consistency_level": consistency}

    # -- reading -------------------------------------------------------------------------------------------------

    def near(self, column: str, query: Any, count: int, clause: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        """The nearest rows by one of the columns of vectors, each with its `distance`."""
        graph = column == "vector" and not self._address.local
        with asking(self._address):
            (found,) = self._client.search(
                data=[query],
                anns_field=column,
                filter=clause,
                limit=count,
                output_fields=list(columns),
                search_params={"metric_type": "IP", "params": {"ef": max(count, LOOKED_AT)} if graph else {}},
                **self._read,
            )
        return [{**hit["entity"], "distance": hit["distance"]} for hit in found]

    def rows(self, clause: str, columns: Sequence[str], **where: Any) -> list[dict[str, Any]]:
        """The rows that a clause is true of, which must be few."""
        with asking(self._address):
            return list(
                self._client.query(filter=clause, output_fields=list(dict.fromkeys(columns)), **self._read, **where)
            )

    def count(self, clause: str, **where: Any) -> int:
        """How many rows a clause is true of."""
        return int(self.rows(clause, ["count(*)"], **where)[0]["count(*)"])

    def pages(self, clause: str, columns: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """All rows that a clause is true of."""
        with asking(self._address):
            pages = self._client.query_iterator(
                batch_size=PAGE, filter=clause, output_fields=list(columns), **self._read
            )
            while page := pages.next():
                yield page
            pages.close()

    @property
    def published(self) -> tuple[int, str]:
        """The version that was published last, or is about to be, and the word of who did it."""
        with asking(self._address):
            said = properties(self._client, self._address)
        return int(said.get(VERSION, 0)), said.get(WORD, "")

    # -- changing ------------------------------------------------------------------------------------------------

    def insert(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add whole rows."""
        for partition, here in by_partition(rows):
            for some in blocks(here, ROWS_AT_ONCE):
                with asking(self._address):
                    self._client.insert(data=some, partition_name=partition, **self._named)

    def change(self, rows: Sequence[dict[str, Any]]) -> None:
        """Replace some columns of rows that are there; the rest of them stays as it is."""
        for partition, here in by_partition(rows):
            for some in blocks(here, MANY):
                with asking(self._address):
                    self._client.upsert(data=some, partition_name=partition, partial_update=True, **self._named)

    def delete(self, clause: str) -> None:
        """Remove the rows that a clause is true of."""
        with asking(self._address):
            self._client.delete(filter=clause, **self._named)

    def delete_rows(self, rows: Sequence[str]) -> None:
        """Remove rows by their primary keys."""
        for some in blocks(rows, MANY):
            with asking(self._address):
                self._client.delete(ids=some, **self._named)

    def flush(self) -> None:
        """Have what was written sealed and indexed."""
        with asking(self._address):
            self._client.flush(**self._named)

    def publish(self, version: int, word: str) -> None:
        """Let writers from other folders know of a version, and who publishes it."""
        with asking(self._address):
            self._client.alter_collection_properties(properties={VERSION: str(version), WORD: word}, **self._named)


def blocks(rows: Sequence[Any], size: int) -> Iterator[list[Any]]:
    """The rows in order, so many at a time."""
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])
