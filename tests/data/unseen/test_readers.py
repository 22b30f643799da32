"""What is read of each published format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elva.data.unseen import captions, clips, composed, dialogs, pairs
from elva.errors import DataError
from elva.media import load_image
from published_sets import flickr30k_karpathy, miniature, write


def test_flickr30k_is_read_in_both_layouts(tmp_path: Path) -> None:
    flat = captions.flickr30k(miniature("flickr30k", tmp_path / "flat"), "test")
    named = captions.flickr30k(flickr30k_karpathy(tmp_path / "named"), "test")
    for published, pictures in ((flat, 12), (named, 11)):
        to_image, to_text = published.tasks
        assert len(to_image.questions) == len(to_text.candidates) == 5 * pictures
        assert to_image.questions[7].answers == ("image:1",)
        assert to_text.questions[1].answers == ("text:5", "text:6", "text:7", "text:8", "text:9")


def test_captions_that_do_not_come_in_fives_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "flickr_text.json", ["one", "two"])
    with pytest.raises(DataError, match="2 captions; there must be five for each picture"):
        captions.flickr30k(tmp_path, "test")


def test_of_urban1k_only_the_first_line_is_the_caption(tmp_path: Path) -> None:
    published = captions.urban1k(miniature("urban1k", tmp_path), "test")
    assert [each.content.text for each in published.tasks[0].questions[:2]] == ["A red street.", "A lime street."]
    assert published.tasks[0].candidates["image:9"].picture.path.name == "10.jpg"  # type: ignore[union-attr]


def test_circo_s_answers_are_several_and_its_test_has_none(tmp_path: Path) -> None:
    miniature("circo", tmp_path)
    (val,), (test,) = (composed.circo(tmp_path, split).tasks for split in ("val", "test"))
    assert val.questions[0].answers == ("101", "113")
    assert test.questions[0].answers == ()
    assert len(val.candidates) == 24


def test_a_picture_that_the_list_lacks_is_told_with_its_place(tmp_path: Path) -> None:
    miniature("circo", tmp_path)
    rows = json.loads((tmp_path / "annotations/val.json").read_text())
    rows[3]["gt_img_ids"][1] = 999
    write(tmp_path / "annotations/val.json", rows)
    with pytest.raises(DataError, match=r"val\.json: \[3\]\.gt_img_ids\[1\]: picture '999' is not in the list"):
        composed.circo(tmp_path, "val")


def test_genecis_cuts_a_part_out_and_lays_it_on_a_square(tmp_path: Path) -> None:
    tasks = {task.name: task for task in composed.genecis(miniature("genecis", tmp_path), "test").tasks}
    part = tasks["genecis_focus_attribute"].questions[0].content.picture
    assert part is not None
    assert part.box == (30, 30, 30, 30)
    assert part.source().size == (51, 51)  # type: ignore[union-attr]
    wide = type(part)(part.path, (0, 90, 100, 10)).source()
    assert wide.size == (170, 170)  # type: ignore[union-attr]
    assert wide.getpixel((80, 0)) == (0, 0, 0)  # type: ignore[union-attr]
    whole = tasks["genecis_change_object"].questions[0].content.picture
    assert whole is not None
    assert load_image(whole.source()).size == (24, 24)


def test_pictures_that_several_galleries_share_are_one_candidate(tmp_path: Path) -> None:
    tasks = composed.genecis(miniature("genecis", tmp_path), "test").tasks
    assert [len(task.candidates) for task in tasks] == [3, 3, 3, 3]
    assert all(len(each.among or ()) == 3 for task in tasks for each in task.questions)


def test_a_dialog_is_its_ten_rounds_without_the_caption(tmp_path: Path) -> None:
    (task,) = dialogs.visdial(miniature("visdial", tmp_path), "val").tasks
    text = task.questions[0].content.text
    assert text is not None
    assert text.startswith("Q: which colour is it? A: red. Q: is it all one? A: red. Q: ")
    assert text.count("Q: ") == 10
    assert "not shown" not in text


def test_commas_are_dropped_from_cc_neg_s_denials(tmp_path: Path) -> None:
    from elva.data.unseen.files import Node
    from elva.model.plain_file import load_plain

    path = miniature("ccneg", tmp_path) / "ccneg_preprocessed.pt"
    (task,) = pairs.ccneg(tmp_path, Node(path, "", load_plain(path))).tasks
    assert task.candidates["ccneg:1:false"].text == "a red thing"
    assert task.questions[0].among == ("ccneg:0:false", "ccneg:0:true")


def test_fashioniq_s_remarks_are_one_sentence(tmp_path: Path) -> None:
    published = composed.fashioniq(miniature("fashioniq", tmp_path), "val")
    assert published.tasks[0].questions[0].content.text == "is lime and lime"
    assert published.absent == ("toptee",)


@pytest.mark.parametrize("name", ["../outside.jpg", "/etc/hosts", "a\\b.jpg"])
def test_a_file_name_that_leaves_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    write(tmp_path / "datas_for_validation.json", [{"image_name": name, "caption": "a"}])
    with pytest.raises(DataError, match=r"\[0\]\.image_name: .* leaves the folder of images"):
        captions.sharegpt4v(tmp_path, "test")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('[{"image_name": "a.jpg"}]', r"\[0\]: no 'caption'"),
        ('[{"image_name": "a.jpg", "caption": 3}]', r"\[0\]\.caption: 3 is not a text"),
        ('[{"image_name": "a.jpg", "caption": "\\ud800"}]', "the text is not UTF-8"),
        ('{"a": 1}', "is not a list"),
        ("[1", "this is no JSON"),
    ],
)
def test_malformed_files_are_told_with_the_place(content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "datas_for_validation.json").write_text(content)
    with pytest.raises(DataError, match=told):
        captions.sharegpt4v(tmp_path, "test")


def test_a_file_that_is_not_there_is_named_with_the_help(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"visdial_1\.0_val\.json is missing; .*docs/benchmarks\.md"):
        dialogs.visdial(tmp_path, "val")
    with pytest.raises(DataError, match=r"none of dataset_flickr30k\.json, flickr_text\.json is there"):
        captions.flickr30k(tmp_path, "test")


def test_multi_turn_fashioniq_keeps_its_rounds_in_order(tmp_path: Path) -> None:
    (task,) = dialogs.fashioniq_turns(miniature("fashioniq-multiturn", tmp_path), "val").tasks
    rounds = task.questions[0].content.turns
    assert [each.text for each in rounds] == ["is darker", "blue all over and blue again and blue"]
    assert [each.picture.path.name for each in rounds if each.picture] == ["B000001.jpg", "B000000.jpg"]
    assert task.questions[0].answers == ("B000002",)
    rows = json.loads((tmp_path / "data/all.val.json").read_text())
    rows[1]["reference"][0] = ["", ["is darker"]]
    write(tmp_path / "data/all.val.json", rows)
    with pytest.raises(DataError, match=r"\[1\]\.reference\[0\]: 2 parts; a round is a list of three"):
        dialogs.fashioniq_turns(tmp_path, "val")


def test_a_list_of_videos_without_its_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "MSRVTT_JSFUSION_test.csv").write_text("video,sentence\nvideo1,a dog\n", "utf-8")
    with pytest.raises(DataError, match="line 2: no 'video_id'"):
        clips.msrvtt(tmp_path, "test")


def test_a_video_of_the_list_without_captions_is_named(tmp_path: Path) -> None:
    miniature("msvd", tmp_path)
    (tmp_path / "test_list.txt").write_text("red_0_9\nunknown_1_2\n", "utf-8")
    with pytest.raises(DataError, match="no 'unknown_1_2'"):
        clips.msvd(tmp_path, "test")
