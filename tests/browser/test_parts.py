"""The page's rules that need no service: what the lines say, what the pace tells, how words are found. Run in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Service, watched_context

pytestmark = [pytest.mark.browser, pytest.mark.live]

NOW = 1_764_338_400_000  # 28 November 2025, 14:00 UTC


@pytest.fixture(scope="module")
def page(browser: Browser, service: Service) -> Iterator[Page]:
    """One for all of them: they leave nothing on it."""
    with watched_context(browser, service.url) as context:
        page = context.new_page()
        page.goto("/")
        yield page


def run(page: Page, module: str, body: str, *arguments: object) -> Any:
    """`body` is the end of an arrow function of (m, …arguments), `m` being the module."""
    return page.evaluate(
        f"async (given) => (({body})(await import('/static/js/{module}.js'), ...given))", list(arguments)
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "a few seconds"),
        (19, "about 20 s"),
        (41, "about 50 s"),
        (62, "about 1 minute"),
        (170, "about 3 minutes"),
        (7300, "about 2 hours"),
    ],
)
def test_a_guessed_time_is_told_roughly(page: Page, seconds: int, words: str) -> None:
    assert run(page, "words", "(m, count) => m.about(count)", seconds) == words


@pytest.mark.parametrize(("days_ago", "words"), [(0, "today at"), (4, "24 Nov"), (400, "24 Oct 2024")])
def test_a_day_is_told_with_as_much_as_is_needed(page: Page, days_ago: int, words: str) -> None:
    told = run(page, "words", "(m, at, now) => m.day(at, now)", NOW - days_ago * 86_400_000, NOW)
    assert told.startswith(words)


WAITING: list[tuple[dict[str, Any], str]] = [
    ({"waiting": {"reason": "next", "jobsAhead": 0, "estimatedSeconds": 1}}, "Next in line, about 1 s"),
    ({"waiting": {"reason": "behind_jobs", "jobsAhead": 2, "estimatedSeconds": 4.2}}, "2 jobs ahead, about 5 s"),
    ({"waiting": {"reason": "behind_jobs", "jobsAhead": 1, "estimatedSeconds": None}}, "1 job ahead"),
    ({"waiting": {"reason": "paused"}}, "Waiting: this priority is paused by the operator"),
    ({"waiting": {"reason": "no_worker"}}, "Waiting: no worker for this priority is running"),
    ({"waiting": {"reason": "backoff"}, "error": {"code": "worker_lost"}}, "Another worker takes over"),
]


@pytest.mark.parametrize(("document", "words"), WAITING)
def test_a_job_that_waits_says_why_and_how_long(page: Page, document: dict[str, Any], words: str) -> None:
    assert run(page, "words", "(m, document, now) => m.waitingWords(document, now)", document, NOW) == words


SILENT = """async (seconds, now) => {
    const { Item } = await import("/static/js/item.js");
    const { Row } = await import("/static/js/row.js");
    const item = new Item({ jobId: "job_" + "a".repeat(24), name: "slow.pdf", size: 10 });
    const at = new Date(now).toISOString();
    item.take({
        status: "processing", version: 2, progress: { currentStep: "Reading", percentage: 30, pagesDone: 37, pagesTotal: 122 },
        timestamps: { createdAt: at, startedAt: new Date(now - 5000).toISOString(), updatedAt: at },
    }, now);
    const row = new Row(item, {});
    row.render(now + seconds * 1000);
    return row.element.querySelector(".line").innerText || row.element.querySelector(".line").textContent;
}"""


@pytest.mark.parametrize(("seconds", "words"), [(4, "9 s"), (12, "no news for 12 s")])
def test_a_job_that_is_read_says_its_page_and_when_nothing_was_heard_of_it(
    page: Page, seconds: int, words: str
) -> None:
    line = page.evaluate(f"([seconds, now]) => ({SILENT})(seconds, now)", [seconds, NOW])
    assert line.startswith("Reading · page 37 of 122")
    assert words in line


PACE = """(m, ended, open, held, seconds) => {
    const file = (isOpen, isHeld = false) => ({ isOpen, isHeld });
    const all = [...Array(ended + open)].map(() => file(true)).concat([...Array(held)].map(() => file(true, true)), file(false));
    const pace = new m.Pace();
    const atFirst = pace.left(all, 0);
    all.slice(0, ended).forEach((one) => (one.isOpen = false));
    return [atFirst, pace.left(all, seconds * 1000)];
}"""


@pytest.mark.parametrize(
    ("ended", "opened", "held", "seconds", "left"), [(10, 5, 0, 20, 10), (1, 5, 0, 20, None), (10, 0, 3, 20, None)]
)
def test_what_is_left_is_told_from_the_pace_of_what_has_ended(
    page: Page, ended: int, opened: int, held: int, seconds: int, left: int | None
) -> None:
    assert run(page, "summary", PACE, ended, opened, held, seconds) == [None, left]


@pytest.mark.parametrize(
    ("text", "query", "count"),
    [
        ("one two one", "one", 2),
        ("STRASSE Straße", "straße", 1),
        ("İstanbul istanbul", "istanbul", 1),
        ("a\nb", "a b", 1),
        ("(a.b)", "(a.b)", 1),
        ("axb", "a.b", 0),
        ("anything", "   ", 0),
        ("😀 smile 😀", "😀", 2),
    ],
)
def test_words_are_found_as_they_are_written(page: Page, text: str, query: str, count: int) -> None:
    found = run(page, "search", "(m, pages, query) => m.search(pages, query)", [{"number": 1, "text": text}], query)
    assert len(found) == count


def test_an_older_document_never_overtakes_a_newer_one(page: Page) -> None:
    story = """(m) => {
        const item = new m.Item({ jobId: "job_" + "a".repeat(24), name: "a", size: 1 });
        const document = (version, percentage, second) => ({
            status: "processing", version, progress: { percentage }, timestamps: { updatedAt: `2026-01-01T00:00:0${second}.000Z` },
        });
        return [[2, 40, 2], [1, 10, 1], [3, 60, 3]].map((each) => [item.take(document(...each), 0), Math.round(item.read * 100)]);
    }"""
    assert run(page, "item", story) == [[True, 40], [False, 40], [True, 60]]
