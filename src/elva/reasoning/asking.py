"""Questions put to a model, a block at a time; what a killed command was answered already, it does not ask again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from elva.clips import visual_key
from elva.encoding import ModelIdentity, Progress, Watch, Written
from elva.errors import DataError
from elva.evaluation.judging import versions
from elva.reasoning.questions import Question
from elva.served.answers import Answers

if TYPE_CHECKING:
    from elva.items import Item
    from elva.model.embedder import Embedder

BLOCK = 64
"""Questions between two writes: what a killed command loses at most. What is drawn depends on it."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How responses are written.

    Attributes:
        max_new_tokens: longest response; then it is cut.
        temperature: 0 takes the likeliest token; above, tokens are drawn.
        seed: of what is drawn.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0


class Model(Protocol):
    """Who is asked."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""

    def write(self, items: Sequence[Item], decoding: Decoding, progress: Progress | None = None) -> Written:
        """Respond to each item, which is a whole turn of the user; the same call gives the same texts."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model of ours."""

    embedder: Embedder
    batch_size: int = 32

    @property
    def identity(self) -> ModelIdentity:
        """That of the retriever which it is too."""
        return ModelIdentity.of(self.embedder)

    def write(self, items: Sequence[Item], decoding: Decoding, progress: Progress | None = None) -> Written:
        """As `elva.model.answering.write_answers`."""
        from elva.model.answering import write_answers

        return write_answers(self.embedder, items, **asdict(decoding), batch_size=self.batch_size, progress=progress)


def ask(
    name: str,
    questions: Sequence[Question],
    model: Model,
    decoding: Decoding,
    kept: Path,
    watch: Watch | None = None,
) -> Written:
    """Put questions to a model.

    Args:
        name: of these questions; what is drawn for them follows from it, from the seed and from their order.
        questions: in the order in which they are asked.
        model: who is asked.
        decoding: how.
        kept: a file of answers, as they come. It names what each block of answers depends on: questions with all that
            they show, model, decoding and version; so any command may use it, and asks what it lacks.
        watch: told of the work.

    Raises:
        MediaError: a picture or clip is missing, damaged or too large.
        DataError: the file holds something else.
        FolderInUse: another process writes to it.
    """
    progress = watch(f"{name}: answers", len(questions)) if watch else None
    texts, cut, truncated = list[str](), 0, 0
    with Answers(kept) as answers:
        for start in range(0, len(questions), BLOCK):
            block = questions[start : start + BLOCK]
            drawn = Decoding(decoding.max_new_tokens, decoding.temperature, _seed(decoding, name, start))
            key = _key(block, model, drawn)
            if key not in answers:
                written = model.write([each.item for each in block], drawn, progress)
                answers.put(key, f"{name} {start}", json.dumps(asdict(written)))
            elif progress:
                progress(len(block))
            held = _written(kept, answers[key], len(block))
            texts, cut, truncated = texts + held.texts, cut + held.cut, truncated + held.truncated
    return Written(texts, cut, truncated)


def _seed(decoding: Decoding, name: str, start: int) -> int:
    """Of a block; nothing is drawn, so it is 0, where the likeliest token is taken."""
    if not decoding.temperature:
        return 0
    return int.from_bytes(hashlib.sha256(f"{decoding.seed}/{name}/{start}".encode()).digest()[:8])


def _key(block: Sequence[Question], model: Model, decoding: Decoding) -> str:
    """What a block of answers depends on, as sha256 in hex."""
    asked = [
        [[part.text, None if part.shown is None else visual_key(part.shown)] for part in each.item.parts]
        for each in block
    ]
    of = [model.identity.fingerprint, asdict(decoding), versions()["elva-retrieval"], asked]
    return hashlib.sha256(json.dumps(of).encode()).hexdigest()


def _written(kept: Path, answer: str, count: int) -> Written:
    try:
        found = Written(**json.loads(answer))
        if len(found.texts) == count:
            return found
    except (ValueError, TypeError):
        pass
    raise DataError(kept, None, None, "holds answers of another kind", "remove the file, or choose another --out")
