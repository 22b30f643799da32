"""Options that several commands share, and what they turn into."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer

from elva.errors import InputError
from elva.training.progress import ProgressBar

if TYPE_CHECKING:
    from elva.data.mbeir import Choice
    from elva.encoding import Encoder, Progress
    from elva.model.embedder import Embedder
    from elva.search.scoring import Mode, Scorer

Root = Annotated[Path, typer.Argument(help="Data folder in M-BEIR layout.", show_default=False)]
ModelName = Annotated[
    str,
    typer.Option("--model", "-m", help="Checkpoint folder (RUN/model), or a packaged model: tiny-base."),
]
Split = Annotated[str, typer.Option(help="Split: train, val or test.")]
Datasets = Annotated[
    list[str] | None,
    typer.Option("--dataset", help="Only this data set; repeat for more.", show_default=False),
]
Tasks = Annotated[
    list[int] | None,
    typer.Option("--task", help="Only this M-BEIR task id; repeat for more.", show_default=False),
]
ExcludeTasks = Annotated[
    list[int] | None,
    typer.Option("--exclude-task", help="Not this M-BEIR task id: hold it out; repeat for more.", show_default=False),
]
SkipBadRows = Annotated[bool, typer.Option("--skip-bad-rows", help="Leave bad rows out, and count them.")]
Instruction = Annotated[
    str,
    typer.Option(
        metavar="INTEGER|qid",
        help="Which of its task's instructions every query gets, counted from 0; "
        "qid: one drawn by the query's id, the same in every run.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="CPU threads. Default: OMP_NUM_THREADS, else 1, the fastest for tiny models.",
        min=1,
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")]


class Precision(StrEnum):
    """What matrices are multiplied in."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


PrecisionOption = Annotated[
    Precision,
    typer.Option("--precision", help="auto: bfloat16 on a GPU where the checkpoint is stored so, else float32."),
]


class Extraction(StrEnum):
    """Where vectors are read; the names of `elva.encoding.Extraction`."""

    generative = "generative"
    one_word = "one_word"
    prefill = "prefill"


ExtractionOption = Annotated[
    Extraction | None,
    typer.Option(
        "--extraction",
        help="generative: at [RET] behind a summary; prefill: at the end of its prompt, before it is written, which is "
        "faster; one_word: at the end of the one-word prompt. Default: what the model was trained for.",
        show_default=False,
    ),
]
Dimensions = Annotated[
    int | None,
    typer.Option(
        help="Keep so many of a vector's first numbers; for models trained with nested.lengths. Default: all.",
        min=1,
        show_default=False,
    ),
]
ImageCache = Annotated[
    Path | None,
    typer.Option(help="Folder that keeps vision features between runs.", show_default=False),
]


VectorCacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="Folder that keeps vectors by content: a killed command goes on, and other benchmarks find them there.",
        show_default=False,
    ),
]
Processes = Annotated[
    int, typer.Option(help="Processes that embed, each with a model of its own; several GPUs are shared out.", min=1)
]


class Pool(StrEnum):
    """Which candidates a task is asked of; the names of `elva.evaluation.mbeir.SCOPES`."""

    local = "local"
    everything = "global"
    both = "both"


PoolOption = Annotated[
    Pool,
    typer.Option(
        "--pool", help="local: each task's own candidates; global: those of all data sets; both, in one embedding pass."
    ),
]


class RerankMode(StrEnum):
    """By what candidates are scored; the modes of `elva.search.rerank`."""

    likelihood = "likelihood"
    words = "words"
    yes_no = "yes_no"
    vectors = "vectors"


Rerank = Annotated[
    int | None,
    typer.Option("--rerank", help="Score so many of the first by a model that reads them.", min=1, show_default=False),
]
RerankModel = Annotated[
    str | None,
    typer.Option(help="Who scores them. Default: the model that ranks.", show_default=False),
]
RerankCosine = Annotated[
    float | None,
    typer.Option(
        help="What a cosine of 1 is worth beside the score, in nats; 0: the score alone. Default: 100; 0 for vectors.",
        min=0,
        show_default=False,
    ),
]
RerankModeOption = Annotated[
    RerankMode,
    typer.Option(
        "--rerank-mode",
        help="likelihood: of the query's summary behind a candidate; words: of a text query's own words; "
        "yes_no: by a model taught to say whether they match; vectors: by cosines of vectors behind summaries, where "
        "the first were found by prefill, or by another model's.",
    ),
]


def instruction_choice(text: str) -> Choice:
    """What `Instruction` means."""
    if text == "qid":
        return "qid"
    if text.isdecimal():
        return int(text)
    raise typer.BadParameter(f"--instruction takes a number from 0, or qid, not {text!r}")


def use_threads(threads: int | None) -> None:
    """Limit torch to so many threads; None leaves OMP_NUM_THREADS as it is."""
    if threads is None:
        return
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:  # then it has read the variable already
        import torch

        torch.set_num_threads(threads)


