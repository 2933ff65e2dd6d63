"""rq-dashboard behind the operator's login: its own scripts run under its policy and show what waits, works and failed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Service
from tests.browser.documents import BROKEN_PDF
from tests.browser.operator_page import send, until_ended
from tests.samples.make_samples import slow_pdf

pytestmark = [pytest.mark.browser, pytest.mark.live]


@pytest.mark.usefixtures("low_is_paused")
def test_queues_show_what_waits_and_what_failed_and_lead_to_the_jobs(operator: Page, service: Service) -> None:
    failed = send(service, "private name.pdf", BROKEN_PDF)
    until_ended(service, failed)
    waiting = send(service, "waits.txt", priority="low")
    operator.get_by_role("link", name="RQ").click()
    low = operator.locator("#queues tbody tr", has_text="low")
    expect(low).to_contain_text("1")
    low.get_by_role("link").first.click()
    expect(operator.locator("tbody tr", has_text=waiting)).to_have_count(1)
    operator.goto("/admin/rq/0/view/jobs/medium/failed/8/dsc/1")
    expect(operator.locator("tbody tr", has_text=failed)).to_contain_text("corrupt_document")
    expect(operator.locator("body")).not_to_contain_text("private name")
    operator.goto(f"/admin/rq/0/view/job/{waiting}-0a1b2c3d")
    expect(operator.locator("#name")).to_have_text("waits.txt")


def test_a_worker_is_shown_idle_and_at_work(operator: Page, service: Service) -> None:
    operator.goto("/admin/rq/0/view/workers")
    workers = operator.locator("#workers tbody tr")
    expect(workers.filter(has_text="idle").first).to_be_visible()
    job_id = send(service, "long.pdf", slow_pdf(1000)[0])
    workers.locator(f'a[href*="{job_id}"]').click()
    expect(operator.locator("#name")).to_have_text("long.pdf")
    service.command(action="cancel", jobIds=[job_id])
    expect(operator.locator("#state")).to_have_text("cancelled")
    operator.goto("/admin/rq/0/view/workers")
    expect(workers.filter(has_text="idle").first).to_be_visible()
