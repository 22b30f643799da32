"""`train`: what it refuses before a step is done or goes on. The chain itself is in recipes/test_end_to_end.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from chain import STAGE3, Chain, untimed
from elva.data.layout import UNION_TRAIN
from elva.errors import CheckpointError, DataError, DataErrors, ElvaError, RecipeError
from elva.locks import FolderLock
from elva.model.backbone import Backbone
from elva.training.recipe import Budget, Contrast, Data, Log, Lora, Model, Optimizer, Recipe, Saving, load_recipe
from elva.training.run import train, updates
from elva.training.session import Session
from smallest import smallest_embedder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("start") / "base"
    smallest_embedder().save(folder)
    return str(folder)


def recipe(root: Path | str, start: str, **changes: object) -> Recipe:
    values = {
        "stage": "contrast",
        "data": Data(root=str(root), datasets=("world",)),
        "model": Model(path=start),
        "budget": Budget(steps=1),
        "optimizer": Optimizer(lr=1e-3),
        "contrast": Contrast(batch_size=2),
        "extraction": "one_word",
    }
    return Recipe(**{**values, **changes})


def refused(recipe: Recipe, out: Path, error: type[ElvaError], words: str) -> None:
    with pytest.raises(error, match=words):
        train(recipe, out)
    assert not (out / "model").exists()


def test_no_data_no_run(model: str, tmp_path: Path) -> None:
    refused(recipe("", model), tmp_path / "run", RecipeError, r"data\.root=FOLDER")
    refused(recipe(tmp_path, model), tmp_path / "run", DataError, "no M-BEIR folder")
    assert not (tmp_path / "run").exists()


def test_no_model_no_run(world: Path, tmp_path: Path) -> None:
    refused(recipe(world, str(tmp_path / "gone")), tmp_path / "run", CheckpointError, "gone")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_run_is_left_alone(world: Path, model: str, tmp_path: Path) -> None:
    base = tmp_path / "mine/model"
    shutil.copytree(model, base)
    for start in (model, str(base)):
        with pytest.raises(CheckpointError, match="is no run of training"):
            train(recipe(world, start), tmp_path / "mine")
    # even where it looks like a run that may go on
    (tmp_path / "mine/recipe.yaml").write_text("")
    with pytest.raises(CheckpointError, match="the model that training starts from"):
        train(recipe(world, str(base)), tmp_path / "mine", resume=True)
    (base / "config.json").unlink()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        train(recipe(world, model), tmp_path / "mine", resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="is no run of training"):
        train(recipe(world, model), tmp_path / "file")
    assert len(list(base.iterdir())) == len(list(Path(model).iterdir())) - 1


def test_a_damaged_record_of_a_run_is_told(world: Path, model: str, tmp_path: Path) -> None:
    train(recipe(world, model), tmp_path / "run")
    for content in ("", "[]", '{"finished": true}'):
        (tmp_path / "run/run.json").write_text(content)
        with pytest.raises(CheckpointError, match=r"run\.json is damaged"):
            train(recipe(world, model), tmp_path / "run", resume=True)


def test_a_run_killed_before_its_recipe_was_there_can_be_begun_again(world: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in (".lock", ".recipe.yaml.77.part"):
        (tmp_path / "run" / name).touch()
    assert train(recipe(world, model), tmp_path / "run").finished
    assert not (tmp_path / "run" / ".recipe.yaml.77.part").exists()


def test_a_run_that_came_and_went_while_this_one_got_ready_is_not_overwritten(
    world: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = FolderLock.__enter__

    def later(self: FolderLock) -> FolderLock:
        monkeypatch.setattr(FolderLock, "__enter__", lock)
        train(recipe(world, model, seed=1), tmp_path / "run")
        return lock(self)

    monkeypatch.setattr(FolderLock, "__enter__", later)
    with pytest.raises(CheckpointError, match="holds a run already"):
        train(recipe(world, model), tmp_path / "run")
    assert train(recipe(world, model, seed=1), tmp_path / "run", resume=True).finished


def test_bad_rows_no_run_and_what_was_refused_can_be_begun_again(world: Path, model: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(world, root)
    (bad,) = sorted((root / "query/train").glob("mbeir_world_task0_*.jsonl"))
    good = bad.read_text()
    bad.write_text(good + "{half\n")
    refused(recipe(root, model), tmp_path / "run", DataErrors, rf"{bad.name}:{good.count(chr(10)) + 1}")
    bad.write_text(good)
    assert train(recipe(root, model), tmp_path / "run").finished


def test_bad_rows_can_be_left_out_and_are_counted(
    world: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    shutil.copytree(world, root)
    for path in (root / "query/train").glob("mbeir_world_*.jsonl"):
        path.write_text(path.read_text() + "{half\n")
    count = len(list((root / "query/train").glob("mbeir_world_*.jsonl")))
    data = Data(root=str(root), datasets=("world",), skip_bad_rows=True)
    assert train(recipe(root, model, data=data), tmp_path / "run").finished
    assert f"{count} bad rows are left out" in capsys.readouterr().err


def test_the_published_union_file_alone_trains(world: Path, model: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(world, root)
    files = sorted((root / "query/train").glob("mbeir_world_*.jsonl"))
    rows = [line for file in files for line in file.read_text().splitlines(keepends=True)]
    shutil.rmtree(root / "query/train")
    shutil.rmtree(root / "cand_pool/local")
    (root / UNION_TRAIN).parent.mkdir()
    (root / UNION_TRAIN).write_text("".join(rows + rows[:3]))  # it is published upsampled
    for datasets in ((), ("world",)):
        data = Data(root=str(root), datasets=datasets)
        assert train(recipe(root, model, data=data), tmp_path / f"run{len(datasets)}").finished


def test_resuming_a_finished_run_does_nothing(world: Path, model: str, tmp_path: Path) -> None:
    first = train(recipe(world, model), tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    again = train(recipe(world, model, name="renamed"), tmp_path / "run", resume=True)
    assert (again.model, again.updates, again.finished) == (first.model, first.updates, True)
    assert again.train_seconds == pytest.approx(first.train_seconds, abs=0.01)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    with pytest.raises(CheckpointError, match=r"budget\.steps: 1 -> 2"):
        train(recipe(world, model, budget=Budget(steps=2)), tmp_path / "run", resume=True)


def test_the_start_is_read_and_never_written(world: Path, model: str, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in Path(model).iterdir()}
    train(recipe(world, model, name="one"), tmp_path / "run")
    assert before == {path: path.read_bytes() for path in Path(model).iterdir()}
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"recipe.yaml", "metrics.jsonl", "run.json", "model"}


def test_adapters_go_where_the_recipe_says(world: Path, model: str, tmp_path: Path) -> None:
    lora = Model(path=model, trainable="lora", lora=Lora(rank=2, targets=("q_proj",)))
    result = train(recipe(world, model, model=lora), tmp_path / "run")
    assert result.updates == 1
    held = load_file(tmp_path / "run" / "checkpoints" / "step-000001" / "tensors.safetensors")
    layers = len(smallest_embedder().backbone.plain.model.language_model.layers)
    adapters = [name for name in held if "q_proj.lora_" in name]
    assert len(adapters) == 2 * layers, "two matrices in each layer"
    assert all("language_model" in name for name in adapters)
    (row,) = set(held) - set(adapters)
    assert row == "rows.read" and held[row].shape == (32,), "and the row of [RET]"


def test_an_adapter_s_scale_may_be_below_1(world: Path, model: str, tmp_path: Path) -> None:
    lora = Model(path=model, trainable="lora", lora=Lora(rank=2, alpha=0.5, targets=("q_proj",)))
    result = train(recipe(world, model, model=lora), tmp_path / "run")
    before, after = (load_file(Path(folder) / "model.safetensors") for folder in (model, result.model))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all("q_proj" in name or "embed_tokens" in name or "lm_head" in name for name in moved)


def test_the_image_cache_serves_the_next_run(
    world: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    see = Backbone.see

    def counted(self: Backbone, pixels: Tensor, grid: Tensor) -> list[Tensor]:
        seen.append(len(grid))
        return see(self, pixels, grid)

    monkeypatch.setattr(Backbone, "see", counted)
    data = Data(root=str(world), datasets=("world",), image_cache=str(tmp_path / "cache"))
    train(recipe(world, model, data=data), tmp_path / "a")
    assert sum(seen) > 0
    seen.clear()
    train(recipe(world, model, data=data), tmp_path / "b")
    assert not seen, "the vision tower has nothing to do"


def test_pictures_that_need_too_much_memory_are_looked_at_step_by_step(
    world: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    losses = []
    for memory in (4.0, 0.0):
        data = Data(root=str(world), datasets=("world",), picture_memory=memory)
        wanted = recipe(world, model, data=data, budget=Budget(steps=3), log=Log(every_steps=1))
        train(wanted, tmp_path / f"{memory}")
        told = capsys.readouterr().err
        assert ("each step looks at its own" in told) is (memory == 0.0)
        lines = (tmp_path / f"{memory}/metrics.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["loss"] for line in lines])
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)


def test_a_run_may_be_resumed_with_other_settings_of_memory(world: Path, model: str, tmp_path: Path) -> None:
    train(recipe(world, model), tmp_path / "run")
    (tmp_path / "run/run.json").unlink()
    data = Data(root=str(world), datasets=("world",), picture_memory=0.0, check_images=False)
    less = Model(path=model, gradient_checkpointing=True)
    assert train(recipe(world, model, data=data, model=less), tmp_path / "run", resume=True).updates == 1


# -- going on from other inputs ----------------------------------------------------------------------------------


@pytest.fixture
def interrupted(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A run in tmp_path/run, killed after its first checkpoint; its files and model lie in tmp_path."""
    lines = ["sent0,sent1,hard_neg", *(f"anchor {n},positive {n},negative {n}" for n in range(4))]
    (tmp_path / "triples.csv").write_text("\n".join(lines) + "\n")
    for name in ("captions", "negatives"):
        (tmp_path / f"{name}.jsonl").write_text("{}\n")
    smallest_embedder().save(tmp_path / "start")
    files = {"captions": "captions.jsonl", "negatives": "negatives.jsonl", "triples": "triples.csv"}
    data = Data(root=str(world), **{name: str(tmp_path / file) for name, file in files.items()})
    settings = {"data": data, "budget": Budget(steps=3), "checkpoint": Saving(every_steps=1)}
    wanted = recipe(world, str(tmp_path / "start"), **settings)
    update = Session.update

    def killed(self: Session, metrics: Mapping[str, float]) -> None:
        if self.steps_done == 1:
            raise KeyboardInterrupt
        update(self, metrics)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Session, "update", killed)
        train(wanted, tmp_path / "run")
    return wanted


