"""Files of questions: the published fields, the promised values in each level, the same bytes again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from elva.clips import Clip, frames_of
from elva.data.validation import validate
from elva.data.world import write_world
from elva.data.world.questions import FOLDER, PLANS
from elva.data.world.quiz_rows import Filming
from elva.data.world.quizzes import FAMILIAR, HELD_OUT, NEW, PRACTISED
from elva.data.world.step_items import DIMENSIONS
from elva.data.world.step_items import FOLDER as STEPS
from elva.data.world.stories import Role, Story
from elva.errors import DataError
from elva.prompts import multiple_choice, step_by_step
from elva.reasoning.responses import consistency
from elva.reasoning.seed_bench_r1 import parsed_questions as read_seed_bench_r1
from elva.reasoning.vcr_bench.judging import Answered
from elva.reasoning.vcr_bench.reading import read_questions as read_vcr_bench
from elva.reasoning.vcr_bench.rules import RuleJudge
from elva.reasoning.vcr_bench.verdicts import Kind, Verdict

LEVELS = ("validation_L1", "validation_L2", "validation_L3")
TRAINING = ("training_6k", "training_with_cot_6k", "training_base")
TYPES = {Kind.PERCEPTION: "perception", Kind.REASONING: "reasoning"}
FIELDS = {
    "sample_id",
    "video_source",
    "video_id",
    "video_basename",
    "current_observation_basename",
    "current_observation_frame",
    "task_goal",
    "question",
    "answer",
    "task_progress_metadata",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("questions") / "world", size="tiny", questions=True).root


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def rows_of(world: Path, name: str) -> list[dict[str, object]]:
    lines = (world / FOLDER / "annotations" / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_questions_change_nothing_else_and_come_out_the_same_again(world: Path, tmp_path: Path) -> None:
    without = contents(write_world(tmp_path / "without", size="tiny").root)
    there = contents(world)
    assert {name for name in without if without[name] != there[name]} == {"world.json"}
    assert all(name.startswith("reasoning/") for name in there.keys() - without.keys())
    assert contents(write_world(tmp_path / "again", size="tiny", questions=True).root) == there
    assert validate(world).errors == ()


def test_a_world_with_questions_serves_who_wants_none_and_not_the_other_way(world: Path, tmp_path: Path) -> None:
    again = write_world(world, size="tiny")
    assert again.reused and again.questions["training_6k"] == PLANS["tiny"].training
    write_world(tmp_path / "plain", size="tiny")
    with pytest.raises(DataError, match="questions: False, not True"):
        write_world(tmp_path / "plain", size="tiny", questions=True)


@pytest.mark.parametrize("name", [*LEVELS, *TRAINING])
def test_rows_have_the_published_fields_and_their_clips(world: Path, name: str) -> None:
    rows = rows_of(world, name)
    assert len({row["sample_id"] for row in rows}) == len(rows)
    for row in rows:
        assert row.keys() >= FIELDS
        assert row["task_progress_metadata"]
        video = world / FOLDER / f"videos/{row['video_source']}/{row['video_basename']}"
        picture = world / FOLDER / f"images/{row['video_source']}/{row['current_observation_basename']}"
        asked_for_steps = "step by step" in str(row.get("prompt"))
        assert len(frames_of(Clip(video))) == (8 if asked_for_steps else 4)
        assert len(frames_of(Clip(picture))) == 1


def test_levels_offer_options_and_letters_come_in_turn(world: Path) -> None:
    for name in LEVELS:
        rows = rows_of(world, name)
        assert len(rows) == PLANS["tiny"].level
        for row in rows:
            assert row[f"choice_{str(row['golden_choice_idx']).lower()}"] == row["answer"]
        assert {row["kind"] for row in rows} <= {*(HELD_OUT if name.endswith("L3") else PRACTISED)}


def test_new_shapes_and_backgrounds_come_only_at_the_second_level(world: Path) -> None:
    new, familiar = {*NEW.shapes}, {*FAMILIAR.shapes}
    for name in (*LEVELS, "training_6k", "training_with_cot_6k"):
        for row in rows_of(world, name):
            words = {*str(row["task_progress_metadata"]).replace("'", " ").split()}
            here, nowhere = (new, familiar) if name.endswith("L2") else (familiar, new)
            assert words & here and not words & nowhere


def test_what_is_imitated_is_what_is_chosen_with_prompt_and_response(world: Path) -> None:
    for chosen, imitated in zip(rows_of(world, "training_6k"), rows_of(world, "training_with_cot_6k"), strict=True):
        assert imitated | chosen == imitated
        assert len(chosen["negative_answers"]) == 3 and chosen["answer"] not in chosen["negative_answers"]
        prompt, response = str(imitated["prompt"]), str(imitated["response"])
        assert response.endswith(f"<answer>{chosen['answer']}</answer>")
        options = [line[3:] for line in prompt.splitlines() if line[1:3] == ". "]
        assert prompt == multiple_choice(str(chosen["question"]), options)


def test_the_base_practises_descriptions_facts_and_questions(world: Path) -> None:
    rows, plan = rows_of(world, "training_base"), PLANS["tiny"].practice
    kinds = Counter("<think>" in str(row["response"]) for row in rows)
    assert kinds == {True: plan.questions, False: len(rows) - plan.questions}
    assert len(rows) == plan.descriptions + plan.facts + plan.questions + plan.steps
    for row in rows:
        if "<think>" in str(row["response"]):
            assert row["kind"] in PRACTISED
        elif row["kind"] in DIMENSIONS:
            times = [float(second) for second in range(8)]
            assert row["prompt"] == step_by_step(str(row["question"]), times)
            assert str(row["response"]).endswith(f"\n4. So the answer is {row['answer']}.")
        else:
            assert row["prompt"] == row["question"] and row["response"] == row["answer"]
    assert {*HELD_OUT} < {row["kind"] for row in rows}, "as facts alone"


def test_the_reader_of_the_benchmark_takes_every_file(world: Path) -> None:
    for name in (*LEVELS, *TRAINING):
        rows = {str(row["sample_id"]): row for row in rows_of(world, name)}
        for question in read_seed_bench_r1(world / FOLDER, name):
            row = rows[question.key]
            answer = question.choices["ABCD".index(question.answer)] if question.choices else question.answer
            assert answer == row["answer"] and question.response == row.get("response")
            assert bool(question.choices) == bool(row.get("negative_answers", True))


def test_the_reader_of_steps_takes_its_file(world: Path) -> None:
    read = read_vcr_bench(world / STEPS)
    assert len(read) == 2 * len(DIMENSIONS)
    assert all(each.words == each.row["question"] for each in read), "options are written once"


def test_what_is_imitated_thinks_what_it_answers(world: Path) -> None:
    for question in read_seed_bench_r1(world / FOLDER, "training_with_cot_6k"):
        assert consistency(question.response or "", question.choices)


def test_rules_find_every_step_of_the_world_in_itself(world: Path) -> None:
    answered = [Answered(each, "\n".join(each.steps)) for each in read_vcr_bench(world / STEPS)]
    for place, judgement in RuleJudge().judgements(answered):
        steps = judgement.recall.value or ()
        assert {step.verdict for step in steps} == {Verdict.MATCHED}, answered[place].response
        kinds = [TYPES[step.kind] for step in steps]
        assert kinds == answered[place].question.row["reasoning_types"] and judgement.right


def test_a_clip_in_which_nothing_is_done_says_so_and_is_shown_all_the_same(tmp_path: Path) -> None:
    story = Story((Role("heart", "orange", "solid", ("still", "still", "still"), (0, 0)),), "gray")
    row = Filming(tmp_path, "base", 0, lambda part, done: None).shoot(story, 3, "tell what happens", 1000)
    assert row["task_progress_metadata"] == [
        {"narration_text": "orange solid heart still", "start_frame": 0, "stop_frame": 3}
    ]
