"""What one client of a stream has seen of its jobs, and what to tell it next.

An id stands for everything it has seen of its list: `<checksum of the list>.<version>-<version>-…`, in base 36, `0` for a
job it was not told of yet and `X` (no digit: those are lower case) for one that is gone. So a reconnect goes on in each
job where it was.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256

from app.adapters.event_log import BATCH, EventLog
from app.domain.ids import is_job_id
from app.domain.job import Job, JobStatus
from app.errors import QueueUnavailable, RequestRefused, StorageFailed, StorageUnavailable
from app.ingestion.waiting import waiting_of
from app.services import Services
from app.web.context import must_be_gone
from app.web.documents import Waits, status_document, waiting_document
from app.web.streams import BEGINNING, NO_ANSWER, OUTAGE_PAUSE, frame

#: Seconds between signs of life (that is also how a client that went away is noticed); each look is a fresh one.
HEARTBEAT = 8.0
#: Seconds between looks at the queue.
MOVES_EVERY = 2.0
_UNSENT, _GONE = 0, -1
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_FORM = re.compile(r"([0-9a-f]{12})\.((?:X|[0-9a-z]{1,9})(?:-(?:X|[0-9a-z]{1,9}))*)", re.ASCII)
_OUTAGES = (QueueUnavailable, StorageUnavailable, StorageFailed)


class _Followed:
    """What the client knows of one job: the version it saw last, and that state itself where it is known here."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.seen = _UNSENT
        self.job: Job | None = None
        self.place_told: tuple[str, int] | None = None

    @property
    def is_over(self) -> bool:
        return self.seen == _GONE or (self.job is not None and self.job.status.is_final)


