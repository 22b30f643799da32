"""The page in a real browser: what people do with it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from browsing import CHROMIUM, needs_browser
from elva.index.protocol import Entry
from elva.items import Item
from elva.service.state import Settings
from judging import FakeEncoder, draw
from remembered import Remembered

pytestmark = needs_browser

FIRST = "#results button.card >> nth=0"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test when a script fails or anything is blocked."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
    yield page
    context.close()
    assert wrong == []


@pytest.fixture
def address(listening: Callable[..., str]) -> str:
    return listening()


def search(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.press("#text", "Enter")
    expect(page.locator("#status")).to_contain_text("result")


def test_an_empty_page_says_what_there_is_and_offers_a_beginning(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("h1")).to_have_text("33 items, 32 pictures")
    expect(page.locator(".samples .card")).to_have_count(6)
    page.locator(".examples button").first.click()
    expect(page.locator("#results button.card").first).to_be_visible()
    assert "q=" in page.url


def test_words_are_typed_and_the_address_keeps_them(page: Page, address: str) -> None:
    page.goto(address)
    search(page, "small crimson circle")
    expect(page.locator("#reading")).to_contain_text("small crimson circle")
    assert page.get_attribute(FIRST, "data-id") == "circle-crimson-small.png"
    search(page, "large blue square")
    page.go_back()
    expect(page.locator("#text")).to_have_value("small crimson circle")
    expect(page.locator(f'{FIRST.split(" >>")[0]}[data-id="circle-crimson-small.png"]')).to_be_visible()
    page.go_forward()
    expect(page.locator("#text")).to_have_value("large blue square")
    page.reload()
    expect(page.locator("#text")).to_have_value("large blue square")
    expect(page.locator("#results button.card").first).to_be_visible()


def test_words_that_are_typed_before_the_page_is_ready_are_not_lost(page: Page, address: str) -> None:
    late: list[Route] = []
    page.route("**/about", lambda route: late.append(route))
    page.goto(address)
    page.fill("#text", "small crimson circle")
    page.press("#text", "Enter")
    late[0].continue_()
    expect(page.locator("#status")).to_contain_text("result")
    expect(page.locator("#text")).to_have_value("small crimson circle")


def test_words_that_were_not_sent_count_when_a_filter_is_chosen(page: Page, address: str) -> None:
    page.goto(address)
    search(page, "circle")
    page.fill("#text", "square")
    page.locator("details[data-name=colour] summary").click()
    page.get_by_label("green").check()
    expect(page.locator("#results button.card").first).to_have_attribute("data-id", re.compile("^square-green"))


def test_keys_are_enough(page: Page, address: str) -> None:
    page.goto(address)
    page.locator("#theme").focus()
    page.keyboard.press("/")
    expect(page.locator("#text")).to_be_focused()
    search(page, "small crimson circle")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    second = page.locator("#results button.card").nth(1)
    expect(second).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(second).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#text")).to_be_focused()


def test_a_result_is_opened_searched_from_added_and_left_out(page: Page, address: str) -> None:
    page.goto(address)
    search(page, "small crimson circle")
    page.click(FIRST)
    panel = page.locator("#panel")
    expect(panel).to_contain_text("circle-crimson-small.png")
    expect(panel.locator("dl")).to_contain_text("crimson")
    panel.get_by_text("Add to the query").click()
    expect(page.locator(".chip")).to_contain_text("circle-crimson-small.png")
    assert "like=circle" in page.url and "q=small" in page.url
    page.locator("#results button.card").first.click()
    panel.get_by_text("Without this").click()
    expect(page.locator(".chip.minus")).to_have_count(1)
    page.locator(".chip.minus button").click()
    expect(page.locator(".chip.minus")).to_have_count(0)
    page.locator("#results button.card").first.click()
    panel.get_by_text("Search from this").click()
    expect(page.locator("#text")).to_have_value("")
    expect(page.locator(".chip")).to_have_count(1)


def test_what_results_are_to_be_without_and_filters_are_chips(page: Page, address: str) -> None:
    page.goto(address)
    search(page, "circle")
    page.fill(".without", "small")
    page.press(".without", "Enter")
    expect(page.locator(".chip.minus")).to_contain_text("small")
    page.locator("details[data-name=colour] summary").click()
    page.get_by_label("green").check()
    expect(page.locator("details[data-name=colour] summary")).to_contain_text("green")
    expect(page.locator("#results button.card")).to_have_count(8)
    assert "f.colour=green" in page.url
    page.locator("details[data-name=price] summary").click()
    page.get_by_label("price to").fill("10")
    page.get_by_label("price to").press("Enter")
    expect(page.locator("#results button.card")).to_have_count(2)
    page.locator("details[data-name=More] summary").click()
    page.get_by_label("Condition").fill("colur = green")
    page.get_by_label("Condition").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("did you mean 'colour'")
    page.go_back()
    page.locator("details[data-name=More] summary").click()
    page.get_by_label("Words that must occur").fill("nowhere")
    page.get_by_label("Words that must occur").press("Enter")
    expect(page.locator(".empty")).to_contain_text("Nothing fits")
    page.get_by_text("Remove the filters").click()
    expect(page.locator("#results button.card").first).to_be_visible()


def test_words_rank_too_where_that_is_wanted(page: Page, address: str) -> None:
    page.goto(f"{address}/?q=letter+circle")
    note = page.locator("#results li").nth(3)
    expect(page.locator("#results li").nth(8)).to_contain_text("crimson letter")
    page.get_by_label("By words, too").check()
    expect(note).to_contain_text("crimson letter")
    assert "hybrid" in page.url
    page.reload()
    expect(page.get_by_label("By words, too")).to_be_checked()
    expect(note).to_contain_text("crimson letter")


def test_a_grain_is_left_out_and_what_changes_is_marked(page: Page, address: str) -> None:
    page.goto(address)
    search(page, "small crimson circle")
    grains = page.locator(".grain")
    expect(grains).to_have_count(3)
    expect(grains.first).to_contain_text("ignored")
    grains.nth(1).click()
    expect(grains.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#status")).to_contain_text("Without “crimson”")
    expect(page.locator(".badge").first).to_be_visible()
    assert "mask=6-13" in page.url
    page.reload()
    expect(page.locator("#status")).to_contain_text("Without “crimson”")
    page.keyboard.press("Escape")
    expect(page.locator("#status")).not_to_contain_text("Without")
    page.get_by_label("Show what is heard").uncheck()
    expect(page.locator("#grains")).to_be_hidden()


def test_what_an_open_result_lacks_is_told(page: Page, address: str) -> None:
    page.goto(address)
    search(page, "small crimson circle")
    expect(page.locator(".grain")).to_have_count(3)
    page.click('[data-id="circle-green-small.png"]')
    expect(page.locator("#beside .lacks")).to_have_text(["crimson"])
    expect(page.locator("#beside .has")).to_have_text(["small", "circle"])


def picture() -> bytes:
    buffer = io.BytesIO()
    draw(("circle", "blue", "small")).save(buffer, "PNG")
    return buffer.getvalue()


DROP = """async ([data, type]) => {
  const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
  const given = type === "paste" ? { clipboardData: transfer } : { dataTransfer: transfer };
  const made = type === "paste" ? new ClipboardEvent(type, given) : new DragEvent(type, { ...given, cancelable: true });
  dispatchEvent(made);
}"""


@pytest.mark.parametrize("way", ["drop", "paste", "pick"])
def test_a_picture_is_dropped_pasted_or_picked(
    page: Page, address: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = lambda item: ["circle", "blue"] if isinstance(item.image, bytes) else (item.text or "").split()  # noqa: E731
    monkeypatch.setattr("judging._words", words)
    page.goto(address)
    expect(page.locator("h1")).to_be_visible()
    if way == "pick":
        page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": picture()})
    else:
        page.evaluate(DROP, [base64.b64encode(picture()).decode(), way])
    expect(page.locator(".chip")).to_contain_text("picture")
    expect(page.locator("#results button.card").first).to_have_attribute("data-id", re.compile("^circle-blue"))
    assert re.search("picture=[0-9a-f]{16}", page.url)
    page.go_back()
    expect(page.locator("h1")).to_be_visible()
    page.go_forward()
    expect(page.locator("#results button.card").first).to_be_visible()
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("Add the picture again")


def test_what_an_index_holds_is_never_read_as_html(
    page: Page, listening: Callable[..., str], index: Remembered
) -> None:
    bad = "<img src=x onerror=\"document.title='taken'\"><b>bold</b>"
    entry = Entry("<i>id</i>/a b?#%", bad, None, bad, {bad: bad})
    index.add([entry], FakeEncoder().embed([Item("zebra")]).vectors)
    page.goto(listening())
    search(page, "zebra")
    page.click(FIRST)
    expect(page.locator("#panel")).to_contain_text("<b>bold</b>")
    assert page.locator("#panel b, #results button.card b b, #panel img").count() == 0
    assert "zebra" in page.title()
    page.reload()
    expect(page.locator("#panel")).to_contain_text("<i>id</i>/a b?#%")


def test_fields_inside_objects_are_filters_and_rows_with_short_names(
    page: Page, listening: Callable[..., str], index: Remembered
) -> None:
    for grade in ("fine", "coarse"):
        entry = Entry(grade, f"a {grade} cloth", None, grade, {"made": {"grade": grade, "of": ["wool", "silk"]}})
        index.add([entry], FakeEncoder().embed([Item(grade)]).vectors)
    page.goto(f"{listening()}/?q=cloth")
    menu = page.locator("details[data-name='made.grade']")
    expect(menu.locator("summary")).to_have_text("grade")
    menu.locator("summary").click()
    page.get_by_label("coarse").check()
    expect(page.locator("#results button.card")).to_have_count(1)
    page.click(FIRST)
    expect(page.locator("#panel dl")).to_have_text("gradecoarseofwool, silk")


def test_near_duplicates_are_a_stack(page: Page, listening: Callable[..., str], index: Remembered) -> None:
    vector = index.vectors(["circle-blue-small.png"])
    index.add([Entry("copy.png", None, "circle-blue-small.png", "circle blue small")], vector)
    page.goto(f"{listening()}/?q=small+blue+circle")
    expect(page.locator(".stack .badge").first).to_have_text("+1 alike")
    page.click(FIRST)
    expect(page.locator("#panel .alike button")).to_have_count(1)


def test_a_token_is_asked_for_and_kept(page: Page, listening: Callable[..., str]) -> None:
    address = listening(Settings(token="open-sesame"))
    page.goto(f"{address}/?q=small+crimson+circle")
    page.fill("#token", "wrong")
    page.press("#token", "Enter")
    expect(page.locator("dialog")).to_contain_text("not it")
    page.fill("#token", "open-sesame")
    page.press("#token", "Enter")
    expect(page.locator("#results button.card").first).to_be_visible()
    expect(page.locator("#results img").first).not_to_have_js_property("naturalWidth", 0)
    page.reload()
    expect(page.locator("#results button.card").first).to_be_visible()
    assert "sesame" not in page.url


def test_dark_and_light_follow_the_system_and_the_button(page: Page, address: str) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    page.goto(address)
    light = page.evaluate(paper)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(paper)
    assert light != dark
    page.click("#theme")
    assert page.evaluate(paper) == light
    page.reload()
    assert page.evaluate(paper) == light


def test_a_phone_needs_no_sideways_scrolling(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/?q=small+crimson+circle&minus=large&minus=blue&like=note")
    expect(page.locator("#results button.card").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click(FIRST)
    box = page.locator("#panel").bounding_box()
    assert box is not None and box["width"] == 390
    page.go_back()
    expect(page.locator("#panel")).to_be_hidden()


def test_a_service_that_is_busy_or_gone_is_told_with_a_way_out(page: Page, address: str) -> None:
    page.goto(address)
    busy = '{"error": {"code": "busy", "message": "64 requests wait for the model; ask again in a second"}}'
    page.route("**/search", lambda route: route.fulfill(status=429, body=busy, content_type="application/json"))
    page.fill("#text", "circle")
    page.press("#text", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("64 requests wait")
    page.unroute("**/search")
    page.get_by_text("Try again").click()
    expect(page.locator("#results button.card").first).to_be_visible()
    page.route("**/search", lambda route: route.abort())
    page.fill("#text", "square")
    page.press("#text", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")


def test_results_stay_when_what_is_heard_cannot_be_told(page: Page, address: str) -> None:
    busy = '{"error": {"code": "busy", "message": "64 requests wait"}}'
    page.route("**/explain", lambda route: route.fulfill(status=429, body=busy, content_type="application/json"))
    page.goto(f"{address}/?q=circle")
    expect(page.locator("#status")).to_contain_text("What is heard could not be told: 64 requests wait")
    expect(page.locator("#results button.card").first).to_be_visible()


def test_the_filters_are_read_anew_when_something_was_indexed(page: Page, address: str) -> None:
    def newer(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "version": 2})

    def about(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "items": 34, "version": 2})

    page.goto(address)
    expect(page.locator("#about")).to_contain_text("33 items")
    page.route("**/search", newer)
    page.route("**/about", about)
    search(page, "circle")
    expect(page.locator("#about")).to_contain_text("34 items")


def test_nothing_is_asked_of_another_host(page: Page, address: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/?q=circle")
    expect(page.locator("#results button.card").first).to_be_visible()
    assert all(each.startswith((address, "blob:", "data:")) for each in asked)
