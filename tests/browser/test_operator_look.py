"""What the operator's pages promise to every eye and hand: no rule of accessibility broken, nothing too pale, nothing
sideways, and what a user wrote stays text."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Service
from tests.browser.documents import BROKEN_PDF
from tests.browser.operator_page import expect_dialog, expect_job, job_row, only, send, until_ended
from tests.browser.test_accessibility import violations
from tests.browser.test_hostile import NAMES
from tests.browser.test_layout import CONTRASTS

pytestmark = [pytest.mark.browser, pytest.mark.live]


def expect_sound(page: Page, axe: str, width: int) -> None:
    assert violations(page, axe) == []
    assert page.evaluate(CONTRASTS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
@pytest.mark.usefixtures("low_is_paused")
def test_both_pages_and_the_dialog_break_no_rule(
    operator: Page, axe: str, service: Service, scheme: str, width: int
) -> None:
    operator.set_viewport_size({"width": width, "height": 900})
    operator.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    failed = send(service, "w" * 120 + ".pdf", BROKEN_PDF, user="u" * 120)
    until_ended(service, failed)
    until_ended(service, send(service, "good.txt"))
    send(service, "waits.txt", priority="low")
    operator.get_by_text("As a table").first.click()
    expect_job(operator, "waits.txt", "pending")
    expect_sound(operator, axe, width)
    only(operator, "w")
    operator.get_by_role("button", name="Change priority…").click()
    expect_dialog(operator, "Change the priority of all jobs whose file name contains “w”?")
    expect_sound(operator, axe, width)
    operator.goto(f"/admin/jobs/{failed}")
    expect(operator.locator("#trace")).to_contain_text("Traceback")
    expect_sound(operator, axe, width)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_login_breaks_no_rule(page: Page, axe: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto("/admin/login")
    page.get_by_label("Admin token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect_sound(page, axe, 1280)


def test_what_a_user_wrote_stays_text_in_list_dialog_and_page(operator: Page, service: Service) -> None:
    hostile = "<script>alert(9)</script>"
    job_ids = [send(service, name, user=hostile) for name in NAMES]
    for job_id in job_ids:
        until_ended(service, job_id)
    operator.get_by_role("searchbox", name="User label").fill(hostile)
    expect(operator.locator("#jobs tbody tr")).to_have_count(len(NAMES))
    expect(job_row(operator, "onerror=alert(1)")).to_contain_text(hostile)
    operator.get_by_label("Select all that are shown").check()
    operator.get_by_role("button", name="Delete…").click()
    expect_dialog(operator, f"Delete {len(NAMES)} selected jobs?")
    assert operator.locator("main :is(#jobs, dialog) :is(script, img, svg)").count() == 0
    for width in (1280, 360):
        operator.set_viewport_size({"width": width, "height": 800})
        assert operator.evaluate("document.documentElement.scrollWidth") <= width
    operator.goto(f"/admin/jobs/{job_ids[0]}")
    expect(operator.locator("#name")).to_have_text(NAMES[0])
    expect(operator.locator("#facts")).to_contain_text(hostile)
    assert operator.locator("main :is(script, img, svg)").count() == 0


def test_the_charts_show_what_ended_as_bars_words_and_a_table(operator: Page, service: Service) -> None:
    until_ended(service, send(service, "drawn.txt"))
    until_ended(service, send(service, "drawn.pdf", BROKEN_PDF))
    operator.reload()
    ended = operator.get_by_role("img", name="Jobs that ended in the last hour")
    expect(ended.locator(".part-failed").first).to_be_visible()
    expect(ended.locator("desc")).to_contain_text("The highest bar is")
    figure = operator.locator('[data-chart="throughput"]')
    figure.get_by_text("As a table").click()
    expect(figure.get_by_role("table").get_by_role("row")).not_to_have_count(1)
    operator.get_by_label("1 hour").focus()
    operator.keyboard.press("ArrowRight")
    expect(operator.get_by_role("img", name="Jobs that ended in the last 24 hours")).to_be_visible()
    figure.locator(".plot").hover()
    expect(figure.locator(".headline span")).to_contain_text("completed 0")
