"""`elva index`: a folder of an index made the same as its source, at the cost of what has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

from elva.clips import frames_of
from elva.encoding import Encoder, Encoding, ModelIdentity, Progress, Watch
from elva.errors import DataError, DataErrors, InputError, MediaError
from elva.index.address import Address
from elva.index.folder import OLD_INDEX
from elva.index.opening import create_index, open_index
from elva.index.pointer import Pointer
from elva.index.protocol import Codes, Entry, Index, Origin, Stats
from elva.index.sources.offered import Offered, Source, bad_picture, embedded_alike
from elva.index.thumbnails import thumbnail
from elva.media import load_image

BLOCK = 1024
"""Items that are embedded, and published, at a time: what a killed run loses at most."""


@dataclass(slots=True)
class BuildReport:
    """What building an index gave; nothing of it is silent.

    Attributes:
        kind: what the source was taken for.
        stats: the index afterwards.
        new: items that were not there before.
        changed: items whose text, picture or metadata differ from before.
        embedded: items of these two that were embedded; of the others only metadata changed, or vectors were there.
        taken: items of these two whose vectors had been made before.
        unchanged: items left as they were.
        gone: items removed, because the source has them no more.
        left_out: what could not be used, such as broken pictures.
        forced_ret: summaries that did not end in [RET] by themselves.
        truncated: texts cut to fit.
    """

    kind: str
    stats: Stats
    new: int = 0
    changed: int = 0
    embedded: int = 0
    taken: int = 0
    unchanged: int = 0
    gone: int = 0
    left_out: list[DataError] = field(default_factory=list)
    forced_ret: int = 0
    truncated: int = 0

    def count(self, encoding: Encoding) -> None:
        """Count one call of the encoder."""
        self.embedded += len(encoding.vectors)
        self.forced_ret += encoding.forced_ret
        self.truncated += encoding.truncated


class MadeBefore(Protocol):
    """Vectors of some of a source's items, by their ids."""

    def __contains__(self, item: str) -> bool:
        """Whether it has the vector of an item."""

    def take(self, ids: Sequence[str]) -> Encoding:
        """Vectors and summaries of items that it has."""


def build_index(
    source: Source,
    encoder: Encoder,
    out: Path,
    *,
    model: str | None = None,
    store: str = "auto",
    address: Address | None = None,
    codes: Codes | None = None,
    made: MadeBefore | None = None,
    strict: bool = False,
    watch: Watch | None = None,
) -> BuildReport:
    """Make `out` the index of what `source` offers now.

    What is there unchanged, by a digest of text and picture, is not embedded again. The rest is embedded and published
    block by block, so that a run that was killed goes on where it was. What the source doesn't offer any more goes
    last.

    Args:
        source: what is indexed.
        encoder: the model.
        out: folder of the index, a new one or one of the same source and model.
        model: path of the model, for later searches.
        store: of a new folder, see `create_index`.
        address: likewise; of one that is there it must be the same.
        codes: likewise; none by default.
        made: vectors that the same model made of the same items, which are not embedded again.
        strict: refuse a source with anything that can't be used, instead of listing it. All pictures are decoded before
            the first is embedded then.
        watch: told of the work.

    Raises:
        InputError: nothing to index, or `out` is the index of something else.
        DataErrors: what can't be used, where `strict`.
        IndexMismatch: `out` is the index of another model.
        FolderError: `out` holds something else, or the system refuses.
        FolderInUse: another process is at it.
        StoreError: a store behind an address can't be reached, or refuses.
    """
    errors: list[DataError] = []
    seen = _look(source, errors, strict, watch)
    if watch:
        watch("opening the index", None)  # LanceDB takes seconds to load
    origin = Origin(source.root, source.path, model)
    index = _opened(out, ModelIdentity.of(encoder), origin, store, address, codes)
    try:
        return _Build(source, encoder, index, origin, seen, errors, made).run(watch)
    finally:
        index.close()


def _look(source: Source, errors: list[DataError], strict: bool, watch: Watch | None) -> dict[str, str]:
    """Id -> content of all that the source offers."""
    advance = watch("looking for changes", None) if watch else None
    seen: dict[str, str] = {}
    for offered in source.items(errors):
        try:
            for visual in offered.item.visuals if strict else ():
                for frame in frames_of(visual):
                    load_image(frame)
            seen[offered.entry.id] = offered.keyed().content
        except MediaError as error:
            errors.append(bad_picture(offered.place, error))
        if advance:
            advance(1)
    if strict and errors:
        raise DataErrors(errors)
    if not seen:
        found = f"; the first of {len(errors)} that can't be used: {errors[0]}" if errors else ""
        raise InputError(f"{source.path} is {source.kind} with nothing to index in it{found}")
    return seen


