"""The operator's page of one job: what happened to it, what is known of it, and what can be done about it."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Service
from tests.browser.documents import BROKEN_PDF, pdf
from tests.browser.operator_page import agree, expect_dialog, expect_said, job_row, only, send, until_ended

pytestmark = [pytest.mark.browser, pytest.mark.live]


def test_a_failed_job_shows_its_attempts_trace_and_file_and_runs_again(operator: Page, service: Service) -> None:
    job_id = send(service, "broken.pdf", BROKEN_PDF, user="ada")
    until_ended(service, job_id)
    only(operator, "broken")
    job_row(operator, "broken.pdf").get_by_role("link").click()
    expect(operator).to_have_url(re.compile(f"/admin/jobs/{job_id}$"))
    expect(operator.locator("#state")).to_have_text("failed")
    history = operator.locator("#history li")
    expect(history.nth(0)).to_contain_text("Accepted")
    expect(history.nth(1)).to_contain_text("Attempt 1 failed corrupt_document")
    expect(history.nth(1)).to_contain_text("worker.")
    expect(operator.get_by_role("region", name="Text of the stack trace")).to_contain_text("Traceback")
    expect(operator.locator("#facts")).to_contain_text("ada")
    expect(operator.locator("#sha256")).to_have_text(sha256(BROKEN_PDF).hexdigest())
    operator.get_by_role("button", name="Retry…").click()
    expect_dialog(operator, "Retry broken.pdf?")
    agree(operator, "Retry 1 job")
    expect_said(operator, "1 job was retried.")
    expect(history.nth(2)).to_contain_text("Run 2: somebody asked for a retry")
    expect(history.nth(3)).to_contain_text("Attempt 1 failed")


@pytest.mark.usefixtures("low_is_paused")
def test_a_waiting_job_changes_live_from_waiting_to_read(operator: Page, service: Service) -> None:
    job_id = send(service, "waits.pdf", pdf(2), priority="low")
    operator.goto(f"/admin/jobs/{job_id}")
    expect(operator.locator("#happened")).to_contain_text("paused by the operator")
    expect(operator.get_by_role("button", name="Retry…")).to_have_count(0)
    service.command(action="resume", priority="low")
    expect(operator.locator("#state")).to_have_text("completed")
    expect(operator.locator("#history li").last).to_contain_text("Attempt 1 read it to the end")
    expect(operator.locator("#facts")).to_contain_text("2 pages")
    expect(operator.get_by_role("button", name="Cancel…")).to_have_count(0)
    expect(operator.get_by_role("link", name="Open the text")).to_be_visible()


def test_a_job_that_is_deleted_leaves_nothing_to_press(operator: Page, service: Service) -> None:
    job_id = send(service, "leaves.txt")
    until_ended(service, job_id)
    operator.goto(f"/admin/jobs/{job_id}")
    operator.get_by_role("button", name="Delete…").click()
    expect_dialog(operator, "Delete leaves.txt?")
    agree(operator, "Delete 1 job")
    expect(operator.locator("#state")).to_have_text("deleted")
    expect(operator.get_by_role("button", name="Delete…")).to_have_count(0)
    expect(operator.get_by_role("link", name="Public page")).to_have_count(0)
