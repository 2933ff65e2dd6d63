"""News of a job: whatever happens to the page or the stream, the end comes, and a bar never goes back."""

from __future__ import annotations

import json
import urllib.request

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Service
from tests.browser.documents import BROKEN_PDF, pdf
from tests.browser.upload_page import RECORD_BARS, choose, expect_state, press, row

pytestmark = [pytest.mark.browser, pytest.mark.live]


def job_id(page: Page) -> str:
    kept: list[dict[str, str]] = json.loads(page.evaluate("localStorage.getItem('ingest.jobs')"))
    return kept[0]["jobId"]


def test_the_bar_moves_through_both_phases_and_never_back(page: Page) -> None:
    page.evaluate(RECORD_BARS)
    choose(page, ("long.pdf", pdf(1200, lines=60)))
    expect_state(page, "long.pdf", "completed")
    seen: list[int] = page.evaluate("window.bars['long.pdf']")
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert any(30 < value < 100 for value in seen)


@pytest.mark.usefixtures("low_is_paused")
def test_a_reload_in_the_middle_of_a_job_loses_nothing(page: Page, service: Service) -> None:
    choose(page, ("stays.txt", b"kept words"), priority="low")
    expect(row(page, "stays.txt")).to_contain_text("paused")
    page.reload()
    expect(row(page, "stays.txt")).to_contain_text("paused")
    service.command(action="resume", priority="low")
    expect(row(page, "stays.txt").locator(".excerpt")).to_have_text("kept words")
    page.reload()
    expect_state(page, "stays.txt", "completed")


@pytest.mark.usefixtures("low_is_paused")
def test_a_job_that_is_deleted_is_told_as_removed(page: Page, service: Service) -> None:
    choose(page, ("deleted.txt", b"words"), priority="low")
    expect(row(page, "deleted.txt")).to_contain_text("paused")
    request = urllib.request.Request(f"{service.url}/api/ingest/jobs/{job_id(page)}", method="DELETE")
    urllib.request.urlopen(request, timeout=20).close()
    expect(row(page, "deleted.txt")).to_contain_text("Removed from the service")


def test_a_job_that_is_unknown_after_a_reload_is_told_as_removed(page: Page) -> None:
    kept = [{"jobId": "job_" + "a" * 24, "name": "old.pdf", "size": 10}]
    page.evaluate("kept => localStorage.setItem('ingest.jobs', JSON.stringify(kept))", kept)
    page.reload()
    expect_state(page, "old.pdf", "gone")


def test_a_retried_job_begins_a_new_bar_and_fails_again(page: Page) -> None:
    choose(page, ("broken.pdf", BROKEN_PDF))
    expect_state(page, "broken.pdf", "failed")
    with page.expect_response("**/api/ingest/retry/**") as answer:
        press(page, "Retry", "broken.pdf")
    assert answer.value.json()["status"] == "pending"
    expect_state(page, "broken.pdf", "failed")


def test_a_second_tab_shows_the_same_jobs_and_neither_loses_any(context: BrowserContext, page: Page) -> None:
    other = context.new_page()
    other.goto("/")
    choose(page, ("first.txt", b"1"))
    expect_state(other, "first.txt", "completed")
    choose(other, ("second.txt", b"2"))
    expect_state(page, "second.txt", "completed")
    page.reload()
    expect(page.locator(".row")).to_have_count(2)


@pytest.mark.parametrize(
    "kept", ["{", "7", '{"length": 3}', '[null, 1, {"jobId": "../../admin", "name": "x"}, {"jobId": 5}]']
)
def test_a_spoiled_memory_is_no_obstacle(page: Page, kept: str) -> None:
    page.evaluate("kept => localStorage.setItem('ingest.jobs', kept)", kept)
    page.reload()
    choose(page, ("a.txt", b"words"))
    expect_state(page, "a.txt", "completed")
    expect(page.locator(".row")).to_have_count(1)


def test_a_closed_memory_is_no_obstacle(context: BrowserContext) -> None:
    context.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('closed'); } })")
    page = context.new_page()
    page.goto("/")
    choose(page, ("a.txt", b"words"))
    expect_state(page, "a.txt", "completed")
