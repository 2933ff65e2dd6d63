"""A claimed job while it is worked on: its claim is renewed, its progress written, and its outcome committed once.

The loop that reads the parser's frames never waits for Redis: it leaves its progress here, and the keeper's thread
writes it down (at most ten times a second, at most once a percent), renews the claim each second and learns when the
claim is gone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from app.adapters.job_store import JobStore
from app.domain.job import MOST_BEFORE_THE_END, Job, Progress
from app.errors import QueueUnavailable

RENEW_SECONDS = 1.0
#: How long an outcome is kept for a Redis that does not answer; after it another attempt does the job again.
COMMIT_PATIENCE_SECONDS = 120.0


class ClaimLost(Exception):
    """The job is not ours any more: cancelled, deleted, or taken for lost. Nothing of ours may be written."""


class Holding:
    """One claimed job while it is worked on. `report` is cheap and never waits; `end` writes the outcome."""

    def __init__(self, jobs: JobStore, job: Job, *, on_gone: Callable[[], None]) -> None:
        assert job.claim is not None  # noqa: S101 - only claimed jobs are held
        self.token, self.holder = job.claim.token, job.claim.holder
        self.gone = False
        self._ending = False
        self._jobs, self._job, self._on_gone = jobs, job, on_gone
        self._lock = threading.Lock()
        self._latest: Progress | None = None
        self._renewed = time.monotonic()

    @property
    def job(self) -> Job:
        return self._job

    def report(self, progress: Progress) -> None:
        self._latest = progress

    def tick(self) -> None:
        with self._lock:
            if self.gone or self._ending:
                return
            try:
                self._write_progress()
                self._renew()
            except QueueUnavailable:
                return  # Redis is away: the lease stands for a while, and the next tick tries again
            if self.gone:
                self._on_gone()

    def end(self, change: Callable[[Job, int], Job]) -> Job:
        """Writes how the attempt ended. Raises ClaimLost, or QueueUnavailable after two minutes without Redis."""
        give_up = time.monotonic() + COMMIT_PATIENCE_SECONDS
        outcome = _same_words(change)
        self._ending = True  # whose claim it is learns only who writes the outcome: it may have been written already
        while True:
            with self._lock:
                try:
                    if self.gone or not self._replace(outcome):
                        raise ClaimLost
                    self.gone = True  # ended: nothing more to renew
                    return self._job
                except QueueUnavailable:
                    if time.monotonic() > give_up:
                        raise
            time.sleep(0.25)

    def _write_progress(self) -> None:
        latest = self._latest
        if latest is None or min(latest.percentage, MOST_BEFORE_THE_END) <= self._job.progress.percentage:
            return
        if not self._replace(lambda job, now: job.progressed(latest, now=now)):
            self.gone = True

    def _renew(self) -> None:
        at = time.monotonic()
        if self.gone or at - self._renewed < RENEW_SECONDS:
            return
        self.gone = not self._jobs.renew(self._job.id, token=self.token, holder=self.holder)
        self._renewed = at

    def _replace(self, change: Callable[[Job, int], Job]) -> bool:
        """False when the claim is gone. A refused write whose claim still stands was sent twice: the record's version
        is taken over, and the change is made again on top of it."""
        for _ in range(5):
            new = change(self._job, self._jobs.now())
            if self._jobs.replace(self._job, new):
                self._job = new
                return True
            current = self._jobs.get(self._job.id)
            if current is not None and not new.is_held_under(self.token) and current == new:
                self._job = current  # it was written, and only the answer was lost
                return True
            if current is None or not current.is_held_under(self.token):
                return False
            self._job = current
        return False


def _same_words(change: Callable[[Job, int], Job]) -> Callable[[Job, int], Job]:
    """The same outcome, to the millisecond, for as long as it is tried on the same record: one that was carried out
    without an answer (a frozen Redis does that later) is then known again as our own."""
    made: list[tuple[Job, Job]] = []

    def said(job: Job, now: int) -> Job:
        if not made or made[-1][0] is not job:
            made.append((job, change(job, now)))
        return made[-1][1]

    return said
