"""A training may be killed at any moment: it goes on from its newest checkpoint and ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chain import STAGE3, Chain, assert_same_run
from crash import child
from crash.processes import finish, kill_when, line_count, start
from questioned import save, taught_row, training_row
from smallest import CREATE

STEPS = 8
EVERY = ["checkpoint.every_steps=2", "log.every_steps=3", f"budget.steps={STEPS}", "seed=7"]
ONE = "reinforce.rollouts.scenes_at_once=1"  # a step of tiny/elva is eight updates
LORA = ["model.trainable=lora", "model.lora.rank=4"]
INDEX = ["reinforce.index={}", "reinforce.order.anchors=queries", "reinforce.lm_candidates=0", ONE]
ASKED = ["answer.questions_per_step=2", "answer.rollouts={max_new_tokens: 6, group_size: 2}"]


def questions(chain: Chain) -> Path:
    """A folder of them."""
    root = chain.home / "questions"
    for name in ("training_base", "training_with_cot_6k"):
        save(root, name, [taught_row(number) for number in range(6)])
    return save(root, "training_6k", [training_row(number) for number in range(6)])


CASES: dict[str, tuple[str, Callable[[Chain], list[str]]]] = {
    "base": ("tiny/base", lambda c: [CREATE, "caption.batch_size=8"]),
    "base, questions": (
        "tiny/base",
        lambda c: [CREATE, "caption.batch_size=8", "caption.questions_share=0.5", f"caption.questions={questions(c)}"],
    ),
    "stage 1": ("tiny/stage1", lambda c: [c.model("base")]),
    "stage 2": ("tiny/stage2", lambda c: [c.model("stage1"), c.captions]),
    "stage 2, dropout": ("tiny/stage2", lambda c: [c.model("stage1"), *LORA, "model.lora.dropout=0.1"]),
    "stage 2, each step's own pictures": (
        "tiny/stage2",
        lambda c: [c.model("stage1"), c.captions, "data.picture_memory=0", "contrast.learn_temperature=true"],
    ),
    "stage 3, GRPO": ("tiny/elva_paper", lambda c: [c.model("stage2"), c.negatives, *STAGE3]),
    "stage 3, adapter": (
        "tiny/elva_paper",
        lambda c: [c.model("stage2"), c.negatives, *STAGE3, *LORA, "reinforce.policy.updates_per_rollout=2"],
    ),
    "stage 3, sampled queries": ("tiny/elva", lambda c: [c.model("stage2"), c.captions, c.negatives, *STAGE3, ONE]),
    "stage 3, an index": ("tiny/elva", lambda c: [c.model("stage2"), c.captions, c.negatives, *STAGE3, *INDEX]),
    "stage 3, an index made anew": (
        "tiny/elva",
        lambda c: [c.model("stage2"), c.captions, c.negatives, *STAGE3, *INDEX, "reinforce.index.refresh_every=3"],
    ),
    "answers, given": ("reasoning/sft", lambda c: [c.model("base"), f"data.root={questions(c)}", *ASKED]),
    "answers, GRPO": ("reasoning/grpo", lambda c: [c.model("base"), f"data.root={questions(c)}", *ASKED]),
}


def drawn(notes: Path) -> dict[str, set[str]]:
    """What came out for each step or seed, over all processes of a run: one thing, if the draws are exact."""
    found: dict[str, set[str]] = {}
    for line in notes.read_text().splitlines():
        drawn_for, digest = line.split()
        found.setdefault(drawn_for, set()).add(digest)
    return found


def assert_nothing_is_left_over(whole: Path, parts: Path) -> None:
    assert {path.name for path in parts.iterdir()} == {path.name for path in whole.iterdir()}
    names = [sorted(path.name for path in (run / "checkpoints").iterdir()) for run in (whole, parts)]
    assert names[0] == names[1]


@pytest.mark.parametrize("name", CASES)
def test_a_killed_run_ends_as_an_uninterrupted_one(chain: Chain, tmp_path: Path, name: str) -> None:
    recipe, settings_of = CASES[name]
    settings = chain.settings(*settings_of(chain), *EVERY)
    chance = random.Random(name)
    whole, parts, notes = tmp_path / "whole", tmp_path / "parts", tmp_path / "parts.notes"
    assert finish(child.train, recipe, settings, whole, False, tmp_path / "whole.notes") == 0
    process = start(child.train, recipe, settings, parts, False, notes)
    draws = chance.randrange(1, STEPS // 2)
    assert kill_when(process, lambda: line_count(notes) >= draws, chance.uniform(0, 0.06)) == -signal.SIGKILL
    assert finish(child.train, recipe, settings, parts, True, notes) == 0
    assert_same_run(whole, parts)
    assert drawn(notes) == drawn(tmp_path / "whole.notes")
    assert_nothing_is_left_over(whole, parts)


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_the_command_killed_again_and_again_ends_as_an_uninterrupted_one(
    chain: Chain, tmp_path: Path, name: str
) -> None:
    recipe, settings_of = CASES[name]
    chance = random.Random(f"again {name}")
    command = [sys.executable, "-m", "elva", "train", recipe]
    command += chain.settings(*settings_of(chain), *EVERY, "budget.steps=14", "log.every_steps=1")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert finish(os.execv, sys.executable, [*command, "--out", str(whole)]) == 0
    codes = []
    for lines in sorted(chance.sample(range(14), 4)):
        process = start(os.execv, sys.executable, [*command, "--out", str(parts), "--resume"])
        after = chance.uniform(0, 0.1 if lines else 8.0)
        codes.append(kill_when(process, lambda n=lines: line_count(parts / "metrics.jsonl") > n, after))
    assert codes.count(-signal.SIGKILL) >= 3
    assert finish(os.execv, sys.executable, [*command, "--out", str(parts), "--resume"]) == 0
    assert_same_run(whole, parts)
    assert_nothing_is_left_over(whole, parts)
