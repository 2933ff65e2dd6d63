"""The upload page through its stories: files in, text out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Service
from tests.browser.documents import BROKEN_PDF, pdf
from tests.browser.upload_page import choose, expect_state, press, row

pytestmark = [pytest.mark.browser, pytest.mark.live]

START = "**/api/ingest/start"


def test_a_pdf_goes_from_choosing_to_its_text_and_a_download(page: Page) -> None:
    choose(page, ("script.pdf", pdf(3)))
    expect_state(page, "script.pdf", "completed")
    shown = row(page, "script.pdf")
    expect(shown).to_contain_text("3 pages")
    expect(shown.locator(".excerpt")).to_contain_text("This is page 1")
    press(page, "Read", "script.pdf")
    text = page.get_by_role("region", name="Text of script.pdf")
    expect(text).to_contain_text("This is page 1")
    shown.get_by_role("button", name="Next page").click()
    expect(text).to_have_text("This is page 2")
    with page.expect_download() as download:
        shown.get_by_role("link", name="Download Text").click()
    saved = Path(download.value.path()).read_text()
    assert "This is page 1" in saved
    assert "This is page 3" in saved


def test_what_begins_and_ends_is_told_in_one_live_region(page: Page) -> None:
    choose(page, ("a.txt", b"words"))
    expect(page.get_by_role("status")).to_contain_text("a.txt is done")


def test_several_files_each_come_to_their_own_end(page: Page) -> None:
    choose(
        page,
        ("good.pdf", pdf(2)),
        ("broken.pdf", BROKEN_PDF),
        ("picture.exe", b"MZ" * 50),
        ("pretends.txt", pdf(1)),
        ("empty.txt", b""),
        ("notes.md", b"# Notes\n\nwords"),
    )
    for name, state in [
        ("good.pdf", "completed"),
        ("notes.md", "completed"),
        ("broken.pdf", "failed"),
        ("picture.exe", "refused"),
        ("pretends.txt", "refused"),
        ("empty.txt", "refused"),
    ]:
        expect_state(page, name, state)
    expect(page.locator("#overall")).to_have_text("2 done, 4 failed")
    expect(row(page, "broken.pdf").locator(".trouble")).to_contain_text("save it again")
    expect(row(page, "pretends.txt").locator(".trouble")).to_contain_text("the ending that fits its content")


def test_files_may_be_dropped_anywhere(page: Page) -> None:
    data = page.evaluate_handle(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["dropped words"], "dropped.txt"));
            return data;
        }"""
    )
    page.dispatch_event("header", "dragover", {"dataTransfer": data})
    expect(page.locator("#veil")).to_be_visible()
    page.dispatch_event("header", "drop", {"dataTransfer": data})
    expect(page.locator("#veil")).to_be_hidden()
    expect(row(page, "dropped.txt").locator(".excerpt")).to_have_text("dropped words")


@pytest.mark.usefixtures("low_is_paused")
def test_a_waiting_job_says_why_and_can_be_cancelled_and_retried(page: Page, service: Service) -> None:
    choose(page, ("waits.txt", b"patient words"), priority="low")
    expect(row(page, "waits.txt")).to_contain_text("paused by the operator")
    press(page, "Cancel", "waits.txt")
    expect_state(page, "waits.txt", "cancelled")
    press(page, "Retry", "waits.txt")
    expect_state(page, "waits.txt", "pending")
    service.command(action="resume", priority="low")
    expect_state(page, "waits.txt", "completed")


def test_a_cut_upload_is_sent_again_under_the_same_key_without_choosing_again(page: Page) -> None:
    keys: list[str | None] = []
    page.on("request", lambda request: keys.append(request.headers.get("idempotency-key")))
    page.route(START, lambda route: route.abort())
    choose(page, ("cut.txt", b"words"))
    expect_state(page, "cut.txt", "unsent")
    expect(row(page, "cut.txt").locator(".trouble")).to_contain_text("cannot be reached")
    page.unroute(START)
    press(page, "Send again", "cut.txt")
    expect_state(page, "cut.txt", "completed")
    sent = [key for key in keys if key]
    assert len(sent) == 2
    assert len(set(sent)) == 1


def test_an_upload_can_be_cancelled_while_it_runs_and_three_run_at_a_time(page: Page) -> None:
    held: list[Route] = []
    page.route(START, lambda route: held.append(route))
    choose(page, *[(f"{n}.txt", b"words") for n in range(5)])
    expect(page.locator('.row[data-state="sending"]')).to_have_count(3)
    expect(page.locator('.row[data-state="queued"]')).to_have_count(2)
    page.get_by_role("button", name="Cancel all").click()
    expect(page.locator('.row[data-state="unsent"]')).to_have_count(5)
    expect(row(page, "0.txt")).to_contain_text("Upload cancelled")
    page.unroute(START)
    press(page, "Send again", "4.txt")
    expect_state(page, "4.txt", "completed")


