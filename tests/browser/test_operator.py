"""The operator page: logging in, looking, and acting."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Service
from tests.browser.documents import BROKEN_PDF
from tests.browser.upload_page import choose, expect_state

pytestmark = [pytest.mark.browser, pytest.mark.live]


@pytest.fixture
def operator(page: Page, service: Service) -> Page:
    page.goto("/admin")
    page.get_by_label("Admin token").fill(service.token)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#freshness")).to_contain_text("As of")
    return page


def test_the_printed_link_logs_in_once_and_leaves_no_code_behind(context: BrowserContext, service: Service) -> None:
    page = context.new_page()
    page.goto(service.login_link)
    expect(page).to_have_url(re.compile(r"/admin$"))
    page.go_back()
    assert "code" not in page.url
    page.goto("/admin")
    page.get_by_role("button", name="Log out").click()
    page.goto("/admin")
    expect(page.get_by_label("Admin token")).to_be_visible()
    page.goto(service.login_link)
    expect(page.get_by_role("alert")).to_be_visible()


def test_a_wrong_token_is_told(page: Page) -> None:
    page.goto("/admin/login")
    page.get_by_label("Admin token").fill("no such token at all")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()


def test_numbers_priorities_and_workers_are_shown(operator: Page) -> None:
    expect(operator.locator("#workers tr")).not_to_have_count(0)
    expect(operator.locator("#workers")).to_contain_text("process")
    expect(operator.locator("#numbers")).to_contain_text("waiting")
    expect(operator.locator("#priorities tr")).to_have_count(4)


def test_a_priority_is_paused_and_resumed(operator: Page) -> None:
    operator.get_by_role("button", name="Pause: low").click()
    state = operator.locator('#priorities tr[data-key="low"]')
    expect(state).to_contain_text("paused")
    operator.get_by_role("button", name="Resume: low").click()
    expect(state).to_contain_text("open")


@pytest.mark.usefixtures("low_is_paused")
def test_a_waiting_job_is_cancelled_and_retried_from_the_list(operator: Page, context: BrowserContext) -> None:
    upload = context.new_page()
    upload.goto("/")
    choose(upload, ("listed.txt", b"words"), priority="low")
    expect_state(upload, "listed.txt", "pending")
    operator.get_by_role("button", name="Cancel: listed.txt").click()
    expect_state(upload, "listed.txt", "cancelled")
    operator.get_by_role("button", name="Retry: listed.txt").click()
    job = operator.locator("#jobs tr", has_text="listed.txt")
    expect(job).to_contain_text("pending")
    expect(job).to_contain_text("paused")


def test_failed_jobs_show_their_code_and_are_deleted_by_a_second_press(operator: Page, context: BrowserContext) -> None:
    upload = context.new_page()
    upload.goto("/")
    choose(upload, ("damaged.pdf", BROKEN_PDF), ("fine.txt", b"words"))
    expect_state(upload, "damaged.pdf", "failed")
    expect_state(upload, "fine.txt", "completed")
    operator.get_by_label("Status").select_option("failed")
    job = operator.locator("#jobs tr", has_text="damaged.pdf")
    expect(job).to_contain_text("corrupt_document")
    expect(operator.locator("#jobs tr", has_text="fine.txt")).to_have_count(0)
    erase = operator.get_by_role("button", name="Delete: damaged.pdf")
    erase.click()
    expect(erase).to_have_text("Sure?")
    erase.click()
    expect(job).to_have_count(0)


def test_the_list_is_searched_by_file_name(operator: Page, context: BrowserContext) -> None:
    upload = context.new_page()
    upload.goto("/")
    choose(upload, ("needle.txt", b"1"), ("straw.txt", b"2"))
    expect(upload.locator("#overall")).to_have_text("2 done")
    operator.get_by_label("File name").fill("needle")
    expect(operator.locator("#jobs tr", has_text="straw.txt")).to_have_count(0)
    expect(operator.locator("#jobs tr", has_text="needle.txt")).to_have_count(1)


def test_cleaning_up_shows_first_what_would_go(operator: Page) -> None:
    operator.get_by_role("button", name="Show what would go").click()
    expect(operator.locator("#cleanup-said")).to_have_text("No job ended more than 7 days ago.")
    expect(operator.locator("#cleanup-go")).to_be_hidden()


def test_updates_can_be_held_and_logging_out_ends_it(operator: Page) -> None:
    operator.get_by_role("button", name="Pause updates").click()
    expect(operator.get_by_role("button", name="Resume updates")).to_have_attribute("aria-pressed", "true")
    operator.get_by_role("button", name="Log out").click()
    operator.goto("/admin")
    expect(operator.get_by_label("Admin token")).to_be_visible()
