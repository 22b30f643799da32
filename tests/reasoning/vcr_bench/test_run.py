"""VCR-Bench from end to end, with a model that always writes the same."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from elva.errors import DataError, DataErrors, InputError
from elva.index.folder import FolderError
from elva.reasoning.asking import BLOCK, Decoding, Model
from elva.reasoning.vcr_bench.rules import RuleJudge
from elva.reasoning.vcr_bench.run import evaluate
from judged_videos import RIGHT, Parrot, choice_row, row, save

ROWS = [row(0), row(1), choice_row(2), row(3, answer="[0, 2]", dimension="Own Dimension")]


def evaluated(root: Path, source: Model | Path, out: Path, **options: Any) -> dict[str, Any]:
    return evaluate(root, source, lambda kept: nullcontext(RuleJudge()), out=out, decoding=Decoding(64), **options)


def test_a_model_is_asked_judged_and_told(tmp_path: Path) -> None:
    root, model = save(tmp_path / "data", ROWS), Parrot()
    result = evaluated(root, model, tmp_path / "e", frames=4)
    assert len(model.asked) == 4
    task = result["tasks"]["vcr-bench"]
    assert (task["queries"], task["failed"], task["accuracy"], task["cot_score"]) == (4, 0, 0.75, 1.0)
    assert list(task["groups"]["dimension"]) == ["Video Temporal Counting", "Video Plot Analysis", "Own Dimension"]
    assert {name: each["queries"] for name, each in task["groups"]["duration"].items()} == {
        "0-60": 2, "60-300": 1, "300+": 1,
    }  # fmt: skip
    assert task["chance"] == {"accuracy": pytest.approx(1 / 16)}
    assert result["ranks"]["vcr-bench"] == {"qids": ["0", "1", "2", "3"], "best_positive": [1, 1, 1, None]}
    assert (result["judge"]["by"], result["cut"], result["sampling"]) == ("rules", 1, {"frames": 4})
    assert result["judge"]["calls"]["score"] == {"asked": 4, "retries": 0, "unreadable": 0, "unanswered": 0}
    table = (tmp_path / "e/table.md").read_text("utf-8")
    assert "| all | 100.0 |" in table
    assert "> **Warning**: vcr-bench: judged by rules" in table
    assert json.loads((tmp_path / "e/results.json").read_text("utf-8")) == result
    again = evaluated(root, Parrot(), tmp_path / "again", frames=4)
    assert again == result
    assert (tmp_path / "again/responses.json").read_bytes() == (tmp_path / "e/responses.json").read_bytes()


def test_the_output_is_the_published_list_and_its_sums_are_our_figures(tmp_path: Path) -> None:
    given = [each | {"response": RIGHT} for each in ROWS[:2]] + [ROWS[2] | {"response": ""}]
    (tmp_path / "theirs.json").write_text(json.dumps(given))
    result = evaluated(save(tmp_path / "data", ROWS), tmp_path / "theirs.json", tmp_path / "e")
    rows = json.loads((tmp_path / "e/responses.json").read_text("utf-8"))
    assert [{name: each[name] for name in ROWS[0]} for each in rows] == ROWS
    assert [each["answer_scoring"] for each in rows] == ["1", "1", "0", "0"]
    held = [each["overall_recall"] for each in rows if each["overall_recall"] != ""]
    task = result["tasks"]["vcr-bench"]
    assert sum(held) / len(held) == task["overall"]["recall"] == 0.5
    assert json.loads(rows[0]["recall_eval"].removeprefix("```json").removesuffix("```"))[0]["judgment"] == "Matched"
    assert rows[3]["failed"] == ["no response"]
    assert (task["failed"], result["without_response"]) == (2, 2)
    assert task["as_published"] == {"queries": 2, "accuracy": 1.0, "cot_score": 1.0}
    assert "2 of 4 items have no response or could not be judged" in (tmp_path / "e/table.md").read_text("utf-8")


def test_given_responses_need_no_video_and_name_their_file(tmp_path: Path) -> None:
    root = save(tmp_path / "data", [row(0)])
    for video in (root / "videos").iterdir():
        video.unlink()
    (tmp_path / "theirs.json").write_text(json.dumps([{"id": 0, "response": RIGHT}]))
    result = evaluated(root, tmp_path / "theirs.json", tmp_path / "e")
    assert (result["model"]["name"], result["model"]["extraction"]) == ("theirs", "responses")
    assert "decoding" not in result


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[", "this is no JSON"),
        ("{}", "not a list"),
        ('[{"response": "x"}]', "no 'id'"),
        ('[{"id": 9}]', "9 is of no question"),
        ('[{"id": 0}, {"id": "0"}]', "0 comes twice"),
        ('[{"id": 0, "response": 3}]', "3 is not a text"),
        ("[3]", "no 'id'"),
    ],
)
def test_bad_responses_are_told(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "theirs.json").write_text(content)
    with pytest.raises((DataError, DataErrors), match=told):
        evaluated(save(tmp_path / "data", [row(0)]), tmp_path / "theirs.json", tmp_path / "e")


def test_missing_videos_are_one_line_or_left_out_and_counted(tmp_path: Path) -> None:
    root = save(tmp_path / "data", ROWS)
    (root / "videos/1.png").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"1 of 2 files can't be used, for one: .*1\.png"):
        evaluated(root, Parrot(), tmp_path / "e")
    result = evaluated(root, Parrot(), tmp_path / "e", skip_missing=True)
    assert result["tasks"]["vcr-bench"]["queries"] == 2
    assert result["missing"]["queries_left_out"] == 2
    assert "these figures are no result of the benchmark" in (tmp_path / "e/table.md").read_text("utf-8")


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    root = save(tmp_path / "data", [row(number) for number in range(BLOCK + 3)])
    whole = evaluated(root, Parrot(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        evaluated(root, Parrot(patience=1), tmp_path / "parts")
    assert not (tmp_path / "parts").exists()
    second = Parrot()
    assert evaluated(root, second, tmp_path / "parts") == whole
    assert len(second.asked) == 3
    for name in ("results.json", "responses.json", "table.md"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_another_folder_is_never_replaced(tmp_path: Path) -> None:
    root = save(tmp_path / "data", [row(0)])
    (tmp_path / "e").mkdir()
    (tmp_path / "e/thesis.txt").write_text("mine")
    with pytest.raises(FolderError, match="choose another folder"):
        evaluated(root, Parrot(), tmp_path / "e")
