"""Data of M-BEIR's size: how long commands take to read it, and how much memory.

    python benchmarks/data_at_size.py               # 5.6 M candidates, 1.15 M training queries: M-BEIR's counts
    python benchmarks/data_at_size.py --share 0.1

Writes a tree in M-BEIR's layout with its sub-tasks and their counts (rows of about its length, no pictures), then
measures the check, opening for stage 2 and stage 3, and drawing a subset. Beside them: every row through json.loads and
dropped, which is the least that any reader in Python does, and kept in a list, as it is often done.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from os import devnull
from pathlib import Path

from measure import Meter, compared, options

BYTES_AT_WHOLE = 2_500_000_000
"""What the tree takes at share 1; its subset takes as much again, since pools stay whole."""
FLOOR = "json.loads, dropped"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write, measure, show."""
    parser = options(__doc__, "data_at_size")
    parser.add_argument("--share", type=float, default=1.0, help="of M-BEIR's counts")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where to write the tree")
    asked = parser.parse_args(arguments)
    share, batch_size, negatives = (0.001, 8, 4) if asked.quick else (asked.share, 960, 50)
    needed, free = int(2 * BYTES_AT_WHOLE * share), shutil.disk_usage(asked.folder).free
    if needed > free / 2:
        parser.error(f"this takes {needed:,} bytes, more than half of what is free in {asked.folder}; see --folder")
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        root = Path(folder) / "data"
        size = written(root, share)
        works = [
            (dropped, (root,)),
            (kept, (root,)),
            (checked, (root,)),
            (opened_for_stage_2, (root, batch_size)),
            (opened_for_stage_3, (root, negatives)),
            (subset, (root,)),
        ]
        compared(works, FLOOR, asked, share=share, **size)


# --- what is measured


def dropped(meter: Meter, root: Path) -> None:
    """The least: each row parsed, none kept."""
    meter.begin()
    for line in _lines(root):
        json.loads(line)
    meter.end(FLOOR)


def kept(meter: Meter, root: Path) -> None:
    """The usual: a list of dictionaries."""
    meter.begin()
    rows = [json.loads(line) for line in _lines(root)]
    meter.end("json.loads, kept in a list")
    assert rows


def checked(meter: Meter, root: Path) -> None:
    """`elva data check`."""
    meter.begin()
    _elva("data", "check", root, "--no-images")
    meter.end("elva data check --no-images")


def subset(meter: Meter, root: Path) -> None:
    """`elva data subset`, the data of stage 3."""
    out = root.with_name("subset")
    shutil.rmtree(out, ignore_errors=True)
    meter.begin()
    _elva("data", "subset", root, "--out", out, "--share", "0.01")
    meter.end("elva data subset --share 0.01")
    shutil.rmtree(out)


def opened_for_stage_2(meter: Meter, root: Path, batch_size: int) -> None:
    """What `elva train` does before and in stage 2, without the model."""
    import numpy as np
    import torch

    from elva.data.opening import open_tasks
    from elva.training.contrast import QuerySource
    from elva.training.recipe import load_recipe
    from elva.training.session import Step

    recipe = load_recipe("paper/2b/stage2", [f"data.root={root}", f"contrast.batch_size={batch_size}"])
    meter.begin()
    data, _, _ = open_tasks(root, "train", check_images=False)
    meter.end("stage 2: rows checked")
    source = QuerySource(recipe, data)
    meter.end("stage 2: opened")
    for number in range(50):
        source.batch(Step(number, np.random.default_rng(number), torch.Generator()))
    meter.end(f"stage 2: 50 batches of {batch_size}")


def opened_for_stage_3(meter: Meter, root: Path, negatives: int) -> None:
    """The same for stage 3; so many hard negatives a query, and as many random ones."""
    import numpy as np
    import torch

    from elva.data.opening import open_tasks
    from elva.training.recipe import load_recipe
    from elva.training.scenes import SceneSource
    from elva.training.session import Step

    sizes = [f"reinforce.{kind}_negatives={negatives}" for kind in ("hard", "random")]
    recipe = load_recipe("paper/2b/stage3", [f"data.root={root}", "data.negatives=negatives.jsonl", *sizes])
    meter.begin()
    data, names, _ = open_tasks(root, "train", check_images=False)
    meter.end("stage 3: rows checked")
    source = SceneSource(recipe, data, names)
    meter.end("stage 3: opened")
    for number in range(20):
        source.scenes(Step(number, np.random.default_rng(number), torch.Generator()))
    meter.end("stage 3: 20 scenes")