class ClientView:
    """One client's stream: which jobs, how far it has seen each of them, and what to tell it next."""

    def __init__(self, at: Services, log: EventLog, job_ids: Sequence[str]) -> None:
        self._at = at
        self._log = log
        self._followed = {job_id: _Followed(job_id) for job_id in job_ids}
        self._checksum = sha256(",".join(self._followed).encode("utf-8", "replace")).hexdigest()[:12]

    @property
    def is_over(self) -> bool:
        """Every job is final or gone, and the client knows it."""
        return all(job.is_over for job in self._followed.values())

    @property
    def id(self) -> str:
        return f"{self._checksum}.{'-'.join(_written(job.seen) for job in self._followed.values())}"

    # ---- the beginning --------------------------------------------------------------------------------------

    def open(self, last_id: str, *, of_one: bool) -> None:
        """Goes on where `last_id` ended, if it is one of ours; raises `not_found` for one unknown job alone."""
        self._resume(last_id)
        known = [job_id for job_id in self._followed if is_job_id(job_id)]
        with self._log.turn():
            records = dict(zip(known, self._at.jobs.get_many(known), strict=True))
        for job in self._followed.values():
            record = records.get(job.job_id)
            if record is None:
                if of_one and job.seen == _UNSENT:
                    must_be_gone(self._at, job.job_id)
                    raise RequestRefused("not_found")
            elif job.seen > record.version or job.seen == _GONE:
                job.seen = _UNSENT  # of another history
            elif job.seen == record.version:
                job.job = record

    def _resume(self, last_id: str) -> None:
        form = _ID_FORM.fullmatch(last_id)
        if form is None or form[1] != self._checksum:
            return
        versions = form[2].split("-")
        if len(versions) == len(self._followed):
            for job, version in zip(self._followed.values(), versions, strict=True):
                job.seen = _GONE if version == "X" else int(version, 36)

    # ---- the stream -----------------------------------------------------------------------------------------

    def frames(self, stop: threading.Event) -> Iterator[str]:
        """Ends after the last final state, or at once when the server stops (the client then comes back)."""
        yield BEGINNING
        with self._log.watch(self._followed) as watcher:
            to_tell = set(self._followed)
            beat = time.monotonic()
            moves = beat + MOVES_EVERY
            while not stop.is_set():
                try:
                    for told in self._news(to_tell):
                        beat = time.monotonic()
                        yield told
                    if self.is_over:
                        return
                    if time.monotonic() >= beat + HEARTBEAT:
                        beat = time.monotonic()
                        yield ":\n\n"
                        to_tell |= self._to_look_at_again()
                        continue
                    if self._some_wait() and time.monotonic() >= moves:
                        yield from self._moves()
                        moves = time.monotonic() + MOVES_EVERY
                    pause = beat + HEARTBEAT - time.monotonic()
                    if self._some_wait():
                        pause = min(pause, moves - time.monotonic())
                except _OUTAGES:
                    pause = OUTAGE_PAUSE
                    yield NO_ANSWER
                watcher.wait(pause)
                to_tell |= watcher.take()

    def _news(self, to_tell: set[str]) -> Iterator[str]:
        """What the client has not seen; a job leaves `to_tell` when it was told whole."""
        for job_id in [job_id for job_id in self._followed if job_id in to_tell]:
            yield from self._news_of(self._followed[job_id])
            to_tell.discard(job_id)

    def _news_of(self, job: _Followed) -> Iterator[str]:
        while job.seen != _GONE:
            if not is_job_id(job.job_id):
                yield self._gone(job)
                return
            reading = self._log.read(job.job_id, max(job.seen, 0))
            if reading.version is None or job.seen == _UNSENT or not self._follows(job, reading.entries):
                if reading.version != job.seen:
                    yield from self._present(job)
                return
            for entry in reading.entries:
                yield self._status(job, entry, is_last=entry is reading.entries[-1])
            if len(reading.entries) < BATCH:
                return

    @staticmethod
    def _follows(job: _Followed, entries: Sequence[Job]) -> bool:
        return bool(entries) and entries[0].version == job.seen + 1

    def _present(self, job: _Followed) -> Iterator[str]:
        """The state as it is now: for a beginning, and where entries are missing in between."""
        with self._log.turn():
            record = self._at.jobs.get(job.job_id)
        if record is not None:
            yield self._status(job, record, is_last=True)
        else:
            must_be_gone(self._at, job.job_id)
            yield self._gone(job)

    def _to_look_at_again(self) -> set[str]:
        """All that may still change; and a Redis that came back a second older may have told another story since."""
        open_jobs = [job for job in self._followed.values() if not job.is_over]
        with self._log.turn():
            records = self._at.jobs.get_many([job.job_id for job in open_jobs])
        for job, record in zip(open_jobs, records, strict=True):
            if record and job.job and record.version == job.seen and record.updated_at != job.job.updated_at:
                job.seen = _UNSENT
        return {job.job_id for job in open_jobs}

    def _some_wait(self) -> bool:
        return any(_waits(job.job) for job in self._followed.values())

    def _moves(self) -> Iterator[str]:
        for job in self._followed.values():
            if job.job is not None and _waits(job.job):
                waiting = self._place_of(job.job)
                if waiting is not None and _place(waiting) != job.place_told:
                    job.place_told = _place(waiting)
                    yield frame("waiting", {"jobId": job.job_id, "waiting": waiting_document(waiting)})

    def _place_of(self, state: Job) -> Waits | None:
        with self._log.turn():
            return waiting_of(self._at, state)

    def _status(self, job: _Followed, state: Job, *, is_last: bool) -> str:
        waiting = self._place_of(state) if is_last and _waits(state) else None
        job.seen, job.job, job.place_told = state.version, state, _place(waiting) if waiting else None
        document = status_document(state, waiting, max_attempts=self._at.policy.max_attempts)
        return frame("status", document, self.id)

    def _gone(self, job: _Followed) -> str:
        job.seen, job.job = _GONE, None
        return frame("gone", {"jobId": job.job_id}, self.id)


def _waits(job: Job | None) -> bool:
    return job is not None and job.status in (JobStatus.PENDING, JobStatus.RETRYING)


def _place(waiting: Waits) -> tuple[str, int]:
    return waiting.reason, waiting.jobs_ahead


def _written(version: int) -> str:
    if version == _GONE:
        return "X"
    digits = ""
    while version or not digits:
        version, digit = divmod(version, 36)
        digits = _DIGITS[digit] + digits
    return digits