def _opened(
    out: Path, model: ModelIdentity, origin: Origin, store: str, address: Address | None, codes: Codes | None
) -> Index:
    """The index at `out`, opened for writing; made where there is none.

    Of another source it is refused: its items would all be removed. One whose source is gone is taken for moved.
    """
    if not out.is_dir() or not any(out.iterdir()) or OLD_INDEX.foreign(out) is None:
        return create_index(out, model, origin, store, address, codes or "none")
    there = Pointer.read(out)
    source = there.origin.source
    if source is None or (source != origin.source and source.exists()):
        made = f"the index of {source}" if source else "an index that was made from Python"
        raise InputError(f"{out} is {made}, not of {origin.source}; choose another folder, or remove this one")
    if store not in ("auto", there.store):
        raise InputError(f"{out} is of the store {there.store}, not {store}; choose another folder, or remove this one")
    if address not in (None, there.address):
        was = "the store " + there.store if there.address is None else there.address.told_from(address)
        raise InputError(
            f"{out} is {was}, not {address.told_from(there.address)}: leave --uri and what goes with it out, choose "
            'another folder, or, to change where and how that collection is read, change "address" in meta.json'
        )
    if codes not in (None, there.codes):
        raise InputError(f"{out} has codes {there.codes}, not {codes}; choose another folder, or remove this one")
    return open_index(out, model, writing=True)


class _Build:
    """One run over an index that is open."""

    def __init__(
        self,
        source: Source,
        encoder: Encoder,
        index: Index,
        origin: Origin,
        seen: dict[str, str],
        errors: list[DataError],
        made: MadeBefore | None,
    ) -> None:
        self._source, self._encoder, self._index, self._seen, self._made = source, encoder, index, seen, made
        self._moved, index.origin = index.origin != origin, origin
        self._before = index.contents()
        self._report = BuildReport(source.kind, index.stats(), left_out=errors)

    def run(self, watch: Watch | None) -> BuildReport:
        """Embed, remove, publish."""
        report, before = self._report, self._before
        due = {each for each, content in self._seen.items() if before.get(each) != content}
        advance = watch("embedding", len(due)) if watch and due else None
        for block in _blocks(each for each in self._source.items([]) if each.entry.id in due):
            if self._put(block, advance):
                self._index.publish(tidy=False)
        gone = [each for each in before if each not in self._seen]
        report.gone = self._index.delete(gone)
        report.unchanged = len(self._seen) - report.new - report.changed
        if report.new or report.changed or gone or self._moved or not report.stats.tidy:
            self._index.publish()
        report.stats = self._index.stats()
        return report

    def _put(self, block: Sequence[Offered], advance: Progress | None) -> bool:
        """Write a block of items that are new or changed, and embed those whose text or picture is.

        Returns:
            Whether any of them could be used.
        """
        shown = [(each.item, entry) for each in block if (entry := self._shown(each)) is not None]
        known = [entry for _, entry in shown if self._is_known(entry)]
        made = [entry for _, entry in shown if self._is_made(entry)]
        unknown = [each for each in shown if not (self._is_known(each[1]) or self._is_made(each[1]))]
        if known:
            ids = [entry.id for entry in known]
            summaries = {entry.id: entry.summary for entry in self._index.get(ids)}
            again = [replace(entry, summary=summaries[entry.id]) for entry in known]
            self._index.upsert(again, self._index.vectors(ids))
        if made and self._made:
            self._upsert(made, self._made.take([entry.id for entry in made]))
            self._report.taken += len(made)
        if unknown:
            encoding = self._encoder.embed([item for item, _ in unknown], progress=advance)
            self._upsert([entry for _, entry in unknown], encoding)
            self._report.count(encoding)
        if advance:
            advance(len(block) - len(unknown))
        changed = sum(entry.id in self._before for _, entry in shown)
        self._report.changed += changed
        self._report.new += len(shown) - changed
        return bool(shown)

    def _upsert(self, entries: Sequence[Entry], encoding: Encoding) -> None:
        told = zip(entries, encoding.summaries, strict=True)
        self._index.upsert([replace(entry, summary=summary) for entry, summary in told], encoding.vectors)

    def _shown(self, offered: Offered) -> Entry | None:
        """The entry with digest and thumbnail; None where the picture can't be used, which is noted down."""
        entry = replace(offered.entry, content=self._seen[offered.entry.id])
        picture = offered.item.image
        try:
            return entry if picture is None else replace(entry, thumbnail=thumbnail(load_image(picture)))
        except MediaError as error:
            self._report.left_out.append(bad_picture(offered.place, error))
            del self._seen[entry.id]
            return None

    def _is_known(self, entry: Entry) -> bool:
        return embedded_alike(self._before.get(entry.id, ""), entry.content)

    def _is_made(self, entry: Entry) -> bool:
        return self._made is not None and entry.id in self._made and not self._is_known(entry)


def _blocks(items: Iterable[Offered]) -> Iterator[list[Offered]]:
    left = iter(items)
    while block := list(islice(left, BLOCK)):
        yield block
