"""Pictures of the operator's pages for docs/, of an instance that runs and has worked for a while:
`python -m tests.browser.operator_shots http://127.0.0.1:8000 data/admin-token`."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import FLAGS, chromium

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = DOCS / "pages"


def opened(browser: Browser, url: str, token: str, *, width: int, height: int, scheme: str = "light") -> Page:
    """The operator page, logged in, with its charts drawn."""
    context = browser.new_context(base_url=url, viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto("/admin")
    page.get_by_label("Admin token").fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#charts svg")).to_have_count(4)
    expect(page.locator("#jobs tbody tr")).not_to_have_count(0)
    return page


def dialog(page: Page) -> None:
    page.get_by_label("Status").select_option("failed")
    expect(page.locator("#bulk-target")).to_have_text("All failed jobs")
    page.get_by_role("button", name="Retry…").click()
    expect(page.locator('[data-part="go"]')).to_be_enabled()


def failed_job(page: Page) -> None:
    page.goto("/admin?status=failed&code=corrupt_document")
    page.locator("#jobs tbody tr").get_by_role("link").first.click()
    expect(page.locator("#history li").nth(1)).to_be_visible()


def shoot(url: str, token: str) -> None:
    PAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        light = opened(browser, url, token, width=1280, height=1460)
        light.screenshot(path=DOCS / "operator.png")
        dialog(light)
        light.set_viewport_size({"width": 1280, "height": 860})
        light.locator("#jobs-title").evaluate("heading => heading.scrollIntoView()")
        light.screenshot(path=PAGES / "operator-dialog.png")
        dark = opened(browser, url, token, width=1280, height=1460, scheme="dark")
        dark.screenshot(path=PAGES / "operator-dark.png")
        failed_job(dark)
        end = dark.locator("#trace-part").bounding_box()
        assert end  # where this instance is installed is nobody's business
        dark.screenshot(path=PAGES / "operator-job.png", clip={"x": 0, "y": 0, "width": 1280, "height": end["y"]})
        phone = opened(browser, url, token, width=360, height=780)
        phone.screenshot(path=PAGES / "operator-phone.png")
        phone.locator("#jobs-title").evaluate("heading => heading.scrollIntoView()")
        phone.screenshot(path=PAGES / "operator-phone-jobs.png")
        browser.close()


if __name__ == "__main__":
    shoot(sys.argv[1], Path(sys.argv[2]).read_text().strip())
