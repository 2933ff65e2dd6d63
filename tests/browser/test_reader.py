"""Reading a result on the page: turning pages, finding words in all of them, taking the text away."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import Service, watched_context
from tests.browser.documents import BROKEN_PDF, pdf
from tests.browser.upload_page import choose, expect_state, press, row

pytestmark = [pytest.mark.browser, pytest.mark.live]

NAME = "book.pdf"


@pytest.fixture
def reader(page: Page) -> Locator:
    choose(page, (NAME, pdf(12, says=["The river bends (twice", "here and on."])))
    expect_state(page, NAME, "completed")
    press(page, "Read", NAME)
    expect(text_of(page)).to_contain_text("This is page 1")
    return row(page, NAME)


def text_of(page: Page) -> Locator:
    return page.get_by_role("region", name=f"Text of {NAME}")


def expect_current(reader: Locator, page_number: int, count: str) -> None:
    expect(reader.locator(".count")).to_have_text(count)
    expect(reader.get_by_label("Page", exact=True)).to_have_value(str(page_number))
    expect(reader.locator('mark[aria-current="true"]')).to_have_count(1)


def test_pages_are_turned_and_chosen_by_number(reader: Locator, page: Page) -> None:
    expect(reader.get_by_role("button", name="Previous page")).to_be_disabled()
    reader.get_by_role("button", name="Next page").click()
    expect(text_of(page)).to_contain_text("This is page 2")
    number = reader.get_by_label("Page", exact=True)
    number.fill("12")
    number.press("Enter")
    expect(text_of(page)).to_contain_text("This is page 12")
    expect(reader.get_by_role("button", name="Next page")).to_be_disabled()
    number.fill("99")
    number.press("Enter")
    expect(number).to_have_value("12")


def test_a_search_goes_through_all_pages_and_around(reader: Locator, page: Page) -> None:
    words = reader.get_by_role("searchbox")
    words.fill("RIVER")
    expect_current(reader, 1, "1 of 12")
    expect(page.get_by_role("status")).to_contain_text("12 matches")
    words.press("Enter")
    expect_current(reader, 2, "2 of 12")
    reader.get_by_role("button", name="Next match").click()
    expect_current(reader, 3, "3 of 12")
    words.press("Shift+Enter")
    reader.get_by_role("button", name="Previous match").click()
    reader.get_by_role("button", name="Previous match").click()
    expect_current(reader, 12, "12 of 12")
    words.press("Escape")
    expect(words).to_have_value("")
    expect(reader.locator("mark")).to_have_count(0)


@pytest.mark.parametrize(("words", "count"), [("twice here", "1 of 12"), ("bends (", "1 of 12"), (".*", "Not found")])
def test_a_search_takes_words_as_they_are_and_over_the_end_of_a_line(reader: Locator, words: str, count: str) -> None:
    reader.get_by_role("searchbox").fill(words)
    expect(reader.locator(".count")).to_have_text(count)


def test_the_text_is_copied_whole_and_saved_in_three_forms(
    reader: Locator, page: Page, context: BrowserContext, service: Service
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=service.url)
    page.get_by_role("button", name=f"Copy: {NAME}").click()
    expect(page.get_by_role("button", name=f"Copied: {NAME}")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "This is page 1\n" in copied
    assert "This is page 12\n" in copied
    for label, ending in (("Text", ".txt"), ("Markdown", ".md"), ("JSON", ".json")):
        with page.expect_download() as download:
            reader.get_by_role("link", name=f"Download {label}").click()
        assert download.value.suggested_filename.endswith(ending)
        assert "This is page 12" in Path(download.value.path()).read_text()


def test_all_results_are_taken_away_as_one_zip(page: Page) -> None:
    choose(page, ("a.txt", b"first words"))
    expect_state(page, "a.txt", "completed")
    link = page.get_by_role("link", name="All texts (ZIP)")
    expect(link).to_have_count(0)
    choose(page, ("b.txt", b"second words"), ("broken.pdf", BROKEN_PDF))
    expect(page.locator("#overall")).to_have_text("2 done, 1 failed")
    with page.expect_download() as download:
        link.click()
    with zipfile.ZipFile(download.value.path()) as packed:
        texts = {packed.read(name).decode().strip() for name in packed.namelist()}
    assert texts == {"first words", "second words"}


def test_what_was_read_before_is_known_by_its_content(browser: Browser, service: Service) -> None:
    with watched_context(browser, service.url) as context:
        page = context.new_page()
        page.goto("/")
        choose(page, ("one.txt", b"the very same words"))
        expect_state(page, "one.txt", "completed")
        expect(row(page, "one.txt").locator(".twin")).to_be_hidden()
        page.reload()
        choose(page, ("two.txt", b"the very same words"), ("other.txt", b"other words"))
        expect(row(page, "two.txt").locator(".twin")).to_contain_text("read before, today at")
        expect(row(page, "other.txt")).to_have_attribute("data-state", "completed")
        expect(row(page, "other.txt").locator(".twin")).to_be_hidden()
        with context.expect_page() as opened:
            page.get_by_role("link", name="Open what was read before: two.txt").click()
        expect(opened.value.get_by_role("heading")).to_have_text("one.txt")
