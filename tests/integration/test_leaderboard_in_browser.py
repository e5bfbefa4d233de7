"""The leaderboard as people use it: opened from disk, sorted, filtered, on a phone, on paper."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from prn_pipeline.reporting.leaderboard import make_leaderboard
from tests.unit.reporting.leaderboard_runs import benchmark, failed

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e .[dev]")
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine: install it to test pages in it")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leaderboard")
    runs = benchmark()
    runs[0] = failed(runs[0], "no memory")
    (folder / "leaderboard.html").write_text(make_leaderboard(runs, folder, {"git commit": "abc"}).html)
    return folder / "leaderboard.html"


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser: "playwright.Browser", page_file: Path) -> Iterator["playwright.Page"]:
    """The page, opened from disk; whatever it complains of, or asks the network for, fails the test."""
    complaints: list[str] = []
    opened = browser.new_page(viewport={"width": 1400, "height": 1000})
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "request",
        lambda request: None if request.url.startswith(("file:", "data:")) else complaints.append(request.url),
    )
    opened.goto(page_file.as_uri())
    yield opened
    opened.close()
    assert not complaints


def column(page: "playwright.Page", number: int) -> list[str]:
    """Texts of a column of the rows that are shown, from the top."""
    runs = page.locator(f"#board tbody tr:not([hidden]) > :nth-child({number})")
    return [text.strip() for text in runs.all_inner_texts()]


def test_a_click_sorts_and_a_third_one_restores_the_order(page: "playwright.Page") -> None:
    before = column(page, 5)
    page.get_by_role("button", name="vs base").click()
    gains = [float(text.split("±")[0].replace("−", "-")) for text in column(page, 6) if text != "–"]
    assert gains == sorted(gains, reverse=True)
    assert column(page, 6)[-1] == "–", "what is not known comes last"
    assert page.locator("[aria-sort=descending]").inner_text() == "vs base"
    page.get_by_role("button", name="vs base").click()
    gains = [float(text.split("±")[0].replace("−", "-")) for text in column(page, 6) if text != "–"]
    assert gains == sorted(gains)
    assert column(page, 6)[-1] == "–"
    page.get_by_role("button", name="vs base").click()
    assert column(page, 5) == before
    page.get_by_role("button", name="Data set").click()
    assert column(page, 1) == sorted(column(page, 1))


def test_filters_leave_what_fits_and_say_how_much(page: "playwright.Page") -> None:
    page.locator("[name=dataset]").select_option("roads")
    assert set(column(page, 1)) == {"roads"}
    page.locator("[name=find]").fill("PRN unet")
    assert column(page, 3) == ["prn"]
    assert page.locator("output").inner_text() == "1 of 42 rows"
    page.locator("[name=find]").fill("no such thing")
    assert column(page, 3) == []


def test_the_address_keeps_what_was_chosen(page: "playwright.Page", browser: "playwright.Browser") -> None:
    page.locator("[name=method]").select_option("bias_field")
    page.get_by_role("button", name="IoU").click()
    again = browser.new_page()
    again.goto(page.url)
    assert column(again, 3) == ["bias_field"] * 6
    assert again.locator("[aria-sort=descending]").inner_text() == "IoU"
    assert again.locator("[name=method]").input_value() == "bias_field"
    again.close()


def test_the_table_works_by_keyboard(page: "playwright.Page") -> None:
    page.get_by_role("button", name="IoU").focus()
    page.keyboard.press("Enter")
    assert page.locator("[aria-sort=descending]").inner_text() == "IoU"


def test_a_phone_scrolls_the_table_and_not_the_page(page: "playwright.Page") -> None:
    page.set_viewport_size({"width": 375, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("#board tbody th").first.is_visible()


def test_pictures_have_words_and_follow_the_colour_scheme(page: "playwright.Page") -> None:
    assert all(text for text in page.locator("img").evaluate_all("images => images.map(image => image.alt)"))
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    light, light_picture = page.evaluate(ground), page.locator("img").first.evaluate("image => image.currentSrc")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) != light
    page.wait_for_function("picture => document.querySelector('img').currentSrc !== picture", arg=light_picture)


def test_paper_gets_the_table_without_its_controls(page: "playwright.Page") -> None:
    page.emulate_media(media="print")
    assert not page.locator(".filters").is_visible()
    assert page.locator("#board").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