def test_the_same_inputs_go_on(interrupted: Recipe, tmp_path: Path) -> None:
    assert train(interrupted, tmp_path / "run", resume=True).updates == 3


@pytest.mark.parametrize("file", ["triples.csv", "captions.jsonl", "negatives.jsonl"])
def test_a_changed_file_is_refused_by_its_setting(interrupted: Recipe, tmp_path: Path, file: str) -> None:
    with (tmp_path / file).open("a") as changed:
        changed.write("one,more,line\n")
    only = rf"other inputs.*\n  data\.{file.split('.')[0]}: [0-9a-f]+ -> [0-9a-f]+$"
    with pytest.raises(CheckpointError, match=only):
        train(interrupted, tmp_path / "run", resume=True)


def test_another_start_model_at_the_same_path_is_refused(interrupted: Recipe, tmp_path: Path) -> None:
    smallest_embedder(seed=1).save(tmp_path / "start")
    with pytest.raises(CheckpointError, match=r"other inputs.*\n  model\.path: [0-9a-f]+ -> [0-9a-f]+$"):
        train(interrupted, tmp_path / "run", resume=True)


def test_runs_advanced_in_turn_do_what_each_does_alone(chain: Chain, tmp_path: Path) -> None:
    several = "reinforce.policy.updates_per_rollout=2"
    rows = {
        "stage2": ["tiny/stage2", chain.model("stage1"), chain.captions],
        "words": ["tiny/stage2", chain.model("stage1"), chain.captions, "bottleneck=words"],
        "paper": ["tiny/elva_paper", chain.model("stage2"), chain.captions, chain.negatives, *STAGE3, several],
    }
    recipes = {name: load_recipe(row[0], chain.settings(*row[1:])) for name, row in rows.items()}
    loops = {name: updates(recipe, tmp_path / "in turn" / name) for name, recipe in recipes.items()}
    made = {name: list[int]() for name in loops}
    for _ in range(4):
        for name, loop in loops.items():
            made[name] += [step for step in [next(loop, 0)] if step]
    assert made == {"stage2": [1, 1, 1], "words": [1, 1, 1], "paper": [2, 1]}
    for name, each in recipes.items():
        train(each, tmp_path / "alone" / name)
        runs = [tmp_path / how / name for how in ("in turn", "alone")]
        assert untimed(runs[0]) == untimed(runs[1])
        ends = [load_file(run / "checkpoints/step-000003/tensors.safetensors") for run in runs]
        assert [key for key in ends[1] if not torch.equal(ends[0][key], ends[1][key])] == []
