"""The base stage: a model and a tokenizer from the data's texts, and what they learn from."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chain import metrics
from elva.data.mbeir import Candidate, MBeir, Query, TaskName, write_instructions, write_pool, write_queries
from elva.errors import ElvaError, InputError
from elva.items import Item
from elva.model.answering import write_answers
from elva.model.embedder import Embedder
from elva.reasoning.seed_bench_r1 import parsed_questions
from elva.training.asked import AskedSet
from elva.training.captioner import CaptionSet, augmented, create_embedder
from elva.training.recipe import Caption, Recipe, load_recipe
from elva.training.run import train
from questioned import save, taught_row, training_row
from smallest import CREATE


@pytest.fixture(scope="module")
def captions(world: Path) -> CaptionSet:
    return CaptionSet(recipe(world), MBeir.open(world))


def recipe(world: Path, *settings: str) -> Recipe:
    return load_recipe("tiny/base", [f"data.root={world}", CREATE, *settings])


def test_the_embedder_has_the_sizes_and_prompts_of_the_recipe(world: Path) -> None:
    embedder = create_embedder(recipe(world))
    assert embedder.dimension == 32
    assert embedder.name == "tiny-base"
    assert embedder.processor.settings.prompts.generative == "Summarize:"
    assert embedder.processor.settings.max_summary == 6
    assert len(embedder.processor.tokenizer) <= 400


def test_the_seed_makes_the_model(world: Path) -> None:
    one, same, other = (create_embedder(recipe(world, f"seed={seed}")).fingerprint for seed in (1, 1, 2))
    assert one == same != other


def test_the_words_of_the_data_are_few_tokens(world: Path) -> None:
    embedder = create_embedder(recipe(world, "model.create.vocabulary=800"))
    tokens = embedder.processor.tokenizer("a small red triangle left of a blue circle")["input_ids"]
    assert len(tokens) <= 12


def test_every_query_of_the_base_split_has_its_caption(world: Path, captions: CaptionSet) -> None:
    data = MBeir.open(world)
    assert sum(map(len, captions.items.values())) == sum(len(data.queries(name)) for name in data.tasks("base"))
    assert set(captions.items) == {"text", "image", "image,text"}
    for pairs in captions.items.values():
        assert all(item.instruction is None and caption for item, caption in pairs)


def test_a_split_without_queries_is_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(ElvaError, match="nowhere"):
        train(recipe(world, "data.split=nowhere"), tmp_path / "run")
    assert not (tmp_path / "run" / "recipe.yaml").exists(), "the next try is not a second run"


# -- what can't be learned, and how much is ----------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two data sets; the second query of the first has its first answer in the other one's pool."""
    first, second = TaskName("world", 1, "base"), TaskName("mrbench", 1, "base")
    write_queries(tmp_path, first, [query("100:1", "100:1"), query("100:2", "101:1", "100:1")])
    write_queries(tmp_path, second, [query("101:1", "101:1")])
    write_pool(tmp_path, first, [Candidate("100:1", "a red circle", None, "text")])
    write_pool(tmp_path, second, [Candidate("101:1", "a blue square", None, "text")])
    write_instructions(tmp_path, {}, {})
    return tmp_path


def query(qid: str, *positives: str) -> Query:
    return Query(qid, f"say {qid}", None, "text", positives, (), 1)


def pairs(root: Path, *settings: str) -> dict[str | None, str]:
    """Text of each item to its caption."""
    found = CaptionSet(recipe(root, *settings), MBeir.open(root))
    return {item.text: caption for item, caption in found.items["text"]}


def test_a_caption_in_another_data_set_s_pool_is_found(root: Path) -> None:
    assert pairs(root, "data.datasets=[world]") == {"say 100:1": "a red circle", "say 100:2": "a blue square"}


def test_a_positive_without_text_is_refused_by_query(root: Path) -> None:
    write_pool(root, TaskName("mrbench", 1, "base"), [Candidate("101:1", None, "a.png", "image")])
    message = r"positives of 2 of 3 queries have no text.*101:1 of query 101:1 for one; choose .*data\.tasks"
    with pytest.raises(InputError, match=message):
        pairs(root)


def test_queries_are_limited_by_the_seed(root: Path) -> None:
    chosen = [tuple(pairs(root, "data.max_queries=1", f"seed={seed}")) for seed in range(8)]
    assert all(len(each) == 1 for each in chosen)
    assert len(set(chosen)) > 1