def load_embedder(
    model: str,
    threads: int | None,
    device: str = "auto",
    image_cache: Path | None = None,
    precision: Precision = Precision.auto,
    extraction: Extraction | None = None,
    dimensions: int | None = None,
) -> Embedder:
    """Load a model for a command; the first import of torch happens here.

    Raises:
        InputError: the device isn't there, or more dimensions are asked for than there are.
        CheckpointError: see `Embedder.load`.
    """
    use_threads(threads)
    device = chosen_device(device)
    import torch

    from elva.model.embedder import Embedder, stored_dtype

    if precision is Precision.auto:
        on_gpu = device != "cpu" and stored_dtype(model) == "bfloat16"
        precision = Precision.bfloat16 if on_gpu else Precision.float32
    dtype = torch.bfloat16 if precision is Precision.bfloat16 else torch.float32
    embedder = Embedder.load(model, device=device, dtype=dtype, image_cache=image_cache)
    if embedder.processor.told:
        typer.echo(embedder.processor.told, err=True)
    if extraction is not None or dimensions is not None:
        embedder.read_as(None if extraction is None else extraction.value, dimensions)
    return embedder


def load_searching(index: Path, model: str | None, threads: int | None, device: str, precision: Precision) -> Embedder:
    """The model that made an index, or the one that is given, reading vectors as the index holds them; errors as above.

    Raises:
        FolderError: it is no index.
    """
    from elva.index.opening import model_of
    from elva.index.pointer import Pointer

    made = Pointer.read(index).model
    how = Extraction(made.extraction)
    return load_embedder(model or model_of(index), threads, device, None, precision, how, made.dimension)


def encoding_with(
    model: str,
    processes: int,
    threads: int | None,
    device: str = "auto",
    image_cache: Path | None = None,
    precision: Precision = Precision.auto,
    extraction: Extraction | None = None,
    dimensions: int | None = None,
) -> AbstractContextManager[Encoder]:
    """A model in this process, or in several others; errors as of `load_embedder`, of several when they are entered."""
    if processes == 1:
        return nullcontext(load_embedder(model, threads, device, image_cache, precision, extraction, dimensions))
    from elva.evaluation.workers import Workers

    load = partial(_load_numbered, model, threads, device, image_cache, precision, extraction, dimensions)
    return Workers(load, processes)


def _load_numbered(
    model: str,
    threads: int | None,
    device: str,
    image_cache: Path | None,
    precision: Precision,
    extraction: Extraction | None,
    dimensions: int | None,
    number: int,
) -> Embedder:
    """The model of one of several processes: on a GPU of its own, as far as there are."""
    import torch

    gpus = torch.cuda.device_count()
    own = f"cuda:{number % gpus}" if gpus and device in ("auto", "cuda") else device
    return load_embedder(model, threads, own, image_cache, precision, extraction, dimensions)


def load_reranker(
    mode: RerankMode, ranks: Embedder, model: str | None, device: str, precision: Precision, image_cache: Path | None
) -> Scorer:
    """Who scores what `ranks` found: itself, or another model, with the options of the command; errors as above.

    Raises:
        InputError: mode vectors, and the vectors that ranked already.
    """
    scorer = ranks if model is None else load_embedder(model, None, device, image_cache, precision)
    how: Mode = mode.value
    if mode is RerankMode.vectors:
        from elva.search.refining import Refiner

        if scorer is ranks and ranks.extraction != "prefill":
            raise InputError(
                f"--rerank-mode vectors: the {ranks.extraction} vectors of {ranks.name} rank already; use it where "
                "--extraction prefill ranks first, or give another model as --rerank-model"
            )
        return Refiner(scorer)
    from elva.search.rerank import Reranker

    return Reranker(scorer, how)


def check_rerank(rerank: int | None, model: str | None) -> None:
    """Refuse `RerankModel` where nothing is reranked."""
    if model is not None and rerank is None:
        raise typer.BadParameter("give --rerank N with --rerank-model: how many of the first are to be scored")


def chosen_device(device: str, local_rank: int = 0) -> str:
    """What `Device` means; "auto" is a GPU where there is one, that of this process where several train together.

    Raises:
        InputError: the device isn't there.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        device = f"cuda:{local_rank}"
    try:
        torch.empty(0, device=device)
        # "meta" and the like are devices too, and compute nothing
        usable = torch.device(device).type in ("cpu", "cuda", "mps", "xpu")
    except (RuntimeError, AssertionError, NotImplementedError):
        usable = False
    if not usable:
        there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        raise InputError(f"--device {device}: torch can't compute there; use auto, or one of {', '.join(there)}")
    return device


class Watching:
    """A `Watch` on the terminal: one progress bar per piece of work; exit closes the last one."""

    def __init__(self) -> None:
        """Nothing is shown before the first piece of work."""
        self._bar: ProgressBar | None = None
        self._label = ""
        self._advance: Progress = lambda done: None

    def __call__(self, label: str, total: int | None) -> Progress:
        """Begin a piece of work of `total` items, if known; gives what to call as they go."""
        self._close()
        self._label = label
        self._bar = bar = ProgressBar(label, total).__enter__()
        return bar.advance

    def counting(self, label: str) -> Callable[[int, int], None]:
        """The same for work that tells its total with every call: (done now, total)."""
        bars: list[Progress] = []

        def advance(done: int, total: int) -> None:
            if not bars:
                bars.append(self(label, total))
            bars[0](done)

        return advance

    def part(self, label: str, done: int) -> None:
        """The same for work that names its part with every call: (part, done now)."""
        if label != self._label:
            self._advance = self(label, None)
        self._advance(done)

    def __enter__(self) -> Watching:
        """Return the watch itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the bar that is open."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
