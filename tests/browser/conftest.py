"""One instance and one Chromium for all tests of the pages; each test gets a fresh browser profile that is watched."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

from app.settings import ROOT, Settings
from tests.processes import free_port

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

expect.set_options(timeout=40_000)


@dataclass
class Service:
    """A running instance, and its operator's hands."""

    url: str
    data_dir: Path
    login_link: str
    pid: int

    @property
    def token(self) -> str:
        return (self.data_dir / "admin-token").read_text().strip()

    def command(self, **body: object) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/api/admin/queue",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            document: dict[str, Any] = json.load(answer)
        return document


@dataclass
class Watched:
    """What a page must not do: open dialogs, break its own policy, throw."""

    troubles: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        def dialog(shown: Any) -> None:
            self.troubles.append(f"dialog {shown.message}")
            shown.dismiss()

        page.on("dialog", dialog)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", self._console)

    def _console(self, message: Any) -> None:
        # A refused upload or a blocked stream is told by the browser itself; that is what those tests are about.
        expected = message.text.startswith("Failed to load resource")
        if message.type == "error" and not expected:
            self.troubles.append(message.text)


def chromium() -> str:
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    return found or lacking("Chromium is not on the PATH (Debian: apt-get install chromium)")


def lacking(reason: str) -> NoReturn:
    """What only CI must have: there it fails, elsewhere the test is skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, to be run in a page."""
    script = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
    if not script.is_file():
        lacking("axe-core is not there (npm ci --prefix tests/browser)")
    return script.read_text()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def running_instance(data_dir: Path, **settings: str) -> Iterator[Service]:
    """All of the service by `python -m app up`, on a free port; gone at the end."""
    port = free_port()
    bare = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    ours = {"HOST": "127.0.0.1", "PORT": str(port), "DATA_DIR": str(data_dir), "WORKERS": "1", **settings}
    with (data_dir.parent / "errors").open("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "up"],
            cwd=ROOT,
            env={**bare, **ours},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield Service(f"http://127.0.0.1:{port}", data_dir, _login_link(process), process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


@pytest.fixture(scope="package")
def service(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data_dir = tmp_path_factory.mktemp("browser") / "data"
    with running_instance(data_dir, RETRY_BASE_SECONDS="2", JOB_TIMEOUT="10") as service:
        yield service


def _login_link(process: subprocess.Popen[str]) -> str:
    """Printed after the line `ready`."""
    assert process.stdout
    for line in process.stdout:
        if match := re.search(r"http\S+#code=\S+", line):
            return match[0]
    raise AssertionError("the instance ended before it was ready")


@contextmanager
def watched_context(browser: Browser, url: str, session: StorageState | None = None) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=url, storage_state=session)
    watched = Watched()
    context.on("page", watched.watch)
    yield context
    context.close()
    assert watched.troubles == []


@pytest.fixture(scope="package")
def session(browser: Browser, service: Service) -> StorageState:
    """What a browser keeps after the operator has logged in."""
    context = browser.new_context(base_url=service.url)
    page = context.new_page()
    page.goto("/admin")
    page.get_by_label("Admin token").fill(service.token)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Operator")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def operator(browser: Browser, service: Service, session: StorageState) -> Iterator[Page]:
    """The operator page with numbers on it and no jobs, in a browser that is watched."""
    for status in ("pending", "processing", "retrying", "completed", "failed"):
        service.command(action="delete", filter={"status": status})
    with watched_context(browser, service.url, session) as context:
        page = context.new_page()
        page.goto("/admin")
        expect(page.locator("#freshness")).to_contain_text("Updated")
        yield page


@pytest.fixture
def context(browser: Browser, service: Service) -> Iterator[BrowserContext]:
    with watched_context(browser, service.url) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto("/")
    return page


@pytest.fixture
def low_is_paused(service: Service) -> Iterator[None]:
    """Jobs of low priority wait for as long as a test wants to look at them."""
    service.command(action="pause", priority="low")
    yield
    service.command(action="resume", priority="low")
