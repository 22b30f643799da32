"""The review page: what it holds, and what people do with it in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from browsing import CHROMIUM, needs_browser
from elva.data.mbeir import MBeir, write_queries
from elva.data.world.write import write_world
from elva.errors import InputError
from elva.index.folder import FolderError
from elva.mrbench.build import build
from elva.mrbench.decisions import Review, read_reviews, sample_of
from elva.mrbench.finding import Rules
from elva.mrbench.review import write_review
from judging import write_root

HOSTILE = "</script><img src=x onerror=alert(1)> & \U0001f98a 'red'"


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten queries of text to image and ten of image to text; one text would be markup if it could."""
    home = tmp_path_factory.mktemp("benchmark")
    build(write_root(home / "root"), home / "out", Rules(), datasets=["mrbench"], total=20)
    data = MBeir.open(home / "out")
    name = data.tasks("test")[0]
    queries = [
        replace(each, text=f"{each.text} {HOSTILE}" if not n else each.text)
        for n, each in enumerate(data.queries(name))
    ]
    write_queries(home / "out", name, queries)
    return home / "out"


def held(page: Path) -> list[dict[str, object]]:
    content = page.read_text("utf-8").split('id="page">')[1].split("</script>")[0]
    samples: list[dict[str, object]] = json.loads(content)["samples"]
    return samples


def test_tasks_take_turns_and_the_seed_draws(benchmark: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        written = write_review(benchmark, tmp_path / name, sample=7, seed=seed)
    assert (written.samples, written.undecided, written.missing) == (7, 20, 0)
    tasks = [sample["task"] for sample in held(tmp_path / "a")]
    assert tasks == ["mrbench: text to image", "mrbench: image to text"] * 3 + ["mrbench: text to image"]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert held(tmp_path / "a") != held(tmp_path / "c")


def test_what_was_decided_is_not_asked_again(benchmark: Path, tmp_path: Path) -> None:
    data = MBeir.open(benchmark)
    every = [sample_of(query) for name in data.tasks("test") for query in data.queries(name)]
    write_review(benchmark, tmp_path / "page.html", reviews=[Review("first", dict.fromkeys(every[:15], True))])
    assert {(sample["qid"], sample["shown"]) for sample in held(tmp_path / "page.html")} == set(every[15:])
    with pytest.raises(InputError, match="every query is decided"):
        write_review(benchmark, tmp_path / "page.html", reviews=[Review("first", dict.fromkeys(every, True))])


def test_missing_pictures_are_counted(benchmark: Path, tmp_path: Path) -> None:
    shutil.copytree(benchmark, tmp_path / "copy", ignore=lambda *_: ["mbeir_images"])
    assert write_review(tmp_path / "copy", tmp_path / "page.html").missing > 10


def test_of_a_clip_its_middle_is_shown(tmp_path: Path) -> None:
    write_world(tmp_path / "world", size="tiny", clips=True)
    build(tmp_path / "world", tmp_path / "out", Rules(), datasets=["clips"], tasks=[10], total=2)
    assert write_review(tmp_path / "out", tmp_path / "page.html").missing == 0
    for sample in held(tmp_path / "page.html"):
        assert all(str(each["image"]).startswith("data:image/") for each in sample["answers"])  # type: ignore[attr-defined]


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"holds no mrbench\.json"):
        write_review(write_root(tmp_path / "root"), tmp_path / "page.html")


def test_the_page_needs_nothing_beside_it(benchmark: Path, tmp_path: Path) -> None:
    write_review(benchmark, tmp_path / "page.html")
    content = (tmp_path / "page.html").read_text("utf-8")
    assert not re.findall(r"https?://", content)
    assert "<img src=x" not in content


# -- in a browser --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, benchmark: Path, tmp_path: Path) -> Iterator[Page]:
    """The page; the test fails when a script fails or anything is blocked."""
    write_review(benchmark, tmp_path / "review.html", sample=20)
    page, wrong = context.new_page(), list[str]()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.goto((tmp_path / "review.html").as_uri())
    yield page
    assert wrong == []


@needs_browser
def test_decisions_are_made_by_key_and_saved_as_a_file(page: Page, tmp_path: Path) -> None:
    page.keyboard.press("a")
    page.keyboard.press("r")
    page.keyboard.press("ArrowRight")
    page.click("#accept")
    expect(page.locator("#progress")).to_have_text("3 of 20 decided, 2 accepted, 1 rejected")
    page.get_by_role("button", name="Save decisions").click()
    expect(page.get_by_role("alert")).to_contain_text("Write your name first")
    page.get_by_label("Your name").fill("First r. Reader")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save decisions").click()
    assert saved.value.suggested_filename == "decisions-first-r-reader.json"
    saved.value.save_as(tmp_path / "d.json")
    (review,) = read_reviews([tmp_path / "d.json"])
    samples = [(str(each["qid"]), str(each["shown"])) for each in held(tmp_path / "review.html")]
    assert review == Review("First r. Reader", {samples[0]: True, samples[1]: False, samples[3]: True})


@needs_browser
def test_decisions_outlive_the_page(page: Page, context: BrowserContext) -> None:
    page.keyboard.press("r")
    page.keyboard.press("a")
    page.get_by_label("Your name").fill("First")
    page.close()
    again = context.new_page()
    again.goto(page.url)
    expect(again.locator("#progress")).to_have_text("2 of 20 decided, 1 accepted, 1 rejected")
    expect(again.get_by_label("Your name")).to_have_value("First")
    expect(again.locator("#sample")).to_contain_text("Sample 3 of 20")


@needs_browser
def test_a_decision_can_be_changed(page: Page) -> None:
    page.keyboard.press("r")
    page.get_by_role("button", name="sample 1, rejected").click()
    expect(page.locator("#reject")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("a")
    expect(page.locator("#progress")).to_have_text("1 of 20 decided, 1 accepted, 0 rejected")
    expect(page.locator("#sample")).to_contain_text("Sample 2 of 20")


@needs_browser
def test_when_all_is_decided_the_page_says_so(page: Page) -> None:
    for _ in range(20):
        page.keyboard.press("a")
    expect(page.locator("#progress")).to_have_text("All decided: save them. 20 of 20 decided, 20 accepted, 0 rejected")


@needs_browser
def test_texts_stay_texts_and_pictures_are_shown(page: Page) -> None:
    for _ in range(20):
        pictures = page.locator("#sample img")
        assert pictures.count() == 1
        assert pictures.first.evaluate("image => image.complete && image.naturalWidth > 0")
        if page.locator("#sample .text", has_text="onerror").count():
            expect(page.locator("#sample .text")).to_contain_text(HOSTILE)
            return
        page.keyboard.press("ArrowRight")
    raise AssertionError("the hostile text was never shown")
