"""What the pages promise as a whole: small, from here alone, no inline code, no sideways scrolling."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Response, expect

from tests.browser.conftest import Service
from tests.browser.documents import pdf
from tests.browser.upload_page import choose, expect_state, press

pytestmark = [pytest.mark.browser, pytest.mark.live]

#: Until a hand comes near; and when a file was uploaded and watched to its end.
MOST_AT_FIRST, MOST_AT_WORK = 30_000, 70_000
#: The relative luminance of WCAG 2.2, and the contrast of every visible text with what is behind it.
CONTRASTS = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
    const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const behind = (element) => { for (; element; element = element.parentElement) { const color = rgb(getComputedStyle(element).backgroundColor); if (color[3] > 250) return color; } return [255, 255, 255]; };
    const poor = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.disabled || element.matches("option, script, style")) continue;
        const [one, two] = [luminance(rgb(getComputedStyle(element).color)), luminance(behind(element))].sort((a, b) => b - a);
        const contrast = (one + 0.05) / (two + 0.05);
        if (contrast < 4.5) poor.push(`${contrast.toFixed(2)} ${element.className} ${walker.currentNode.data.trim().slice(0, 30)}`);
    }
    return poor;
}"""


def test_the_upload_page_is_small_and_asks_nobody_else(context: BrowserContext, service: Service) -> None:
    page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto("/", wait_until="networkidle")
    at_first = sum(len(answer.body()) for answer in answers)
    assert at_first <= MOST_AT_FIRST
    choose(page, ("good.pdf", pdf(2)))
    expect_state(page, "good.pdf", "completed")
    assert {urlsplit(answer.url).netloc for answer in answers} == {urlsplit(service.url).netloc}
    files = {answer.url: len(answer.body()) for answer in answers if "/static/" in answer.url}
    assert sum(files.values()) <= MOST_AT_WORK


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    choose(page, ("good.pdf", pdf(2)), ("wrong.exe", b"x"))
    expect_state(page, "good.pdf", "completed")
    press(page, "Read", "good.pdf")
    expect(page.locator("pre")).to_contain_text("This is page 1")
    assert page.evaluate(CONTRASTS) == []


def test_who_wishes_less_motion_gets_none(page: Page) -> None:
    choose(page, ("good.txt", b"words"))
    expect_state(page, "good.txt", "completed")
    moving = "() => [...document.querySelectorAll('*')].filter((each) => parseFloat(getComputedStyle(each).transitionDuration)).length"
    assert page.evaluate(moving) > 0
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moving) == 0


def test_nothing_scrolls_sideways_at_360(page: Page, service: Service) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    choose(page, ("good.pdf", pdf(12)), ("wrong.exe", b"x"))
    expect_state(page, "good.pdf", "completed")
    press(page, "Read", "good.pdf")
    expect(page.locator("pre")).to_contain_text("This is page 1")
    _expect_no_sideways(page)
    page.get_by_role("link", name="Page of this job").click()
    expect(page.locator(".state")).to_have_text("Done")
    _expect_no_sideways(page)
    page.goto("/admin/login")
    _expect_no_sideways(page)
    page.get_by_label("Admin token").fill(service.token)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#freshness")).to_contain_text("Updated")
    _expect_no_sideways(page)


def _expect_no_sideways(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
