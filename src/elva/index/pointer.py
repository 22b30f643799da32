"""meta.json of an index folder: the one file that says which version of everything else is in force.

It is replaced in one instant. Whatever lies in the folder beside the version that it names is being written, or was
by someone who was killed, and nobody reads it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from elva.encoding import ModelIdentity
from elva.errors import IndexMismatch
from elva.index.address import Address
from elva.index.folder import INDEX, read_meta, reading
from elva.index.protocol import Codes, Origin
from elva.whole import sync, whole_file


@dataclass(frozen=True, slots=True)
class Pointer:
    """What meta.json holds.

    Attributes:
        store: which store wrote the folder.
        model: what made the vectors.
        origin: where the items come from.
        version: how often it was published.
        table: the store's own number of that version.
        items: how many it holds.
        fields: fields of metadata, in the order in which they were first met.
        tidy: see `Index.publish`.
        address: of a store that is not in the folder.
        worded: entries that hold a word, and their words all together, of a store that doesn't count them itself.
        codes: what the store looks through where there are many; folders of older versions don't say, and have none.
    """

    store: str
    model: ModelIdentity
    origin: Origin
    version: int = 0
    table: int = 0
    items: int = 0
    fields: tuple[str, ...] = ()
    tidy: bool = True
    address: Address | None = None
    worded: tuple[int, int] = (0, 0)
    codes: Codes = "none"

    @classmethod
    def read(cls, folder: Path) -> Pointer:
        """Read the pointer of a folder; FolderError where it is no index, or damaged."""
        meta = read_meta(folder, INDEX)
        with reading(folder / INDEX.marker, INDEX):
            root, source, model = (meta["origin"][key] for key in ("root", "source", "model"))
            worded = meta.get("worded", (0, 0))
            return cls(
                store=str(meta["store"]),
                model=ModelIdentity.from_row(meta["model"]),
                origin=Origin(Path(root) if root else None, Path(source) if source else None, model),
                version=int(meta["version"]),
                table=int(meta["table"]),
                items=int(meta["items"]),
                fields=tuple(map(str, meta["fields"])),
                tidy=bool(meta["tidy"]),
                address=Address.from_row(meta["address"]) if "address" in meta else None,
                worded=(int(worded[0]), int(worded[1])),
                codes=meta.get("codes", "none"),
            )

    def write(self, folder: Path) -> None:
        """Put it in force."""
        root, source = (str(each) if each else None for each in (self.origin.root, self.origin.source))
        meta = {
            **INDEX.says,
            "store": self.store,
            "model": self.model.to_row(),
            "origin": {"root": root, "source": source, "model": self.origin.model},
            "version": self.version,
            "table": self.table,
            "items": self.items,
            "fields": self.fields,
            "tidy": self.tidy,
            **({} if self.codes == "none" else {"codes": self.codes}),
        }
        if self.address is not None:
            meta |= {"address": self.address.to_row(), "worded": self.worded}
        with whole_file(folder / INDEX.marker) as file:
            file.write(json.dumps(meta, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        sync(folder)

    def next(
        self,
        origin: Origin,
        table: int,
        items: int,
        fields: tuple[str, ...],
        *,
        tidy: bool = True,
        worded: tuple[int, int] = (0, 0),
    ) -> Pointer:
        """The one that follows."""
        return replace(
            self,
            origin=origin,
            version=self.version + 1,
            table=table,
            items=items,
            fields=fields,
            tidy=tidy,
            worded=worded,
        )

    def require(self, folder: Path, model: ModelIdentity | None) -> None:
        """Raise IndexMismatch, naming both, where `model` is given and gives other vectors."""
        if model is not None and not self.model.produces(model):
            raise IndexMismatch(
                f"{folder} was built with {self.model}, not with {model}: search with "
                f"{self.model.name}, or index into another folder"
            )
