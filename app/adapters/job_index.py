"""Questions about many jobs at once: how many, which, how fast. Reads only; the job store writes what is read here.

Nothing here reads all records: counts come from the sizes of the sorted sets, lists go through them in slices.
"""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from app.adapters.job_store import JobStore
from app.adapters.redis_client import PREFIX, translated
from app.domain.ids import is_job_id
from app.domain.job import PRIORITIES, Job, JobStatus, Priority
from app.errors import ValidationFailed

#: How many records are fetched at once.
SLICE = 200
#: How many records one call of `page` looks at before it hands out what it has and a cursor that goes on.
MOST_LOOKED_AT = 4_000
#: A status with at most that many jobs is listed from its own set, so that few failed among a million are found at once.
SMALL_SET = 5_000
#: How many of the waiting are asked how long they have waited.
OLDEST_ASKED = 5
HOUR_MS = 3_600_000
MINUTE_MS = 60_000

_SETS = {
    JobStatus.PENDING: "pending",
    JobStatus.PROCESSING: "leases",
    JobStatus.RETRYING: "retrying",
    JobStatus.COMPLETED: "ended:completed",
    JobStatus.FAILED: "ended:failed",
}


@dataclass(frozen=True)
class JobFilter:
    """Which jobs are meant: all that is given must hold. `q` is part of the file's name, `before` a time in ms."""

    status: JobStatus | None = None
    user_id: str | None = None
    priority: Priority | None = None
    code: str | None = None
    q: str | None = None
    before: int | None = None

    def matches(self, job: Job) -> bool:
        return (
            self.status in (None, job.status)
            and self.user_id in (None, job.user_id)
            and self.priority in (None, job.priority)
            and (self.code is None or (job.failure is not None and job.failure.code == self.code))
            and (self.q is None or _folded(self.q) in _folded(job.file.name))
            and (self.before is None or (job.completed_at or job.created_at) <= self.before)
        )

    @property
    def place(self) -> str:
        """The smallest set that holds all of them."""
        if self.code == "cancelled" and self.status in (None, JobStatus.FAILED):
            return "ended:cancelled"
        return _SETS[self.status] if self.status else "jobs"


@dataclass(frozen=True)
class Counts:
    total: int
    pending: int
    processing: int
    retrying: int
    completed: int
    failed: int
    cancelled: int
    last_processed_at: int | None


@dataclass(frozen=True)
class Depth:
    """Of one priority: how many wait, and since when (ms) the longest of those at the front has waited."""

    waiting: int
    oldest_since: int | None
    paused: bool


@dataclass(frozen=True)
class Quantiles:
    """In seconds; None where nothing was measured yet."""

    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class Performance:
    """Jobs ended in the last minute; share of failed ones (cancelled left out) among those ended in the last hour;
    how long the last 500 ran, and how long they had waited before their first attempt."""

    jobs_per_minute: int
    error_rate: float
    run_seconds: Quantiles
    wait_seconds: Quantiles


#: A place in the list, newest first: creation (ms) and id of the last job that was looked at.
Position = tuple[int, str]


