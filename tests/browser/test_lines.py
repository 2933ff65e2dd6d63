"""Whatever the line between browser and service does, uploads go through and every job comes to its end on the page."""

from __future__ import annotations

import os
import re
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Service, watched_context
from tests.browser.documents import BROKEN_PDF, pdf
from tests.browser.line import Events, Line
from tests.browser.upload_page import RECORD_BARS, choose, expect_state, row
from tests.processes import children_of, eventually

pytestmark = [pytest.mark.browser, pytest.mark.live]

TABS = 6
WITHOUT_SHARED_WORKER = "delete window.SharedWorker"


@pytest.fixture
def line(service: Service) -> Iterator[Line]:
    line = Line(urlsplit(service.url).port or 80)
    yield line
    line.close()


@pytest.fixture
def over_line(browser: Browser, line: Line) -> Iterator[BrowserContext]:
    with watched_context(browser, line.url) as context:
        yield context


def opened(context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto("/")
    return page


@pytest.mark.parametrize("events", ["blocked", "refused", "held", "cut", "slow"])
def test_with_streams_that_do_not_come_through_the_end_comes_all_the_same(
    over_line: BrowserContext, line: Line, events: Events
) -> None:
    line.events = events
    page = opened(over_line)
    choose(page, ("asked.pdf", pdf(2)), ("broken.pdf", BROKEN_PDF))
    expect_state(page, "asked.pdf", "completed")
    expect_state(page, "broken.pdf", "failed")


@pytest.mark.usefixtures("low_is_paused")
def test_a_stream_that_falls_silent_after_its_first_news_is_doubted(
    over_line: BrowserContext, line: Line, service: Service
) -> None:
    line.events = "stalled"
    page = opened(over_line)
    choose(page, ("waits.txt", b"words"), priority="low")
    expect(row(page, "waits.txt")).to_contain_text("paused")
    service.command(action="resume", priority="low")
    expect_state(page, "waits.txt", "completed")


@pytest.mark.parametrize("events", ["open", "blocked"])
def test_without_a_shared_worker_each_tab_sees_its_jobs_to_the_end(
    over_line: BrowserContext, line: Line, events: Events
) -> None:
    line.events = events
    over_line.add_init_script(WITHOUT_SHARED_WORKER)
    page = opened(over_line)
    choose(page, ("alone.pdf", pdf(2)))
    expect_state(page, "alone.pdf", "completed")


@pytest.mark.parametrize("script", ["", WITHOUT_SHARED_WORKER], ids=["shared", "alone"])
@pytest.mark.usefixtures("low_is_paused")
def test_six_tabs_hold_two_streams_at_most_and_block_no_upload(
    over_line: BrowserContext, line: Line, service: Service, script: str
) -> None:
    over_line.add_init_script(script)
    tabs = [opened(over_line) for _ in range(TABS)]
    choose(tabs[0], ("watched.txt", b"words"), priority="low")
    for tab in tabs:
        expect(row(tab, "watched.txt")).to_contain_text("paused")
    choose(tabs[-1], ("passes.txt", b"more words"), ("too.txt", b"even more"))
    for tab in tabs:
        expect_state(tab, "passes.txt", "completed")
        expect_state(tab, "too.txt", "completed")
    # One that was closed to be opened anew is still counted for a moment.
    eventually(lambda: 1 <= line.streams <= 2, what="one or two streams")
    service.command(action="resume", priority="low")
    for tab in tabs:
        expect_state(tab, "watched.txt", "completed")


def test_an_upload_that_broke_goes_on_by_itself_when_the_service_can_be_reached_again(
    over_line: BrowserContext, line: Line
) -> None:
    page = opened(over_line)
    choose(page, ("first.txt", b"words"))
    expect_state(page, "first.txt", "completed")
    line.go_down()
    choose(page, ("patient.txt", b"kept words"))
    expect_state(page, "patient.txt", "unsent")
    expect(row(page, "patient.txt")).to_contain_text("is sent again by itself")
    line.come_back()
    expect(row(page, "patient.txt").locator(".excerpt")).to_have_text("kept words")


def test_offline_and_back_in_the_middle_of_jobs_loses_nothing(over_line: BrowserContext, line: Line) -> None:
    page = opened(over_line)
    choose(page, ("long.pdf", pdf(1200, lines=60)))
    expect_state(page, "long.pdf", "processing")
    line.go_down()
    over_line.set_offline(True)
    choose(page, ("later.txt", b"words"))
    expect_state(page, "later.txt", "unsent")
    line.come_back()
    over_line.set_offline(False)
    expect_state(page, "later.txt", "completed")
    expect_state(page, "long.pdf", "completed")


@pytest.mark.usefixtures("low_is_paused")
def test_a_restart_of_the_server_in_the_middle_of_jobs_is_survived(context: BrowserContext, service: Service) -> None:
    page = opened(context)
    choose(page, ("waits.txt", b"words"), priority="low")
    expect(row(page, "waits.txt")).to_contain_text("paused")
    kill(service, b"gunicorn")
    choose(page, ("meanwhile.txt", b"more words"))
    eventually(lambda: answers(service), what="the web server to be back")
    expect_state(page, "meanwhile.txt", "completed")
    service.command(action="resume", priority="low")
    expect_state(page, "waits.txt", "completed")


def test_a_worker_that_is_killed_costs_no_job_and_sets_no_bar_back(context: BrowserContext, service: Service) -> None:
    page = opened(context)
    page.evaluate(RECORD_BARS)
    choose(page, ("long.pdf", pdf(1200, lines=60)), ("after.txt", b"words"))
    expect(row(page, "long.pdf")).to_have_attribute("data-state", re.compile("processing|completed"))
    kill(service, b"worker.py")
    expect_state(page, "long.pdf", "completed")
    expect_state(page, "after.txt", "completed")
    bars: dict[str, list[int]] = page.evaluate("window.bars")
    assert all(seen == sorted(seen) for seen in bars.values())
    assert bars["long.pdf"][-1] == 100


def kill(service: Service, program: bytes) -> None:
    os.killpg(eventually(lambda: pid_of(service, program), what=f"{program!r} to run"), signal.SIGKILL)


def pid_of(service: Service, program: bytes) -> int | None:
    for pid in children_of(service.pid):
        with suppress(OSError):
            if program in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    return None


def answers(service: Service) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{service.url}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