def test_captions_that_are_cut_are_counted_and_said_once(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = "model.create.max_summary=2"
    train(recipe(root, CREATE, short, "budget.steps=3", "caption.batch_size=2"), tmp_path / "cut")
    assert capsys.readouterr().err.count("2 of 2 captions were cut to 2 tokens") == 1
    long = "model.create.max_summary=40"
    train(recipe(root, CREATE, long, "budget.steps=1", "caption.batch_size=2"), tmp_path / "whole")
    assert "captions were cut" not in capsys.readouterr().err


# -- what one would ask for --------------------------------------------------------------------------------------


ASKED = ("caption.asked_share=0.5", "caption.asked_datasets=[world]", "caption.asked_instruction=What for, zyxwv?")


def test_the_words_of_what_is_asked_are_few_tokens(world: Path) -> None:
    def length(*settings: str) -> int:
        return len(create_embedder(recipe(world, *settings)).processor.tokenizer("zyxwv")["input_ids"])

    large = "model.create.vocabulary=2000"
    assert length(large, *ASKED) < length(large), "its instruction"
    without_share = [create_embedder(recipe(world, *settings)).fingerprint for settings in (ASKED[1:], ())]
    assert without_share[0] == without_share[1], "nothing is read where nothing is asked"


def test_a_model_that_was_taught_to_ask_keeps_the_instruction(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = (CREATE, "budget.steps=2", "caption.batch_size=4")
    asked = Embedder.load(train(recipe(world, *ASKED, *short), tmp_path / "asked").model)
    assert asked.processor.settings.asked_instruction == "What for, zyxwv?"
    told = capsys.readouterr().err
    assert re.search(r"\d+ train queries are not text alone.* the other \d+ are learned", told)
    assert re.search(r"\d+ of \d+ queries were cut to 6 tokens", told)
    plain = train(recipe(world, *short), tmp_path / "plain").model
    assert Embedder.load(plain).processor.settings.asked_instruction is None
    assert "text alone" not in capsys.readouterr().err
    start = (f"model.path={tmp_path / 'asked/model'}", "model.create=null", "budget.steps=1", "caption.batch_size=4")
    later = train(load_recipe("tiny/base", [f"data.root={world}", *start]), tmp_path / "later").model
    assert Embedder.load(later).processor.settings.asked_instruction == "What for, zyxwv?"


def test_the_share_of_what_is_asked_is_that_of_the_recipe(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = list[int]()
    draw = AskedSet.draw

    def listening(self: AskedSet, rng: np.random.Generator, count: int) -> list[tuple[Item, str]]:
        counts.append(count)
        return draw(self, rng, count)

    monkeypatch.setattr(AskedSet, "draw", listening)
    train(recipe(world, *ASKED, CREATE, "budget.steps=20", "caption.batch_size=8"), tmp_path / "run")
    assert sum(counts) / (20 * 8) == pytest.approx(0.5, abs=0.1)
    assert len(set(counts)) > 1


# -- questions about videos --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Half of what is learned: questions with an answer of a word that nothing else says."""
    rows = [taught_row(number, response=f"zyxwv <answer>{'ABCD'[number % 4]}.</answer>") for number in range(8)]
    root = save(tmp_path_factory.mktemp("questions"), "training_base", rows)
    return ["caption.questions_share=0.5", f"caption.questions={root}"]


def test_the_words_of_questions_and_answers_are_few_tokens(world: Path, asked: list[str]) -> None:
    large = "model.create.vocabulary=2000"
    plain, taught = (create_embedder(recipe(world, large, *more)).processor.tokenizer for more in ([], asked))
    for words in ("zyxwv", "Think, then answer."):
        assert len(taught(words)["input_ids"]) < len(plain(words)["input_ids"])


def test_a_new_model_reads_as_much_text_as_it_is_told_to(world: Path) -> None:
    assert create_embedder(recipe(world)).processor.settings.max_text == 96
    assert create_embedder(recipe(world, "model.create.max_text=300")).processor.settings.max_text == 300


def test_questions_are_learned_beside_captions(world: Path, asked: list[str], tmp_path: Path) -> None:
    short = ["budget.steps=40", "caption.batch_size=16", "log.every_steps=1", "optimizer.lr=1e-2"]
    model = train(recipe(world, *asked, *short, "model.create.max_text=200"), tmp_path / "run").model
    rows = metrics(tmp_path / "run")
    both = [row for row in rows if "answer_loss" in row]
    assert both[-1]["answer_loss"] < 0.5 * both[0]["answer_loss"]
    assert both[-1]["caption_loss"] < both[0]["caption_loss"]
    for row in both:
        low, high = sorted((row["answer_loss"], row["caption_loss"]))
        assert low <= row["loss"] <= high, "the mean of all tokens"
    questions = parsed_questions(asked[1].partition("=")[2], "training_base")
    answers = write_answers(Embedder.load(model), [question.item for question in questions], max_new_tokens=40)
    assert all(text.startswith("zyxwv") for text in answers.texts)


def test_a_base_may_learn_questions_alone(world: Path, asked: list[str], tmp_path: Path) -> None:
    alone = ["caption.questions_share=1", "budget.steps=1", "caption.batch_size=4"]
    train(recipe(world, *asked, *alone), tmp_path / "run")
    assert metrics(tmp_path / "run")[0].keys() >= {"loss", "answer_tokens"}


def test_questions_without_a_response_are_refused(world: Path, tmp_path: Path) -> None:
    root = save(tmp_path / "questions", "training_base", [taught_row(0), training_row(1)])
    with pytest.raises(InputError, match="1 of the 2 questions of training_base have no response, 1 for one"):
        train(recipe(world, "caption.questions_share=0.5", f"caption.questions={root}"), tmp_path / "run")
    with pytest.raises(ElvaError, match=r"caption\.questions is .*nowhere, which is no folder"):
        train(recipe(world, "caption.questions_share=0.5", f"caption.questions={tmp_path}/nowhere"), tmp_path / "run")


# -- what is drawn -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text_share", "instruction_share"), [(0.0, 0.0), (0.25, 0.5), (1.0, 1.0)])
def test_shares_are_those_of_the_recipe(captions: CaptionSet, text_share: float, instruction_share: float) -> None:
    pairs = captions.draw(np.random.default_rng(0), 2000, text_share, instruction_share)
    modalities = Counter(item.modality for item, _ in pairs)
    assert modalities["text"] / 2000 == pytest.approx(text_share, abs=0.05)
    asked = sum(item.instruction is not None for item, _ in pairs)
    assert asked / 2000 == pytest.approx(instruction_share, abs=0.05)
    if text_share < 1:
        seen = len(captions.items["image"]), len(captions.items["image,text"])
        assert modalities["image"] / (2000 - modalities["text"]) == pytest.approx(seen[0] / sum(seen), abs=0.05)


def test_instructions_are_those_of_the_modality(world: Path, captions: CaptionSet) -> None:
    known = MBeir.open(world).instructions()
    for item, _ in captions.draw(np.random.default_rng(1), 200, 0.3, 1.0):
        assert any(item.instruction in prompts for (_, asked, _), prompts in known.items() if asked == item.modality)


def test_the_same_generator_draws_the_same(captions: CaptionSet) -> None:
    first, again, other = (captions.draw(np.random.default_rng(seed), 20, 0.3, 0.5) for seed in (3, 3, 4))
    assert first == again != other


def test_augmentation_keeps_the_size_and_repeats_with_its_generator() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8))
    settings = Caption(crop=0.3, mirror=0.5)
    (one,), (again,) = (augmented([picture], settings, np.random.default_rng(1)) for _ in range(2))
    assert one.size == picture.size
    assert one.tobytes() == again.tobytes() != picture.tobytes()
    assert augmented([picture], Caption(), np.random.default_rng(1)) == [picture]
    (mirrored,) = augmented([picture], Caption(mirror=1.0), np.random.default_rng(1))
    assert (np.asarray(mirrored) == np.asarray(picture)[:, ::-1]).all()


def test_the_frames_of_a_clip_are_augmented_alike() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8))
    settings = Caption(crop=0.3, mirror=0.5)
    for seed in range(4):
        first, second = augmented([picture, picture], settings, np.random.default_rng(seed))
        (alone,) = augmented([picture], settings, np.random.default_rng(seed))
        assert first.tobytes() == second.tobytes() == alone.tobytes()
