"""A thousand people who watch a job each, all on one web process: what everybody else's requests take meanwhile."""

from __future__ import annotations

import re
import secrets
import threading
import time
from pathlib import Path

from app.domain.job import Job, Progress
from bench.http import Connection, form, head
from bench.installation import GaveUp, Installation
from bench.options import Options
from bench.processes import wait_for_quiet
from bench.report import Figure, Say, median, percentile
from bench.sizing import MIB, resident_share
from bench.watch import Moments, Watchers, claimed, delays_of

CHANGES_A_SECOND = 60
REQUESTS, UPLOADS = 10_000, 200
ADMIN = "the-admin-of-the-bench"

Times = dict[str, list[float]]


class Hand:
    """Changes the records of the watched jobs, one after another, in a thread of its own until it is told to stop."""

    def __init__(self, at: Installation, jobs: list[Job]) -> None:
        self.sent: Moments = {}
        self.failed = ""
        self._at, self._jobs, self._stop = at, jobs, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Hand:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        began, number = time.monotonic(), 0
        while not self._stop.wait(max(0.0, began + number / CHANGES_A_SECOND - time.monotonic())):
            self._change(number * 7 % len(self._jobs))
            number += 1

    def _change(self, number: int) -> None:
        job, store = self._jobs[number], self._at.services.jobs
        page = job.progress.pages_done + 1
        new = job.progressed(Progress("Processing file", page % 100, f"Page {page}", page), now=store.now())
        self.sent[job.id, new.version] = time.monotonic()
        if not store.replace(job, new):
            self.failed = "a job was taken away"
        self._jobs[number] = new


def measure(options: Options, say: Say) -> list[Figure]:
    many, threads = options.watchers, str(options.watchers * 7 // 5)
    with Installation(options.where, WEB_THREADS=threads, ADMIN_TOKEN=ADMIN, LOG_LEVEL="warning") as at:
        jobs = [claimed(at) for _ in range(many)]
        say(f"  {many:,} jobs are held")
        serving = at.serving(at.web())
        _asked(at, jobs[0].id, 100)
        wait_for_quiet()
        before, memory = _asked(at, jobs[0].id, REQUESTS), resident_share(serving)
        watchers = Watchers(at.port, [job.id for job in jobs])
        try:
            with Hand(at, jobs) as hand:
                during = _asked(at, jobs[0].id, REQUESTS)
            held, count = resident_share(serving), _threads(serving)
            time.sleep(0.5)
            if hand.failed:
                raise GaveUp(hand.failed)
            delays = delays_of(hand.sent, watchers.end(), expected=len(hand.sent))
        finally:
            watchers.kill()
    for name, times in during.items():
        say(f"  {name}: {_shown(times)}; without watchers {_shown(before[name])}")
    return [
        *(_figure(name, during[name], before[name], many) for name in during),
        Figure(
            "crowd: event → client, p99",
            percentile(delays, 0.99),
            "ms",
            note=f"p50 {median(delays):.1f}, {len(delays)} events",
        ),
        Figure("crowd: memory of the web process", held / MIB, "MiB", note=f"{memory / MIB:.0f} MiB without them"),
        Figure("crowd: its threads", count, note=f"WEB_THREADS={threads}"),
    ]


def _figure(name: str, times: list[float], alone: list[float], many: int) -> Figure:
    note = f"p50 {median(times):.1f}; without watchers p50 {median(alone):.1f}, p99 {percentile(alone, 0.99):.1f}"
    return Figure(f"crowd: {name} with {many:,} watchers, p99", percentile(times, 0.99), "ms", at_most=50, note=note)


def _shown(times: list[float]) -> str:
    return f"p50 {median(times):.2f}, p99 {percentile(times, 0.99):.2f}, at most {max(times):.1f} ms"


def _threads(pid: int) -> int:
    found = re.search(r"^Threads:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def _asked(at: Installation, job_id: str, many: int) -> Times:
    """What people do meanwhile; each kind is asked in turn, on a connection that stays. Milliseconds of each."""
    status = head("GET", f"/api/ingest/status/{job_id}")
    numbers = head("GET", "/api/admin/queue", Authorization=f"Bearer {ADMIN}")
    times: Times = {"status": [], "statistics": [], "upload of 1 kB": []}
    with Connection(at.port) as connection:
        for number in range(many):
            times["status"].append(_took(connection, status, 200))
            if number % 5 == 0:
                times["statistics"].append(_took(connection, numbers, 200))
            if number % max(1, many // UPLOADS) == 0:
                upload = form(secrets.token_hex(500).encode(), f"note-{number}.txt")
                times["upload of 1 kB"].append(_took(connection, upload, 202))
    return times


def _took(connection: Connection, request: bytes, wanted: int) -> float:
    began = time.perf_counter()
    answer = connection.ask(request)
    took = 1000 * (time.perf_counter() - began)
    if answer[0] != wanted:
        raise GaveUp(f"answered {answer[0]} {answer[1][:200]!r}")
    return took
