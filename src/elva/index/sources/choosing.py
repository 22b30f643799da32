"""Which kind of source a path is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from elva.data.layout import LOCAL_POOLS, QUERIES
from elva.errors import InputError
from elva.index.sources.offered import Source
from elva.index.sources.pictures import Pictures
from elva.index.sources.pools import Pools
from elva.index.sources.rows import Table


def choose_source(
    path: Path,
    *,
    without: Path | None = None,
    split: str = "test",
    datasets: Sequence[str] = (),
    tasks: Sequence[int] = (),
    images: Path | None = None,
    image_column: str = "image",
    text_column: str = "title",
    id_column: str | None = None,
) -> Source:
    """M-BEIR data where the folder is laid out so, any other folder as one of pictures, and a file as a table.

    Args:
        path: what is to be indexed.
        without: a folder that is passed over, see `Pictures`.
        split: of M-BEIR data, as the next two; see `Pools`.
        datasets: see `Pools`.
        tasks: see `Pools`.
        images: of a table, as the next three; see `Table`.
        image_column: see `Table`.
        text_column: see `Table`.
        id_column: see `Table`.

    Raises:
        InputError: nothing is there, or data sets or tasks were named and the path holds none.
    """
    path = path.absolute()
    if not path.exists():
        raise InputError(f"{path} does not exist; give a folder of pictures, a table, or a data folder")
    if (path / QUERIES).is_dir() and (path / LOCAL_POOLS).parent.is_dir():
        return Pools(path, split, datasets, tasks)
    if datasets or tasks:
        raise InputError(f"{path} is no data folder in M-BEIR's layout: --dataset and --task name nothing in it")
    if path.is_dir():
        return Pictures(path, without.absolute() if without else None)
    return Table(path, images.absolute() if images else None, image_column, text_column, id_column)