class JobIndex:
    """All methods raise QueueUnavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def counts(self) -> Counts:
        """At one moment, so that they add up."""
        places = ("jobs", "pending", "leases", "retrying", "ended:completed", "ended:failed", "ended:cancelled")
        with translated():
            pipe = self._redis.pipeline(transaction=True)
            for place in places:
                pipe.zcard(f"{PREFIX}{place}")
            pipe.lindex(f"{PREFIX}recent", 0)
            total, pending, processing, retrying, completed, failed, cancelled, last = pipe.execute()
        return Counts(
            total=total,
            pending=pending,
            processing=processing,
            retrying=retrying,
            completed=completed,
            failed=failed,
            cancelled=cancelled,
            last_processed_at=int(json.loads(last)[0]) if last else None,
        )

    def depths(self) -> dict[Priority, Depth]:
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for priority in PRIORITIES:
                pipe.zcard(f"{PREFIX}waiting:{priority.value}")
                pipe.zrange(f"{PREFIX}waiting:{priority.value}", 0, OLDEST_ASKED - 1)
                pipe.sismember(f"{PREFIX}paused", priority.value)
            rows = pipe.execute()
        front = {priority: rows[3 * n + 1] for n, priority in enumerate(PRIORITIES)}
        since = self._waiting_since([job_id for ids in front.values() for job_id in ids])
        return {
            priority: Depth(
                rows[3 * n], min((since[i] for i in front[priority] if i in since), default=None), bool(rows[3 * n + 2])
            )
            for n, priority in enumerate(PRIORITIES)
        }

    def _waiting_since(self, ids: Sequence[bytes]) -> dict[bytes, int]:
        """A job that was given back or retried keeps its place by creation; it has waited since then only."""
        jobs = zip(ids, self._records([job_id.decode() for job_id in ids]), strict=True)
        return {job_id: job.due_at or job.updated_at for job_id, job in jobs if job}

    def performance(self, now: int) -> Performance:
        """`now` in ms."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for since in (now - MINUTE_MS, now - HOUR_MS):
                for status in ("completed", "failed", "cancelled"):
                    pipe.zcount(f"{PREFIX}ended:{status}", since, "+inf")
            pipe.lrange(f"{PREFIX}recent", 0, -1)
            completed_now, failed_now, _, completed, failed, cancelled, recent = pipe.execute()
        rows = [json.loads(row) for row in recent]
        errors = max(0, failed - cancelled)
        return Performance(
            jobs_per_minute=completed_now + failed_now,
            error_rate=round(errors / (completed + errors), 4) if completed + errors else 0.0,
            run_seconds=_quantiles([row[2] for row in rows]),
            wait_seconds=_quantiles([row[3] for row in rows if row[3] >= 0]),
        )

    def count_ended_before(self, when: int) -> int:
        """How many jobs ended at that time (ms) or earlier."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for status in ("completed", "failed"):
                pipe.zcount(f"{PREFIX}ended:{status}", "-inf", when)
            return sum(pipe.execute())

    def failures_by_code(self, limit: int = 1_000) -> dict[str, int]:
        """Of the jobs that failed last, at most `limit` of them."""
        with translated():
            ids: Any = self._redis.zrange(f"{PREFIX}ended:failed", 0, limit - 1, desc=True)
        counts: dict[str, int] = {}
        for job in self._records([job_id.decode() for job_id in ids]):
            if job and job.failure:
                counts[job.failure.code] = counts.get(job.failure.code, 0) + 1
        return counts

    # ---- lists ----------------------------------------------------------------------------------------------

    def page(self, wanted: JobFilter, *, limit: int = 50, cursor: str | None = None) -> tuple[list[Job], str | None]:
        """A page, newest first by creation, and the cursor of the next one; None at the end.

        A page may hold fewer than `limit`, or none, and still have a next one: then not everything was looked at yet.
        Raises ValidationFailed for a cursor that is none of ours.
        """
        found: list[Job] = []
        looked_at = 0
        for rows in self._slices(wanted, _position(cursor) if cursor is not None else None):
            for position, job in zip(rows, self._records([job_id for _, job_id in rows]), strict=True):
                if job and wanted.matches(job):
                    found.append(job)
                    if len(found) == limit:
                        return found, self._cursor_after(position, wanted)
            looked_at += len(rows)
            if looked_at >= MOST_LOOKED_AT:
                return found, self._cursor_after(rows[-1], wanted)
        return found, None

    def _cursor_after(self, position: Position, wanted: JobFilter) -> str | None:
        is_last = next(self._slices(wanted, position), None) is None
        return None if is_last else _cursor(position)

    def each(self, wanted: JobFilter) -> Iterator[Job]:
        """All that match, newest first."""
        for rows in self._slices(wanted, None):
            yield from (job for job in self._records([i for _, i in rows]) if job and wanted.matches(job))

    def _slices(self, wanted: JobFilter, after: Position | None) -> Iterator[list[Position]]:
        place = wanted.place
        if place != "jobs":
            with translated():
                is_small = self._redis.zcard(f"{PREFIX}{place}") <= SMALL_SET
            if is_small:
                yield from self._sorted_slices(place, after)
                return
        while rows := self._next_slice(after):
            yield rows
            after = rows[-1]

    def _sorted_slices(self, place: str, after: Position | None) -> Iterator[list[Position]]:
        """The set's own scores are ends or deadlines; the list is by creation."""
        with translated():
            ids: Any = self._redis.zrange(f"{PREFIX}{place}", 0, -1)
            created: Any = self._redis.zmscore(f"{PREFIX}jobs", ids) if ids else []
        known = [(int(at), i.decode()) for at, i in zip(created, ids, strict=True) if at is not None]
        rows = sorted((row for row in known if after is None or row < after), reverse=True)
        for start in range(0, len(rows), SLICE):
            yield rows[start : start + SLICE]

    def _next_slice(self, after: Position | None) -> list[Position]:
        """What comes after a position; several jobs may have been created in the same millisecond."""
        offset, newest = 0, after[0] if after else "+inf"
        while True:
            with translated():
                found: Any = self._redis.zrevrangebyscore(
                    f"{PREFIX}jobs", newest, "-inf", start=offset, num=SLICE, withscores=True
                )
            rows = [(int(at), job_id.decode()) for job_id, at in found]
            kept = [row for row in rows if after is None or row < after]
            if kept or len(rows) < SLICE:
                return kept
            offset += SLICE

    def _records(self, ids: Sequence[str]) -> list[Job | None]:
        jobs: list[Job | None] = []
        for start in range(0, len(ids), SLICE):
            with translated():
                pipe = self._redis.pipeline(transaction=False)
                for job_id in ids[start : start + SLICE]:
                    pipe.hget(f"{PREFIX}job:{job_id}", "record")
                records = pipe.execute()
            jobs += [JobStore.load(record) if record else None for record in records]
        return jobs


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _quantiles(milliseconds: Sequence[float]) -> Quantiles:
    if not milliseconds:
        return Quantiles(None, None)
    ordered = sorted(milliseconds)
    at = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95)]
    return Quantiles(*(round(value / 1000, 3) for value in at))


def _cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(f"{position[0]}.{position[1]}".encode()).decode().rstrip("=")


def _position(cursor: str) -> Position:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        at, _, job_id = text.partition(".")
        if not (at.isascii() and at.isdigit() and len(at) < 16 and is_job_id(job_id)):
            raise ValueError
    except ValueError as error:
        raise ValidationFailed(
            "invalid_field", "The cursor is none that was given out here.", field="cursor"
        ) from error
    return int(at), job_id
