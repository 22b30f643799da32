"""Where an index lies that is not in its own folder: the address of a store, and how it is asked."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from elva.errors import InputError

Consistency = Literal["Strong", "Session", "Bounded", "Eventually"]
"""How fresh what is read must be; Milvus' own names."""

SCHEMES = ("http", "https", "tcp", "unix")
LOCAL = ".db"
"""How the path of a Milvus Lite ends: pymilvus tells it from a server by that."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


@dataclass(frozen=True, slots=True)
class Address:
    """What an index folder says of a store elsewhere. It holds no secret, so the folder may be copied and shown.

    Attributes:
        uri: of a server, such as http://host:19530, or the path of a Milvus Lite, which ends in .db.
        collection: the name of the index there.
        token_env: the environment variable that holds the token, if one is needed.
        consistency: how fresh what a reader is given must be; who writes always reads "Strong".
    """

    uri: str
    collection: str
    token_env: str | None = None
    consistency: Consistency = "Strong"

    @classmethod
    def checked(
        cls,
        uri: str,
        folder: Path,
        collection: str | None = None,
        token_env: str | None = None,
        consistency: str = "Strong",
    ) -> Address:
        """The address that options name; the path of a Milvus Lite becomes absolute.

        Args:
            uri: see the class.
            folder: of the index; by default the collection is called like it.
            collection: letters, digits and underscores.
            token_env: see the class.
            consistency: see the class.

        Raises:
            InputError: one of them can't be used; says which and what to do.
        """
        if not cls._served(uri):
            uri = str(Path(uri).absolute())
            _require_local(uri, folder.absolute())
        elif urlsplit(uri).scheme.lower() not in SCHEMES or not (urlsplit(uri).hostname or urlsplit(uri).path):
            raise InputError(f"{uri!r} is no address of Milvus: write it like http://host:19530, or folder/name{LOCAL}")
        elif "@" in uri:  # shown nowhere: it may hold a password
            raise InputError(
                "the address of Milvus holds a user or a password, which would be written into the index folder: "
                "put user:password into an environment variable, and name it with --token-env"
            )
        name = collection or "elva_" + re.sub(r"[^A-Za-z0-9_]+", "_", folder.absolute().name)
        if not _NAME.fullmatch(name):
            raise InputError(f"{name!r} can't be the name of a collection: give --collection letters, digits and _")
        levels: dict[str, Consistency] = {each: each for each in get_args(Consistency)}
        if consistency not in levels:
            raise InputError(f"there is no consistency {consistency!r}; there are {', '.join(levels)}")
        address = cls(uri, name, token_env, levels[consistency])
        address.token()
        return address

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Address:
        """Read back what `to_row` wrote; KeyError and the like where it is something else."""
        return cls(str(row["uri"]), str(row["collection"]), row["token_env"], row["consistency"])

    def to_row(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)

    @property
    def local(self) -> bool:
        """Whether it is a Milvus Lite, which this process would run itself."""
        return self.uri.endswith(LOCAL) and not self._served(self.uri)

    @staticmethod
    def _served(uri: str) -> bool:
        """Whether it names a server, and not a path."""
        return "://" in uri or uri.startswith("unix:")

    def token(self) -> str:
        """The secret, "" where none is needed; InputError where the variable isn't set."""
        if self.token_env is None:
            return ""
        token = os.environ.get(self.token_env, "")
        if not token:
            raise InputError(
                f"the environment variable {self.token_env} isn't set: it holds the token of {self.uri}, "
                "such as user:password"
            )
        return token

    def told_from(self, other: Address | None) -> str:
        """Collection and address, and what else differs from another one's, for messages."""
        rest = {"consistency": self.consistency, "token_env": self.token_env}
        differs = [f"{name} {value}" for name, value in rest.items() if other and getattr(other, name) != value]
        return f"the {self}" + (f" with {' and '.join(differs)}" if differs else "")

    def __str__(self) -> str:
        """Collection and address, for messages."""
        return f"collection {self.collection} of {self.uri}"


def _require_local(uri: str, folder: Path) -> None:
    """Raise InputError for the path of a Milvus Lite that can't be used with this index folder."""
    if not uri.endswith(LOCAL):
        raise InputError(
            f"{uri} is neither an address like http://host:19530 nor the path of a Milvus Lite, which ends in {LOCAL}"
        )
    if Path(uri).is_relative_to(folder):
        raise InputError(f"{uri} lies in the index folder {folder}: choose a place beside it")
    if not Path(uri).parent.is_dir():
        raise InputError(f"{Path(uri).parent} is no folder: make it before a Milvus Lite can lie in it")
