"""Whole evaluations of published sets at their smallest, with an encoder that sees colours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ir_measures
import pytest

from elva.data.unseen import pairs
from elva.data.unseen.sets import Sampling
from elva.errors import DataError, InputError
from elva.evaluation.unseen.run import evaluate_set
from elva.evaluation.unseen.specs import UNSEEN, VIDEO
from elva.index.folder import FolderError
from elva.items import Item
from published_sets import COLOURS, MINIATURES, VIDEOS, SeesColours, miniature

SPECS = {**UNSEEN, **VIDEO}


def judged(name: str, tmp_path: Path, **options: Any) -> dict[str, Any]:
    if not (tmp_path / "data").exists():
        (tmp_path / "data").mkdir(parents=True)
        miniature(name, tmp_path / "data")
    encoder = options.pop("encoder", None) or SeesColours()
    evaluate_set(name, SPECS[name], tmp_path / "data", encoder, out=tmp_path / "e", **options)
    row: dict[str, Any] = json.loads((tmp_path / "e/results.json").read_text())
    return row


@pytest.mark.parametrize("name", [*MINIATURES, *VIDEOS])
def test_every_set_is_judged_and_its_files_bear_the_figures_out(name: str, tmp_path: Path) -> None:
    row = judged(name, tmp_path)
    assert row["set"] == name
    assert set(row["tasks"]) == {*SPECS[name].asks} - {f"fashioniq_{each}" for each in row["absent"]}
    for task, measured in row["tasks"].items():
        run = list(ir_measures.read_trec_run(str(tmp_path / f"e/runs/{task}.trec")))
        qrels = list(ir_measures.read_trec_qrels(str(tmp_path / f"e/qrels/{task}.txt")))
        assert len({each.query_id for each in run}) == measured["queries"]
        for measure in SPECS[name].asks[task].measures:
            if not measure.startswith("map"):
                k = 1 if measure == "accuracy" else int(measure[4:])
                found = ir_measures.calc_aggregate([ir_measures.Success @ k], qrels, run)
                assert found[ir_measures.Success @ k] == pytest.approx(measured[measure], abs=1e-9)
        headline = measured[measured["headline"]]
        assert headline > measured["chance"][measured["headline"]], "an encoder that sees colours finds them"
        assert len(row["ranks"][task]["qids"]) == measured["queries"]
        assert measured["instructions"] == [SPECS[name].asks[task].instruction]
    assert f"# {SPECS[name].title}: fake\n" in (tmp_path / "e/table.md").read_text()


@pytest.mark.parametrize("name", ["flickr30k", "circo", "genecis", "sugarcrepe"])
def test_equal_evaluations_write_equal_bytes(name: str, tmp_path: Path) -> None:
    judged(name, tmp_path)
    first = {path.name: path.read_bytes() for path in (tmp_path / "e").rglob("*") if path.is_file()}
    judged(name, tmp_path)
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "e").rglob("*") if path.is_file()}


def test_a_picture_s_query_is_answered_by_any_of_its_five_captions(tmp_path: Path) -> None:
    row = judged("flickr30k", tmp_path)
    assert row["tasks"]["flickr30k_task0_test"]["hit@1"] == 1.0
    assert row["tasks"]["flickr30k_task3_test"]["hit@1"] == 1.0
    assert row["tasks"]["flickr30k_task3_test"]["queries"] == len(COLOURS)
    assert row["tasks"]["flickr30k_task3_test"]["chance"]["hit@1"] == pytest.approx(5 / 60)
    assert row["mean"]["headline"] == 1.0


def test_of_a_pair_only_the_strictly_nearer_caption_counts(tmp_path: Path) -> None:
    row = judged("sugarcrepe", tmp_path)
    assert row["tasks"]["sugarcrepe_add_att"]["accuracy"] == pytest.approx(3 / 5), (
        "three right, one wrong, and a tie, which is wrong"
    )
    assert row["tasks"]["sugarcrepe_add_att"]["chance"]["accuracy"] == 0.5
    assert row["tasks"]["sugarcrepe_add_att"]["gallery"] == 2
    assert "hit@1" not in row["mean"]
    assert row["mean"]["accuracy"] == pytest.approx(3 / 5)


def test_each_query_of_genecis_ranks_its_own_gallery(tmp_path: Path) -> None:
    row = judged("genecis", tmp_path)
    assert row["tasks"]["genecis_change_attribute"]["gallery"] == 3
    assert row["tasks"]["genecis_change_attribute"]["hit@1"] == 1.0, "parts of one picture are told apart"
    assert row["tasks"]["genecis_focus_object"]["chance"]["hit@2"] == pytest.approx(2 / 3)
    assert {"hit@1", "hit@2", "hit@3"} <= set(row["mean"])


def test_the_picture_that_a_query_of_cirr_shows_is_not_ranked(tmp_path: Path) -> None:
    row = judged("cirr", tmp_path)
    lists = [line.split() for line in (tmp_path / "e/runs/cirr.trec").read_text().splitlines()]
    assert all(did != f"dev-{int(qid[-1])}-img0" for qid, _, did, *_ in lists)
    assert {len([each for each in lists if each[0] == qid]) for qid, *_ in lists} == {len(COLOURS) - 1}
    assert row["tasks"]["cirr"]["hit@1"] == 1.0
    assert "Mean of the tasks' headline figures (hit@5, hit@1): 100.0 ± 0.0." in (tmp_path / "e/table.md").read_text()
    assert row["tasks"]["cirr_subset"]["chance"]["hit@1"] == pytest.approx(1 / 5)


def test_what_circo_s_server_takes_is_written_for_its_test(tmp_path: Path) -> None:
    row = judged("circo", tmp_path)
    assert row["submission"] is None
    assert row["tasks"]["circo"]["map@5"] == pytest.approx(1.0)
    row = judged("circo", tmp_path, split="test")
    assert row["mean"] == {"headline": None}
    assert row["tasks"]["circo"]["queries"] == 5
    handed_in = json.loads((tmp_path / "e/submission.json").read_text())
    assert list(handed_in) == ["0", "1", "2", "3", "4"]
    assert set(handed_in["0"][:2]) == {101, 113}
    assert len(handed_in["0"]) == 24
    assert "hand submission.json in" in (tmp_path / "e/table.md").read_text()
    judged("circo", tmp_path)
    assert not (tmp_path / "e/submission.json").exists()


def test_missing_pictures_are_one_line_and_nothing_is_embedded(tmp_path: Path) -> None:
    miniature("circo", tmp_path / "data")
    images = tmp_path / "data/COCO2017_unlabeled/unlabeled2017"
    for number in (101, 102, 120):
        (images / f"{number:012d}.jpg").unlink()
    (images / f"{121:012d}.jpg").write_bytes(b"torn")
    encoder = SeesColours()
    with pytest.raises(InputError) as caught:
        judged("circo", tmp_path, encoder=encoder)
    told = str(caught.value)
    assert told.startswith("circo: 4 of 24 files can't be used, for one: ")
    assert "000000000101.jpg does not exist" in told
    assert "Download unlabeled2017.zip of COCO" in told
    assert "\n" not in told
    assert encoder.seen == []
    row = judged("circo", tmp_path, skip_missing=True)
    assert row["missing"] == {
        "images": 24, "missing_images": 4, "queries_left_out": 3, "candidates_left_out": 4,
    }  # fmt: skip
    assert row["tasks"]["circo"]["queries"] == 2
    assert row["tasks"]["circo"]["pool"] == 20
    assert "4 of 24 images could not be used: 3 queries" in (tmp_path / "e/table.md").read_text()


def test_captions_whose_picture_is_missing_are_not_embedded(tmp_path: Path) -> None:
    miniature("sugarcrepe", tmp_path / "data")
    for number in (1, 3, 4):
        (tmp_path / f"data/val2017/{number:012d}.jpg").unlink()
    encoder = SeesColours()
    row = judged("sugarcrepe", tmp_path, encoder=encoder, skip_missing=True)
    assert row["tasks"]["sugarcrepe_add_obj"]["pool"] == 4
    assert len(encoder.seen) == 7 * (2 + 4)


def test_without_any_picture_nothing_is_left_to_judge(tmp_path: Path) -> None:
    miniature("sugarcrepe", tmp_path / "data")
    for path in (tmp_path / "data/val2017").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"5 of 5 files can't be used.*nothing is left of sugarcrepe_add_att"):
        judged("sugarcrepe", tmp_path, skip_missing=True)
    assert not (tmp_path / "e").exists()


def test_m_beir_s_instructions_take_the_place_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "query_instructions.tsv"
    path.write_text(
        "query_modality\tcand_modality\tdataset_name\tdataset_id\tprompt_1\tprompt_2\n"
        "text\timage\tMSCOCO\t9\tShow me it.\tGet me it.\n",
        "utf-8",
    )
    row = judged("urban1k", tmp_path, instructions=path, instruction_choice=1)
    assert row["tasks"]["urban1k_task0_test"]["instructions"] == ["Show me it.", "Get me it."]
    assert row["tasks"]["urban1k_task3_test"]["instructions"] == ["Find the text that describes this picture."]
    assert row["instruction_choice"] == 1


def test_queries_are_told_what_to_look_for_and_candidates_are_not(tmp_path: Path) -> None:
    told: list[tuple[str | None, str]] = []

    class Listening(SeesColours):
        def words(self, item: Item) -> list[str]:
            told.append((item.instruction, item.modality))
            return super().words(item)

    judged("circo", tmp_path, encoder=Listening())
    judged("fashioniq-multiturn", tmp_path / "turns", encoder=Listening())
    change, rounds = (SPECS[each].asks[each].instruction for each in ("circo", "fashioniq-multiturn"))
    assert set(told) == {(change, "image,text"), (rounds, "image,text"), (None, "image")}


def test_what_can_t_be_done_is_refused_before_work_begins(tmp_path: Path) -> None:
    miniature("circo", tmp_path / "data")
    with pytest.raises(InputError, match="circo has no split 'train' to judge: use val or test"):
        judged("circo", tmp_path, split="train")
    with pytest.raises(InputError, match="give a depth of 50 or more"):
        judged("circo", tmp_path, depth=10)
    (tmp_path / "e").mkdir()
    (tmp_path / "e/notes.txt").write_text("mine")
    with pytest.raises(FolderError, match=r"holds no results\.json"):
        judged("circo", tmp_path)


def test_parts_that_are_not_there_are_named(tmp_path: Path) -> None:
    row = judged("fashioniq", tmp_path)
    assert row["absent"] == ["toptee"]
    assert row["tasks"]["fashioniq_dress"]["hit@10"] == 1.0
    assert "Left out, since their files are not there: toptee." in (tmp_path / "e/table.md").read_text()


def test_cc_neg_that_would_run_code_is_refused(tmp_path: Path) -> None:
    miniature("ccneg", tmp_path / "data")

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.write_text, (tmp_path / "ran", "yes"))

    import torch

    torch.save({"image_paths": [Evil()], "annotations": []}, tmp_path / "data/ccneg_preprocessed.pt")
    with pytest.raises(DataError, match="reading it could run code, so it is refused"):
        judged("ccneg", tmp_path)
    assert not (tmp_path / "ran").exists()
    (tmp_path / "data/ccneg_preprocessed.pt").write_bytes(b"no archive")
    with pytest.raises(DataError, match="it is damaged, or holds more"):
        judged("ccneg", tmp_path)


def test_of_cc_neg_only_the_last_ones_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "CCNEG_EVALUATED", 4)
    row = judged("ccneg", tmp_path)
    assert row["tasks"]["ccneg"]["queries"] == 4
    assert row["tasks"]["ccneg"]["accuracy"] == 1.0


def test_every_round_of_a_query_is_seen_and_heard(tmp_path: Path) -> None:
    encoder = SeesColours()
    row = judged("fashioniq-multiturn", tmp_path, encoder=encoder)
    assert "lime is darker red blue all over and blue again and blue" in encoder.seen
    assert row["tasks"]["fashioniq-multiturn"]["headline"] == "hit@5"
    assert row["tasks"]["fashioniq-multiturn"]["hit@1"] == 1.0


def test_videos_are_files_or_folders_of_frames_and_as_many_frames_are_seen_as_asked_for(tmp_path: Path) -> None:
    encoder = SeesColours()
    row = judged("msrvtt", tmp_path, encoder=encoder, benchmark="video", sampling=Sampling(frames=2))
    assert {"red navy", "lime red", "blue lime"} <= set(encoder.seen), "the first frame and the last"
    assert row["benchmark"] == "video"
    assert row["sampling"] == {"frames": 2, "fps": None}
    encoder = SeesColours()
    judged("msrvtt", tmp_path, encoder=encoder, benchmark="video")
    assert {"red red navy", "blue blue lime"} <= set(encoder.seen)


def test_every_caption_of_msvd_is_a_query(tmp_path: Path) -> None:
    row = judged("msvd", tmp_path)
    assert row["tasks"]["msvd"]["queries"] == 16
    assert row["tasks"]["msvd"]["pool"] == 8


def test_missing_videos_are_one_line_too(tmp_path: Path) -> None:
    miniature("msrvtt", tmp_path / "data")
    (tmp_path / "data/videos/all/video0.mp4").unlink()
    (tmp_path / "data/videos/all/video5/0.png").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"msrvtt: 2 of 12 files can't be used.*Download the videos of MSR-VTT"):
        judged("msrvtt", tmp_path)
    assert judged("msrvtt", tmp_path, skip_missing=True)["tasks"]["msrvtt"]["queries"] == 10


def test_captions_that_would_run_code_are_refused(tmp_path: Path) -> None:
    miniature("msvd", tmp_path / "data")
    (tmp_path / "data/raw-captions.pkl").write_bytes(b"cos\nsystem\n(S'touch " + bytes(tmp_path / "ran") + b"'\ntR.")
    with pytest.raises(DataError, match="reading it could run code, so it is refused"):
        judged("msvd", tmp_path)
    assert not (tmp_path / "ran").exists()
