"""The form and the page of a job in a browser without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Service
from tests.browser.documents import BROKEN_PDF, pdf
from tests.browser.upload_page import File, payload

pytestmark = [pytest.mark.browser, pytest.mark.live]


@pytest.fixture
def plain(browser: Browser, service: Service) -> Iterator[Page]:
    context = browser.new_context(base_url=service.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    yield page
    context.close()


def send(page: Page, file: File, priority: str = "medium") -> None:
    page.set_input_files("#file", payload(file))
    page.get_by_label("Priority").select_option(priority)
    page.get_by_role("button", name="Upload").click()


def expect_word(page: Page, word: str) -> None:
    expect(page.locator(".state")).to_have_text(word)


def test_the_form_leads_to_a_page_that_comes_to_the_text_by_itself(plain: Page) -> None:
    send(plain, ("script.pdf", pdf(2)))
    expect_word(plain, "Done")
    expect(plain.locator("pre")).to_contain_text("This is page 2")
    with plain.expect_download() as download:
        plain.get_by_role("link", name="Download text").click()
    assert download.value.suggested_filename.endswith(".txt")


@pytest.mark.usefixtures("low_is_paused")
def test_a_job_is_cancelled_and_retried_by_plain_forms(plain: Page, service: Service) -> None:
    send(plain, ("waits.txt", b"words"), priority="low")
    expect(plain.locator(".step")).to_contain_text("paused by the operator")
    plain.get_by_role("button", name="Cancel").click()
    expect_word(plain, "Cancelled")
    plain.get_by_role("button", name="Retry").click()
    expect_word(plain, "Waiting")
    service.command(action="resume", priority="low")
    expect_word(plain, "Done")


def test_a_failure_says_what_to_do_next(plain: Page) -> None:
    send(plain, ("broken.pdf", BROKEN_PDF))
    expect_word(plain, "Failed")
    expect(plain.locator(".trouble")).to_contain_text("save it again")


def test_a_refused_file_is_answered_by_a_page(plain: Page) -> None:
    send(plain, ("pretends.txt", pdf(1)))
    expect(plain.get_by_text("the ending that fits its content")).to_be_visible()
    plain.get_by_role("link", name="To the upload page").click()
    expect(plain.get_by_label("Priority")).to_be_visible()
