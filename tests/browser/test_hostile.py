"""Names and texts that want to be more than text."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.upload_page import choose, expect_state, press, row

pytestmark = [pytest.mark.browser, pytest.mark.live]

NAMES = [
    "<img src=x onerror=alert(1)>.txt",
    "<svg onload=alert(2)>.txt",
    "{{7*7}}${7*7}.txt",
    "' onmouseover='alert(3).txt",
    "annual\u202etxt.exe.txt",
    "\u05d3\u05d5\u05d7 2024.txt",
    "w" * 180 + ".txt",
]
TEXT = b"<script>alert(4)</script><img src=x onerror=alert(5)>\n</pre><h1>loud</h1> words"


def test_hostile_names_and_texts_stay_text(page: Page) -> None:
    choose(page, *[(name, TEXT) for name in NAMES])
    expect(page.locator('.row[data-state="completed"]')).to_have_count(len(NAMES))
    for _ in NAMES:
        page.get_by_role("button", name="Read: ").first.click()
    expect(page.locator("pre", has_text="<script>alert(4)</script>")).to_have_count(len(NAMES))
    assert page.locator("#rows :is(script, img, svg, h1)").count() == 0
    expect(row(page, "{{7*7}}")).to_have_count(1)
    page.reload()
    expect(page.locator('.row[data-state="completed"]')).to_have_count(len(NAMES))


def test_names_break_the_layout_neither_wide_nor_at_360(page: Page) -> None:
    choose(page, *[(name, TEXT) for name in NAMES])
    expect(page.locator('.row[data-state="completed"]')).to_have_count(len(NAMES))
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_of_a_job_shows_hostile_text_as_text(page: Page) -> None:
    choose(page, (NAMES[0], TEXT))
    expect_state(page, NAMES[0], "completed")
    press(page, "Read", NAMES[0])
    page.get_by_role("link", name="Page of this job").click()
    expect(page.get_by_role("heading")).to_contain_text("onerror=alert(1)")
    expect(page.locator("pre")).to_contain_text("<script>alert(4)</script>")
    assert page.locator("main :is(script, img, svg)").count() == 0
