"""Pictures of the upload page: `python -m tests.browser.screenshots [FOLDER]`. Without a folder those of the documentation.

Forty files at once, one of them broken and one locked: while they are read, at the end, and with a text open.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pypdf
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.settings import ROOT
from tests.browser.conftest import FLAGS, Service, chromium, running_instance
from tests.browser.documents import BROKEN_PDF, pdf
from tests.browser.upload_page import File, choose, expect_state, press, row
from tests.samples.make_samples import slow_pdf

WIDTHS = {360: 780, 1280: 900}
SENTENCES = (
    "The archive was moved in spring, and every box was opened once.",
    "What could be read was copied; what could not was listed with its shelf.",
    "Nine maps were found that no catalogue had known of.",
    "The river had changed its bed twice since the oldest of them was drawn.",
    "A ferry stood where the bridge is now, and the toll was two coins for a cart.",
    "The reading room is open from nine to five, and the kettle is always warm.",
    "In the dry year the mill stood still from June until the first frost.",
    "Letters were carried twice a week, on Tuesday by boat and on Friday on foot.",
    "The school kept its accounts in chalk until the roof was mended.",
    "Of the three bells, the smallest was cast from the ring of the old ferry.",
    "Where two fields had one name, the clerk wrote down both owners.",
)
NAMES = (
    "Minutes of 14 October.md", "Letters 1911-1913.pdf", "Harbour dues.csv", "Ferry timetable.html",
    "Reading room rules.txt", "Maps of the river.pdf", "Flood of 1954.pdf", "Catalogue A-F.csv", "Catalogue G-M.csv",
    "Catalogue N-Z.csv", "Lease of the mill.pdf", "Church register.pdf", "School accounts.pdf", "Index of names.json",
    "Index of places.json", "Photographs, list.md", "Donations.md", "Shelf plan.txt", "Repairs 2024.txt",
    "Repairs 2025.txt", "Correspondence, north.pdf", "Correspondence, south.pdf", "Weights and measures.pdf",
    "Field names.txt", "דוח שנתי.txt", "Wells and springs.pdf", "Market days.html", "Tolls and fines.pdf",
    "Millers and smiths.pdf", "Winter of 1929.txt", "Tithe map, notes.md", "Ferrymen.txt", "Bells.txt", "Lamps.txt",
)  # fmt: skip
FIRST, READ = "Annual report 2025.pdf", "Town archive, inventory.pdf"
BROKEN, LOCKED = "Parish map (damaged).pdf", "Sealed minutes.pdf"
LONG, SECOND = "Land register, complete.pdf", "Bridge survey.pdf"


def locked() -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf(1)))
    writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def files() -> Iterator[File]:
    """Two long ones keep both workers busy, so that the rest is seen waiting."""
    yield FIRST, _content(FIRST, 0)
    yield BROKEN, BROKEN_PDF
    yield LOCKED, locked()
    yield LONG, slow_pdf(300)[0]
    yield SECOND, slow_pdf(122)[0]
    yield READ, _content(READ, 50)
    for number, name in enumerate(NAMES):
        yield name, _content(name, number)


def _content(name: str, number: int) -> bytes:
    at = number * 3 % len(SENTENCES)
    says = SENTENCES[at:] + SENTENCES[:at]
    if name.endswith(".pdf"):
        return pdf(5 + number % 9, lines=0, says=says)
    if name.endswith(".json"):
        return f'{{"title": "{name}", "entries": ["Adler", "Baum", "Carver"]}}'.encode()
    if name.endswith(".csv"):
        return f"shelf,title\n{number},Ferry accounts\n{number + 1},Mill lease\n".encode()
    if name.endswith(".html"):
        return f"<title>Timetable</title><p>{' '.join(says)}</p>".encode()
    return "\n".join(says).encode()


def take(page: Page, folder: Path, name: str) -> None:
    page.mouse.move(0, 0)
    page.screenshot(path=folder / f"{name}.png", animations="disabled")


def tell_story(page: Page, folder: Path, suffix: str) -> None:
    choose(page, *files())
    expect(row(page, LONG).locator(".step")).to_contain_text("of 300")
    expect(row(page, SECOND).locator(".step")).to_contain_text(re.compile(r"page [4-9]\d of 122"))
    expect_state(page, NAMES[-1], "pending")
    page.evaluate("scrollTo(0, document.getElementById('files').offsetTop)")
    take(page, folder, f"reading-{suffix}")
    expect(page.locator("#overall")).to_have_text("38 done, 2 failed", timeout=120_000)
    page.evaluate("scrollTo(0, 0)")
    take(page, folder, f"end-{suffix}")
    press(page, "Read", READ)
    row(page, READ).get_by_role("searchbox").fill("river")
    expect(row(page, READ).locator("mark")).not_to_have_count(0)
    row(page, READ).evaluate("row => row.scrollIntoView()")
    take(page, folder, f"text-{suffix}")


def take_front(browser: Browser, service: Service) -> None:
    """The picture that the README begins with."""
    context = browser.new_context(base_url=service.url, viewport={"width": 1000, "height": 860})
    page = context.new_page()
    page.goto("/")
    choose(page, *files())
    expect(row(page, SECOND).locator(".step")).to_contain_text(re.compile(r"page [4-9]\d of 122"))
    page.evaluate("scrollTo(0, document.getElementById('files').offsetTop)")
    take(page, ROOT / "docs", "upload")
    context.close()


def take_all(browser: Browser, service: Service, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for width, height in WIDTHS.items():
        for scheme in ("light", "dark"):
            context = browser.new_context(
                base_url=service.url,
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            page = context.new_page()
            page.goto("/")
            tell_story(page, folder, f"{width}-{scheme}")
            context.close()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pages"
    with (
        tempfile.TemporaryDirectory() as where,
        running_instance(Path(where) / "data", WORKERS="2") as service,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        take_all(browser, service, folder)
        if len(sys.argv) == 1:
            take_front(browser, service)
        browser.close()


if __name__ == "__main__":
    main()
