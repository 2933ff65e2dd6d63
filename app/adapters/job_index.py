"""Which jobs there are: pages of a list, and all that match a filter. Reads only, in slices, never all records at once."""

from __future__ import annotations

import base64
import heapq
import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from app.adapters.job_store import JobStore
from app.adapters.redis_client import PREFIX, translated
from app.domain.ids import is_job_id
from app.domain.job import Job, JobStatus, Priority
from app.errors import CATALOGUE, ValidationFailed

#: How many records are fetched at once.
SLICE = 200
#: How many records one call of `page` looks at before it hands out what it has and a cursor that goes on.
MOST_LOOKED_AT = 4_000
#: A set that is not by creation is sorted where it holds at most that many, so that few among a million are found at once.
SMALL_SET = 5_000
#: The set of all jobs.
ALL = "jobs"
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
    def places(self) -> tuple[str, ...]:
        """The smallest sets that hold all of them together."""
        if self.code and self.status in (None, JobStatus.FAILED):
            # a job that is tried again has the code of its last failure
            tried_again = self.status is None and CATALOGUE[self.code].retryable
            return (f"failed:{self.code}", *(["retrying"] if tried_again else []))
        return (_SETS[self.status] if self.status else ALL,)


#: A place in the list, newest first: creation (ms) and id of the last job that was looked at.
Position = tuple[int, str]


class JobIndex:
    """All methods raise QueueUnavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def page(self, wanted: JobFilter, *, limit: int = 50, cursor: str | None = None) -> tuple[list[Job], str | None]:
        """A page, newest first by creation, and the cursor of the next one; None at the end.

        A page may hold fewer than `limit`, or none, and still have a next one: then not everything was looked at yet.
        Raises ValidationFailed for a cursor that is none of ours.
        """
        found: list[Job] = []
        looked_at = 0
        for rows in self._slices(wanted, _position(cursor) if cursor is not None else None):
            for position, job in zip(rows, records(self._redis, [job_id for _, job_id in rows]), strict=True):
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

    def walk(self, wanted: JobFilter, *, cursor: str | None = None, before: int) -> Iterator[tuple[str, Job | None]]:
        """Whatever has to be looked at, newest first: a cursor that goes on after it, and the job where it matches.

        Begins after `cursor`, or with the newest that was created at `before` (ms). Raises ValidationFailed.
        """
        after = (before + 1, "") if cursor is None else _position(cursor)
        for rows in self._slices(wanted, after):
            for position, job in zip(rows, records(self._redis, [job_id for _, job_id in rows]), strict=True):
                yield _cursor(position), job if job and wanted.matches(job) else None

    def size(self, wanted: JobFilter) -> int | None:
        """How many match, where one set holds exactly them; None where they would have to be looked at."""
        if wanted != JobFilter(wanted.status, code=wanted.code) or len(wanted.places) > 1 or ALL in wanted.places:
            return None
        if wanted.code and not wanted.places[0].startswith("failed:"):
            return None
        with translated():
            return int(self._redis.zcard(f"{PREFIX}{wanted.places[0]}"))

    def each(self, wanted: JobFilter) -> Iterator[Job]:
        """All that match, newest first."""
        for rows in self._slices(wanted, None):
            yield from (job for job in records(self._redis, [i for _, i in rows]) if job and wanted.matches(job))

    def _slices(self, wanted: JobFilter, after: Position | None) -> Iterator[list[Position]]:
        places = wanted.places
        if not all(_is_by_creation(place) or self._is_small(place) for place in places):
            places = self._failed_by_code() if places == (_SETS[JobStatus.FAILED],) else (ALL,)
        rows = _each_once(heapq.merge(*(self._rows(place, after) for place in places), reverse=True))
        while found := list(itertools.islice(rows, SLICE)):
            yield found

    def _failed_by_code(self) -> tuple[str, ...]:
        """The sets that hold all failed jobs together, each by creation."""
        places = [f"failed:{code}" for code in CATALOGUE]
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for place in places:
                pipe.exists(f"{PREFIX}{place}")
            return tuple(itertools.compress(places, pipe.execute()))

    def _is_small(self, place: str) -> bool:
        with translated():
            return int(self._redis.zcard(f"{PREFIX}{place}")) <= SMALL_SET

    def _rows(self, place: str, after: Position | None) -> Iterator[Position]:
        """All of one set after a position, newest first by creation."""
        if not _is_by_creation(place):
            yield from self._sorted(place, after)
            return
        while found := self._next_slice(place, after):
            yield from found
            after = found[-1]

    def _sorted(self, place: str, after: Position | None) -> list[Position]:
        """The set's own scores are ends or deadlines; the list is by creation."""
        with translated():
            ids: Any = self._redis.zrange(f"{PREFIX}{place}", 0, -1)
            created: Any = self._redis.zmscore(f"{PREFIX}{ALL}", ids) if ids else []
        known = [(int(at), i.decode()) for at, i in zip(created, ids, strict=True) if at is not None]
        return sorted((row for row in known if after is None or row < after), reverse=True)

    def _next_slice(self, place: str, after: Position | None) -> list[Position]:
        """What comes after a position; several jobs may have been created in the same millisecond."""
        offset, newest = 0, after[0] if after else "+inf"
        while True:
            with translated():
                found: Any = self._redis.zrevrangebyscore(
                    f"{PREFIX}{place}", newest, "-inf", start=offset, num=SLICE, withscores=True
                )
            rows = [(int(at), job_id.decode()) for job_id, at in found]
            kept = [row for row in rows if after is None or row < after]
            if kept or len(rows) < SLICE:
                return kept
            offset += SLICE


def _is_by_creation(place: str) -> bool:
    return place in (ALL, "pending") or place.startswith("failed:")


def _each_once(rows: Iterable[Position]) -> Iterator[Position]:
    """Of rows in order; a job that moved from one set to another while they were read stands in both."""
    return (row for row, _ in itertools.groupby(rows))


def records(client: redis.Redis, ids: Sequence[str]) -> list[Job | None]:
    """In the order asked for; None where there is no such job."""
    jobs: list[Job | None] = []
    for start in range(0, len(ids), SLICE):
        with translated():
            pipe = client.pipeline(transaction=False)
            for job_id in ids[start : start + SLICE]:
                pipe.hget(f"{PREFIX}job:{job_id}", "record")
            found = pipe.execute()
        jobs += [JobStore.load(record) if record else None for record in found]
    return jobs


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


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