def test_all_that_can_be_retried_is_retried_at_once_and_a_locked_or_broken_file_is_not(page: Page) -> None:
    busy = {"error": {"code": "overloaded", "message": "Too many jobs wait.", "suggestion": "Try again later."}}
    page.route(START, lambda route: route.fulfill(status=503, json=busy))
    choose(page, ("a.txt", b"a"), ("b.txt", b"b"))
    expect(page.locator("#overall")).to_have_text("2 failed")
    expect(row(page, "a.txt").locator(".trouble")).to_contain_text("Too many jobs wait.")
    page.unroute(START)
    choose(page, ("broken.pdf", BROKEN_PDF))
    expect(page.locator("#overall")).to_have_text("3 failed")
    page.get_by_role("button", name="Retry 2 failed files").click()
    expect(page.locator("#overall")).to_have_text("2 done, 1 failed")
    expect(page.locator("#retry-all")).to_be_hidden()


FOLDER = """() => {
    const file = (name) => ({ isFile: true, isDirectory: false, file: (resolve) => resolve(new File(["words"], name)) });
    const folder = (...inner) => ({
        isFile: false, isDirectory: true,
        createReader: () => ({ readEntries: (resolve) => resolve(inner.splice(0)) }),
    });
    const entry = folder(file("one.txt"), file("program.exe"), folder(file("two.txt"), file(".DS_Store")));
    const items = [{ webkitGetAsEntry: () => entry }];
    const event = new Event("drop", { bubbles: true, cancelable: true });
    event.dataTransfer = { types: ["Files"], items, files: [] };
    document.body.dispatchEvent(event);
}"""


def test_an_upload_tells_its_speed_and_what_is_left(page: Page, context: BrowserContext) -> None:
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
    line = context.new_cdp_session(page)
    line.send("Network.emulateNetworkConditions", slow)
    choose(page, ("large.txt", b"many words\n" * 300_000))
    expect(row(page, "large.txt").locator(".step")).to_have_text(re.compile(r"Uploading · .* of 3\.3 MB"))
    expect(row(page, "large.txt").locator(".figure")).to_have_text(re.compile(r"B/s · .+ left"))
    press(page, "Cancel", "large.txt")
    # Where all bytes had left already, the job is cancelled as soon as its id is known.
    line.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    expect(row(page, "large.txt")).to_have_attribute("data-state", re.compile("unsent|cancelled"))


def test_a_folder_is_walked_and_what_cannot_be_read_in_it_is_left_out(page: Page) -> None:
    page.evaluate(FOLDER)
    expect_state(page, "one.txt", "completed")
    expect_state(page, "two.txt", "completed")
    expect(page.locator(".row")).to_have_count(2)
    expect(page.locator("#left-out")).to_have_text("2 files of types that cannot be read here were left out.")


def test_leaving_is_asked_about_only_while_an_upload_is_on_its_way(page: Page) -> None:
    leaving = "() => dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    page.route(START, lambda route: None)
    choose(page, ("held.txt", b"words"))
    expect_state(page, "held.txt", "sending")
    assert page.evaluate(leaving) is False
    press(page, "Cancel", "held.txt")
    expect_state(page, "held.txt", "unsent")
    assert page.evaluate(leaving) is True


def test_the_keyboard_alone_is_enough(page: Page) -> None:
    page.on(
        "filechooser", lambda _: None
    )  # asked for in time: the browser's own dialog would keep all that follow away
    page.locator("body").press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.locator("#file")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files({"name": "keys.txt", "mimeType": "text/plain", "buffer": b"typed words"})
    expect_state(page, "keys.txt", "completed")
    read = page.get_by_role("button", name="Read: keys.txt")
    for _ in range(8):
        page.keyboard.press("Tab")
        if read.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Text of keys.txt")).to_have_text("typed words")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".row")).to_have_count(0)
    expect(page.locator("#file")).to_be_focused()


def test_a_removed_row_stays_away(page: Page) -> None:
    choose(page, ("a.txt", b"a"), ("b.txt", b"b"))
    expect(page.locator("#overall")).to_have_text("2 done")
    press(page, "Remove", "a.txt")
    page.reload()
    expect_state(page, "b.txt", "completed")
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_role("button", name="Clear finished").click()
    expect(page.locator("#files")).to_be_hidden()
