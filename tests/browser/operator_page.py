"""The operator's pages as a test speaks of them, and files that are sent without a page."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any
from urllib.parse import quote, urlencode

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Service


def send(service: Service, name: str, data: bytes = b"words", *, priority: str = "medium", user: str = "") -> str:
    """An upload that is accepted; the job's id."""
    query = urlencode({"priority": priority, **({"userId": user} if user else {})})
    url = f"{service.url}/api/ingest/start/{quote(name, safe='')}?{query}"
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method="PUT"), timeout=60) as answer:
        return str(json.load(answer)["jobId"])


def until_ended(service: Service, job_id: str) -> str:
    """The status with which it ended; the service itself waits for it."""
    status = "pending"
    while status not in ("completed", "failed"):
        with urllib.request.urlopen(f"{service.url}/api/ingest/status/{job_id}?wait=20", timeout=60) as answer:
            status = json.load(answer)["status"]
    return status


def ask(service: Service, path: str) -> dict[str, Any]:
    request = urllib.request.Request(f"{service.url}{path}", headers={"Authorization": f"Bearer {service.token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        document: dict[str, Any] = json.load(answer)
    return document


def only(page: Page, name: str) -> None:
    """The list shows the jobs whose file name contains that."""
    page.get_by_role("searchbox", name="File name").fill(name)
    expect(page.locator("#bulk-target")).to_contain_text(f"“{name}”")


def job_row(page: Page, name: str) -> Locator:
    return page.locator("#jobs tbody tr", has_text=name)


def expect_job(page: Page, name: str, state: str) -> None:
    expect(job_row(page, name).locator(".mark")).to_have_text(state)


def expect_dialog(page: Page, title: str | re.Pattern[str]) -> Locator:
    """The dialog, once it has counted."""
    dialog = page.get_by_role("dialog", name=title)
    expect(dialog).to_be_visible()
    expect(dialog.locator('[data-part="what"]')).not_to_contain_text("Counting")
    return dialog


def agree(page: Page, word: str | re.Pattern[str]) -> None:
    page.get_by_role("dialog").get_by_role("button", name=word).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def expect_said(page: Page, words: str | re.Pattern[str]) -> None:
    expect(page.locator("#live")).to_have_text(words)
