"""A miniature of M-BEIR as it is published: ten data sets, sixteen sub-tasks, and each trap of the format.

Kept as in the real tree: train files that mix a data set's tasks and lack task ids, the up-sampled union file, union
pools, MSCOCO's own test pools, `query/union_val`, answers that OVEN and InfoSeek share, positives as strings or
objects, both spellings of the mixed modality, judgements of relevance 0, empty prompts, and source content as JSON in
a string.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from data.building import picture, rows
from elva.data.layout import DATASETS, TASKS

SUB_TASKS = (
    ("visualnews", 0), ("mscoco", 0), ("fashion200k", 0), ("webqa", 1), ("edis", 2), ("webqa", 2), ("visualnews", 3),
    ("mscoco", 3), ("fashion200k", 3), ("nights", 4), ("oven", 6), ("infoseek", 6), ("fashioniq", 7), ("cirr", 7),
    ("oven", 8), ("infoseek", 8),
)  # fmt: skip
QUERIES = {"train": 4, "val": 2, "test": 2}
UPSAMPLED = ("nights", "cirr")


def published(root: Path) -> Path:
    """Write the tree: per sub-task 4 queries to train on, 2 to validate, 2 to test; a candidate each and one more."""
    everyone: dict[str, list[dict[str, Any]]] = defaultdict(list)  # union pools by split
    train: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for place, (dataset, task) in enumerate(SUB_TASKS):
        pools: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for split, count in QUERIES.items():
            own = f"_{split}" if dataset == "mscoco" and split == "test" else ""
            asked = [_query(root, dataset, task, place, split, n) for n in range(count)]
            found = [_candidate(root, dataset, task, place, split, n) for n in range(count + 1)]
            everyone[split] += found
            if split == "train" and dataset == "mscoco":
                pass  # its training images lie in the union pool alone
            else:
                pools[own] += found
            if split == "train":
                train[dataset] += asked
                continue
            rows(root / f"query/{split}/mbeir_{dataset}_task{task}_{split}.jsonl", *asked)
            judged = [f"{q['qid']} 0 {_did(q['pos_cand_list'][0])} 1 {task}" for q in asked]
            judged.append(f"{asked[0]['qid']} 0 {found[-1]['did']} 0 {task}")
            rows(root / f"qrels/{split}/mbeir_{dataset}_task{task}_{split}_qrels.txt", *judged)
        for own, pool in pools.items():
            rows(root / f"cand_pool/local/mbeir_{dataset}_task{task}{own}_cand_pool.jsonl", *pool)
    for dataset, asked in train.items():
        rows(root / f"query/train/mbeir_{dataset}_train.jsonl", *asked)
        rows(
            root / f"qrels/train/mbeir_{dataset}_train_qrels.txt",
            *(f"{q['qid']} 0 {_did(q['pos_cand_list'][0])} 1 0" for q in asked),
        )
    union = [q for dataset, asked in train.items() for q in asked * (3 if dataset in UPSAMPLED else 1)]
    rows(root / "query/union_train/mbeir_union_up_train.jsonl", *union)
    rows(root / "query/union_val/mbeir_union_val.jsonl", *train["cirr"][:1])
    for split, pool in everyone.items():
        rows(root / f"cand_pool/global/mbeir_union_{split}_cand_pool.jsonl", *pool)
    _instructions(root / "instructions/query_instructions.tsv")
    return root


def _number(place: int, split: str, n: int) -> int:
    return 1000 * place + 100 * list(QUERIES).index(split) + n


def _query(root: Path, dataset: str, task: int, place: int, split: str, n: int) -> dict[str, Any]:
    modality, number = TASKS[task][0], _number(place, split, n)
    image = f"mbeir_images/{dataset}_images/{split}/q{number}.jpg"
    # OVEN's first query is answered by InfoSeek's candidate, which bears InfoSeek's id
    other = dataset == "oven" and n == 0
    answer = f"{DATASETS['infoseek']}:{_number(place + 1, split, 0)}" if other else f"{DATASETS[dataset]}:{number}"
    return {
        "qid": f"{DATASETS[dataset]}:{number}",
        "query_txt": f"which one is {number}?" if "text" in modality else None,
        "query_img_path": _drawn(root, image, number) if "image" in modality else None,
        "query_modality": "text,image" if modality == "image,text" and n % 2 else modality,
        "query_src_content": json.dumps({"id": number, "said": 'a "quoted" word'}) if n % 2 else None,
        "pos_cand_list": [{"did": answer}] if n % 2 else [answer, f"{DATASETS[dataset]}:{number}"],
        "neg_cand_list": [f"{DATASETS[dataset]}:{_number(place, split, QUERIES[split])}"] if dataset == "edis" else [],
    }


def _candidate(root: Path, dataset: str, task: int, place: int, split: str, n: int) -> dict[str, Any]:
    modality, number = TASKS[task][1], _number(place, split, n)
    image = f"mbeir_images/{dataset}_images/{split}/c{number}.jpg"
    return {
        "txt": f"this is {number}: \u00fcber \u4e2d" if "text" in modality else None,
        "img_path": _drawn(root, image, number) if "image" in modality else None,
        "modality": "text,image" if modality == "image,text" and n % 2 else modality,
        "did": f"{DATASETS[dataset]}:{number}",
        "src_content": json.dumps({"did": f"{DATASETS[dataset]}:1"}) if n % 2 else None,
    }


def _drawn(root: Path, path: str, number: int) -> str:
    picture(root / path, number % 256)
    return path


def _did(positive: Any) -> str:
    return positive["did"] if isinstance(positive, dict) else positive


def _instructions(path: Path) -> None:
    names = {"visualnews": "VisualNews", "mscoco": "MSCOCO", "infoseek": "InfoSeek"}
    lines = ["query_modality\tcand_modality\tdataset_name\tdataset_id\tprompt_1\tprompt_2\tprompt_3\tprompt_4"]
    for dataset, task in SUB_TASKS:
        asked, answer = (each.replace("image,text", "text,image") for each in TASKS[task])
        lines.append(f"{asked}\t{answer}\t{names.get(dataset, dataset)}\t{DATASETS[dataset]}\tFind it.\t\tShow it.\t")
    rows(path, *lines)
