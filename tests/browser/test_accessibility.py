"""The rules of axe-core, on each page as people meet it: at work, at the end, with a text open, in light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Service
from tests.browser.documents import BROKEN_PDF, pdf
from tests.browser.upload_page import choose, expect_state, press, row

pytestmark = [pytest.mark.browser, pytest.mark.live]

RUN = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations.map(
    ({ id, nodes }) => [id, ...nodes.map((node) => node.target.join(" ") + ": " + node.failureSummary)])"""


def violations(page: Page, axe: str) -> Any:
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(axe)
    return page.evaluate(RUN)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
@pytest.mark.usefixtures("low_is_paused")
def test_the_upload_page_breaks_no_rule(page: Page, axe: str, service: Service, scheme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    assert violations(page, axe) == []
    choose(page, ("waits.txt", b"words"), priority="low")
    expect(row(page, "waits.txt")).to_contain_text("paused")
    choose(page, ("good.pdf", pdf(3)), ("broken.pdf", BROKEN_PDF), ("wrong.exe", b"x"))
    expect_state(page, "good.pdf", "completed")
    expect_state(page, "broken.pdf", "failed")
    press(page, "Read", "good.pdf")
    row(page, "good.pdf").get_by_role("searchbox").fill("page")
    expect(page.locator("mark")).to_have_count(1)
    assert violations(page, axe) == []


@pytest.mark.usefixtures("low_is_paused")
def test_the_page_of_a_job_that_waits_breaks_no_rule_and_comes_to_its_end(
    page: Page, axe: str, service: Service
) -> None:
    choose(page, ("waits.txt", b"patient words"), priority="low")
    expect(row(page, "waits.txt")).to_contain_text("paused")
    page.goto(f"/jobs/{page.evaluate('JSON.parse(localStorage.getItem(`ingest.jobs`))[0].jobId')}")
    expect(page.locator(".step")).to_contain_text("paused by the operator")
    assert violations(page, axe) == []
    service.command(action="resume", priority="low")
    expect(page.locator(".state")).to_have_text("Done")
    expect(page.locator("pre")).to_have_text("patient words")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_job_breaks_no_rule(page: Page, axe: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    choose(page, ("good.pdf", pdf(3)))
    expect_state(page, "good.pdf", "completed")
    press(page, "Read", "good.pdf")
    page.get_by_role("link", name="Page of this job").click()
    expect(page.locator(".state")).to_have_text("Done")
    assert violations(page, axe) == []
