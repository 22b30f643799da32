"""The judge of rules: what it sees, and what it can't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elva.data.world import write_world
from elva.reasoning.vcr_bench import read_questions
from elva.reasoning.vcr_bench.judging import Answered
from elva.reasoning.vcr_bench.rules import RuleJudge
from elva.reasoning.vcr_bench.scores import score, summary
from elva.reasoning.vcr_bench.verdicts import Kind
from elva.reasoning.vcr_bench.wording import sentence, sentences
from judged_videos import RIGHT, choice_row, row, save


def answered(tmp_path: Path, response: str, **changed: Any) -> Answered:
    make = choice_row if changed.pop("choose", False) else row
    (question,) = read_questions(save(tmp_path, [make(0, **changed)]))
    return Answered(question, response)


def verdicts(tmp_path: Path, response: str, **changed: Any) -> tuple[str, str]:
    """Recall and precision as letters: M matched, U unmatched, W wrong, R redundant, each behind its kind's: VM."""
    ((_, judged),) = RuleJudge().judgements([answered(tmp_path, response, **changed)])
    codes = [" ".join(f"{step.kind[0]}{step.verdict[0]}" for step in call.value or ()) for call in
             (judged.recall, judged.precision)]  # fmt: skip
    return codes[0], codes[1]


def test_a_response_that_says_it_all_has_everything(tmp_path: Path) -> None:
    assert verdicts(tmp_path, RIGHT) == ("VM VM LM", "VM VM LM")


@pytest.mark.parametrize(
    ("response", "recall", "precision"),
    [
        ("0:00-0:01, a red square is left.", "VM VU LU", "VM"),
        ("0:00-0:01, a blue square is left.", "VU VU LU", "VW"),  # one word is wrong
        ("The red square is left.", "VM VU LU", "VW"),  # a description without a time
        ("0:02-0:04, the red square is left.", "VM VU LU", "VM"),  # 3 seconds are forgiven
        ("0:05-0:09, the red square is left.", "VU VU LU", "VW"),
        ("0:00-0:01, the red squares moved right, being left before.", "VM VM LM", "VW"),  # "before" is in no step
        ("So the answer is up.", "VU VU LU", "LW"),
        ("Where does the square move?", "VU VU LU", "BR"),
        ("0:00-0:01, red square left. 0:00-0:01, the red square is left.", "VM VU LU", "VM VR"),
        ("42", "VU VU LU", "LW"),
        ("!!!", "VU VU LU", ""),
    ],
)
def test_what_is_matched_wrong_or_redundant(tmp_path: Path, response: str, recall: str, precision: str) -> None:
    assert verdicts(tmp_path, response) == (recall, precision)


@pytest.mark.parametrize(
    ("response", "changed", "extracted", "right"),
    [
        ("<think>left or right</think><answer>B.</answer>", {"choose": True}, "B", True),
        ("It moves.\n**Answer: (B)**", {"choose": True}, "B", True),
        ("So the answer is right", {"choose": True}, "B", True),
        ("C", {"choose": True}, "C", False),
        ("I can't tell.", {"choose": True}, "Z", False),
        ("It goes.\nRight.", {}, "Right.", True),
        ("Answer: the left", {}, "the left", False),
        ("Answer: two", {"answer": "2"}, "two", True),
        ("It turns from 0:05 to 0:11.", {"answer": "[5, 11]"}, "[5, 11]", True),
        ("Answer: [1, 4]", {"answer": "[5, 11]"}, "[1, 4]", False),
        ("It is at [0, 0, 10, 9].", {"answer": "[0, 0, 10, 10]"}, "[0, 0, 10, 9]", True),
        ("Everywhere", {"answer": "[0, 0, 10, 10]"}, "Everywhere", False),
    ],
)
def test_answers_are_extracted_and_compared(
    tmp_path: Path, response: str, changed: dict[str, Any], extracted: str, right: bool
) -> None:
    ((_, judged),) = RuleJudge().judgements([answered(tmp_path, response, **changed)])
    assert (judged.extract.value, judged.right) == (extracted, right)
    assert not judged.failed


def test_the_same_response_is_judged_the_same(tmp_path: Path) -> None:
    each = answered(tmp_path, RIGHT)
    assert [*RuleJudge().judgements([each])] == [*RuleJudge().judgements([each])]


def test_sentences_know_their_times_words_and_numbers() -> None:
    one = sentence("Step 2. From 1:05 to 1:07.5, two discs are moving up.")
    assert one.times == (65.0, 67.5)
    assert one.words == {"2", "disc", "mov", "up"}
    assert sentence("after 3 s it moves").words == sentence("it moved after").words
    long = sentences("x 1. " * 100)
    assert len(long) == 35, "as published"


def test_the_world_s_own_solutions_are_right_and_those_of_others_are_not(tmp_path: Path) -> None:
    root = write_world(tmp_path / "world", size="tiny", questions=True).root / "reasoning/vcr-bench"
    questions = read_questions(root)
    solutions = ["\n".join(each.steps) for each in questions]
    kinds = {Kind.PERCEPTION: "perception", Kind.REASONING: "reasoning"}
    own = [judgement for _, judgement in RuleJudge().judgements(list(map(Answered, questions, solutions)))]
    for question, judgement in zip(questions, own, strict=True):
        assert [kinds[step.kind] for step in judgement.recall.value or ()] == question.row["reasoning_types"]
    figures = summary(list(map(score, own)))
    assert (figures["accuracy"], figures["cot_score"], figures["efficiency"]) == (1.0, 1.0, 1.0)
    others = map(Answered, questions, [*solutions[3:], *solutions[:3]])
    figures = summary([score(judgement) for _, judgement in RuleJudge().judgements(list(others))])
    assert figures["accuracy"] < 0.3
    assert figures["perception"]["f1"] < 0.1