def _files(root: Path) -> list[Path]:
    """Queries and pools."""
    return sorted(root.rglob("mbeir_*.jsonl"))


def _lines(root: Path) -> Iterator[bytes]:
    for path in _files(root):
        with path.open("rb") as file:
            yield from file


def _elva(*arguments: object) -> None:
    from elva.cli.app import app

    with open(devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        code = app([str(each) for each in arguments], standalone_mode=False)
    assert not code, code


# --- the tree

WORDS = (
    "a the of in on with and two red blue old small large wooden street market house river bridge tower player team "
    "year minister president museum painting flower bird tree dress sleeve collar pattern striped long short who when"
)
PHRASES = 1 << 16
ELSEWHERE = "café"
"""One phrase in sixteen holds a letter beyond ASCII."""


def written(root: Path, share: float) -> dict[str, int]:
    """Write the tree, and negatives for a hundredth of its queries; says how large it is."""
    from elva.data.layout import DATASETS, TASKS, TaskName
    from elva.data.published_counts import COUNTS
    from elva.data.writing import write_instructions, write_lines

    rng = random.Random(0)
    words = WORDS.split()
    phrases = [" ".join([*rng.choices(words, k=12), words[0] if n % 16 else ELSEWHERE]) for n in range(PHRASES)]
    prompts, negatives = {}, list[str]()
    free = dict.fromkeys(DATASETS.values(), 1)  # the next number that no row of the data set has
    for (dataset, task), (train, _, _, pool) in COUNTS.items():
        name, number, (asked, found) = TaskName(dataset, task, "train"), DATASETS[dataset], TASKS[task]
        queries, size = (max(20, round(share * _count(each))) for each in (train, pool))
        start = free[number]
        free[number] += max(queries, size)
        own = range(start, start + size)
        prompts[number, asked, found] = ("Find what is asked for.", "Which one is it?")
        answers = rng.choices(own, k=queries)
        write_lines(root / name.pool_path, (_candidate(number, n, dataset, found, phrases) for n in own))
        lines = (_query(number, n, dataset, asked, answer, phrases) for n, answer in enumerate(answers, start))
        write_lines(root / name.query_path, lines)
        judged = (f"{number}:{n} 0 {number}:{answer} 1 {task}" for n, answer in enumerate(answers, start))
        write_lines(root / name.qrels_path, judged)
        for n in range(start, start + queries, 100):
            near = [[f"{number}:{each}", 0.5] for each in rng.choices(own, k=50)]
            negatives.append(json.dumps({"qid": f"{number}:{n}", "candidates": near, "filtered": 0}))
    write_lines(root / "negatives.jsonl", negatives)
    write_instructions(root, prompts, {number: dataset for dataset, number in DATASETS.items()})
    return {"rows": sum(1 for _ in _lines(root)), "bytes": sum(path.stat().st_size for path in _files(root))}


def _candidate(number: int, n: int, dataset: str, modality: str, phrases: list[str]) -> str:
    text, image = _content(number, n, dataset, modality, phrases)
    return (
        f'{{"txt": {text}, "img_path": {image}, "modality": "{modality}", "did": "{number}:{n}", "src_content": null}}'
    )


def _query(number: int, n: int, dataset: str, modality: str, answer: int, phrases: list[str]) -> str:
    text, image = _content(number, n, dataset, modality, phrases)
    return (
        f'{{"qid": "{number}:{n}", "query_txt": {text}, "query_img_path": {image}, "query_modality": "{modality}", '
        f'"query_src_content": null, "pos_cand_list": ["{number}:{answer}"], "neg_cand_list": []}}'
    )


def _content(number: int, n: int, dataset: str, modality: str, phrases: list[str]) -> tuple[str, str]:
    """Text and image path as they stand in the row: about 130 bytes of words, others for each number of a data set."""
    text, image = "null", "null"
    if "text" in modality:
        first, second = divmod(16 * n + number, PHRASES)
        text = f'"{phrases[first % PHRASES]} {phrases[second]}"'
    if "image" in modality:
        image = f'"mbeir_images/{dataset}_images/{n % 997:04}/{n}.jpg"'
    return text, image


def _count(printed: str) -> int:
    """The number in a table of M-BEIR's counts: "24.8K" or "542,246"."""
    return round(float(printed.rstrip("K").replace(",", "")) * (1000 if printed.endswith("K") else 1))


if __name__ == "__main__":
    main()
