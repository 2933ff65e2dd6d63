"""The upload page as a person meets it, in Chromium: from dropping a file to its preview, and whether 200 moving rows stay smooth."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from app.domain.job import Job, Priority, Progress
from bench.installation import GaveUp, Installation
from bench.options import Options
from bench.processes import wait_for_quiet
from bench.report import Figure, Say, median, percentile

DROPS, WARM_UP, SIZE = 40, 5, 100_000
ROWS, SECONDS = 200, 10
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FIND = ("chromium", "chromium-browser", "google-chrome", "chrome")

#: Drops a file and gives the milliseconds until the frame in which its text is on the page.
DROP = """([name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name));
    const began = performance.now();
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    return new Promise((resolve) => {
        const look = () => requestAnimationFrame(() => {
            const row = document.querySelector(".row");
            const shown = row?.querySelector(".name").textContent === name && row.querySelector(".excerpt:not([hidden])");
            shown?.textContent ? resolve(performance.now() - began) : look();
        });
        look();
    });
}"""
DROP_MANY = """(count) => {
    const data = new DataTransfer();
    for (let number = 0; number < count; number += 1) data.items.add(new File([`note ${number}`], `note-${number}.txt`));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""
RECORD_FRAMES = """() => {
    window.frames_ = [];
    window.tasks_ = [0];
    const tasks = new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => window.tasks_.push(duration)));
    tasks.observe({ entryTypes: ["longtask"] });
    let last = performance.now();
    const frame = (now) => { window.frames_.push(now - last); last = now; requestAnimationFrame(frame); };
    requestAnimationFrame((now) => { last = now; requestAnimationFrame(frame); });
}"""
COUNT = "(state) => document.querySelectorAll(`.row[data-state=${state}]`).length"


def measure(options: Options, say: Say) -> list[Figure]:
    return _previews(options) + _smoothness(options, say)


@contextmanager
def _opened(at: Installation) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{at.port}/")
        yield page
        browser.close()


def _chromium() -> str:
    found = next((path for path in map(shutil.which, FIND) if path), None)
    if found is None:
        raise GaveUp("Chromium is not on the PATH")
    return found


def _previews(options: Options) -> list[Figure]:
    with Installation(options.where) as at:
        at.web()
        at.worker()
        with _opened(at) as page:
            page.locator("#file").focus()
            wait_for_quiet()
            times = []
            for number in range(WARM_UP + DROPS):
                text = f"line of upload {number:05d}\n" * (SIZE // 22)
                times.append(page.evaluate(DROP, [f"note-{number}.txt", text]))
    kept = times[WARM_UP:]
    return [
        Figure(
            "pages: drop of a 100 kB text → its preview, p50", median(kept), "ms", at_most=150, note=f"{DROPS} drops"
        ),
        Figure("pages: the same, p95", percentile(kept, 0.95), "ms", note=f"the first of all {times[0]:.0f} ms"),
    ]


def _smoothness(options: Options, say: Say) -> list[Figure]:
    with Installation(options.where) as at:
        at.web()
        with _opened(at) as page:
            page.evaluate(DROP_MANY, ROWS)
            _until(page, "pending")
            jobs = [_claimed(at) for _ in range(ROWS)]
            _until(page, "processing")
            wait_for_quiet()
            page.evaluate(RECORD_FRAMES)
            steps = _move_all(at, jobs)
            frames: list[float] = page.evaluate("window.frames_")
            longest = max(page.evaluate("window.tasks_"))
    say(f"  {steps} steps of {ROWS} jobs in {SECONDS} s, {len(frames)} frames")
    return [
        Figure(
            f"pages: {ROWS} rows all moving, the longest frame",
            max(frames),
            "ms",
            at_most=100,
            note=f"{steps / SECONDS:.0f} steps a second; the page's own longest task {longest:.0f} ms (0: below 50)",
        ),
        Figure("pages: the same, p99", percentile(frames, 0.99), "ms", note=f"{len(frames)} frames in {SECONDS} s"),
    ]


def _until(page: Page, state: str) -> None:
    page.wait_for_function(f"() => ({COUNT})('{state}') === {ROWS}", timeout=120_000)


def _claimed(at: Installation) -> Job:
    """A job of the page that this process holds for an hour, so that its record is ours to change."""
    jobs = at.services.jobs
    job = jobs.claim_next(Priority.MEDIUM, holder=at.services.name, token=secrets.token_hex(8))
    if job is None:
        raise GaveUp("fewer jobs wait than were dropped")
    at.services.redis.zadd("ingest:leases", {job.id: jobs.now() + 3_600_000}, xx=True)
    return job


def _move_all(at: Installation, jobs: list[Job]) -> int:
    """Each job a page on, one after the other, again and again; how many steps that were."""
    store, steps = at.services.jobs, 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        place = steps % len(jobs)
        page = jobs[place].progress.pages_done + 1
        new = jobs[place].progressed(Progress("Reading", page % 100, f"Page {page}", page), now=store.now())
        if not store.replace(jobs[place], new):
            raise GaveUp("a job was taken away")
        jobs[place] = new
        steps += 1
        time.sleep(max(0.0, end - SECONDS + steps / (2 * len(jobs)) - time.monotonic()))
    return steps
