"""`recipes/reproduce.sh` gives only commands that exist, in an order in which each finds what it needs."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from typer.main import get_command

from elva.analysis.tables.published import library
from elva.cli.app import app
from elva.evaluation.unseen.specs import UNSEEN, VIDEO
from elva.training.recipe import load_recipe

MODELS = ("Qwen2-VL-2B-Instruct", "Qwen2-VL-7B-Instruct", "LamRA-Ret")
SCRIPT = Path(__file__).parents[2] / "recipes/reproduce.sh"
SETS = ("flickr30k", "circo", "msvd")
STUB = r"""#!/usr/bin/env bash
printf '%s\x1f' "$@" >> calls; echo >> calls
command=$1
while [ $# -gt 0 ]; do [ "$1" = --out ] && out=$2; shift; done
case $command:${out-} in
    *:) ;;
    *.jsonl | *.html) touch "$out" ;;
    evaluate:*) mkdir -p "$out"; touch "$out/table.md" ;;
    train:*) mkdir -p "$out/model" ;;
    *) mkdir -p "$out" ;;
esac
"""


def script(folder: Path) -> list[list[str]]:
    """The `elva` commands that the script gives in a folder where all but some sets is downloaded."""
    for name in ("M-BEIR/query", *MODELS, "bin", *(f"sets/{each}" for each in SETS)):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "M-BEIR/nli_for_simcse.csv").touch()
    (folder / "bin/elva").write_text(STUB)
    (folder / "bin/elva").chmod(0o755)
    (folder / "calls").write_text("")
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin"}
    ran = subprocess.run(["bash", SCRIPT], cwd=folder, env=environment, capture_output=True, check=True, text=True)
    (folder / "told").write_text(ran.stderr)
    return [line.split("\x1f")[:-1] for line in (folder / "calls").read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("paper")


@pytest.fixture(scope="module")
def calls(folder: Path) -> list[list[str]]:
    return script(folder)


def test_every_command_takes_its_options(calls: list[list[str]]) -> None:
    for call in calls:
        command, rest = get_command(app), call
        context = command.make_context("elva", [], resilient_parsing=True)
        while hasattr(command, "resolve_command"):
            name, command, rest = command.resolve_command(context, rest)
            context = command.make_context(
                name,
                rest if not hasattr(command, "resolve_command") else [],
                context,
                resilient_parsing=hasattr(command, "resolve_command"),
            )


def test_every_training_loads_and_begins_from_what_an_earlier_one_left(calls: list[list[str]]) -> None:
    there = {"M-BEIR", "nli_for_simcse.csv", *MODELS}
    trained = []
    for call in calls:
        if call[0] == "train":
            recipe = load_recipe(call[1], call[2 : call.index("--out")])
            data = recipe.data
            needs = {data.root, recipe.model.path, data.triples, data.captions, data.negatives} - {None}
            assert needs <= there, call
            trained.append(recipe)
        if "--model" in call:
            assert call[call.index("--model") + 1] in there, call
        if "--out" in call:
            out = call[call.index("--out") + 1]
            there |= {out, f"{out}/model"}
    assert len(trained) == 2 * 3 + 2 + 7 + 2
    assert len({recipe.model.path for recipe in trained}) == 7 + 2


def test_a_second_run_makes_nothing_again_but_the_tables(tmp_path: Path) -> None:
    script(tmp_path)
    assert [call[:2] for call in script(tmp_path)] == [["data", "check"], ["report", "stage 2, 2b=runs/2b/stage2"]]


def test_the_tables_are_of_every_evaluation(calls: list[list[str]]) -> None:
    judged = [call[call.index("--out") + 1].rpartition("/") for call in calls if call[0] == "evaluate"]
    on = {name: {run for run, _, of in judged if of == name} for name in ("eval", "mrbench", *SETS)}
    assert len(judged) == sum(map(len, on.values())), "each once, and no other"
    assert calls[-1][0] == "report"
    places = {word.partition("=")[2] for word in calls[-1] if "=" in word}
    assert places == on["eval"] and len(places) == 2 * 2 + 2 + 7 + 3
    staged = {f"runs/{size}/stage{stage}" for size in ("2b", "7b") for stage in (2, 3)}
    assert all(on[name] == staged for name in SETS)
    assert on["mrbench"] == staged | {f"runs/lamra/{each}" for each in ("as-it-is", "adapt", "stage3")}


def test_sets_that_are_not_there_are_named(calls: list[list[str]], folder: Path) -> None:
    told = (folder / "told").read_text()
    there = {name for name in {**UNSEEN, **VIDEO} if f"sets/{name} is not there, so {name} is left out" not in told}
    assert there == {*SETS, "cirr", "fashioniq"}, "M-BEIR trains on the last two, and has them"
    assert ["mrbench", "build", "M-BEIR"] in [call[:3] for call in calls]


def test_ablations_are_called_what_the_published_ones_are(calls: list[list[str]]) -> None:
    names = [word.partition("=")[0] for option, word in pairwise(calls[-1]) if option == "--ablation"]
    assert set(names) == {form.key for form in library().forms["ablations"].rows}


def test_the_numbers_of_the_paper() -> None:
    for size in ("2b", "7b"):
        one, two = (load_recipe(f"paper/{size}/stage{n}") for n in (1, 2))
        three = load_recipe(f"paper/{size}/stage3", ["data.negatives=n.jsonl"])
        assert (one.contrast.batch_size, one.optimizer.lr, one.budget.epochs) == (576, 4e-5, 2)
        assert (two.contrast.batch_size, two.optimizer.lr, two.budget.epochs) == (960, 1e-4, 1)
        assert (three.optimizer.lr, three.budget.epochs) == (1e-6, 1)
        stage = three.reinforce
        assert (stage.rollouts.group_size, stage.policy.kl_beta) == (8, 0.2)
        assert (stage.hard_negatives, stage.random_negatives) == (50, 50)
        assert (stage.reward.alpha, stage.reward.epsilon, stage.reward.shape) == (0.4, 0.6, "printed")
        assert {each.model.trainable for each in (one, two, three)} == {"lora"}
