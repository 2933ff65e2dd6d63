"""The upload page as a test speaks of it."""

from __future__ import annotations

import mimetypes

from playwright.sync_api import FilePayload, Locator, Page, expect

File = tuple[str, bytes]
#: What each bar has shown, by the name of its file.
RECORD_BARS = """() => {
    window.bars = {};
    new MutationObserver((changes) => {
        for (const { target } of changes) (window.bars[target.ariaLabel] ??= []).push(Number(target.getAttribute("aria-valuenow")));
    }).observe(document.getElementById("rows"), { subtree: true, attributeFilter: ["aria-valuenow"] });
}"""


def payload(file: File) -> FilePayload:
    name, content = file
    return {"name": name, "mimeType": mimetypes.guess_type(name)[0] or "text/plain", "buffer": content}


def choose(page: Page, *files: File, priority: str = "medium") -> None:
    page.get_by_label("Priority").select_option(priority)
    page.set_input_files("#file", [payload(file) for file in files])


def row(page: Page, name: str) -> Locator:
    return page.locator(".row").filter(has=page.locator(".name", has_text=name))


def press(page: Page, word: str, name: str) -> None:
    page.get_by_role("button", name=f"{word}: {name}", exact=True).click()


def expect_state(page: Page, name: str, state: str) -> None:
    expect(row(page, name)).to_have_attribute("data-state", state)
