"""Which jobs there are: pages of a list, and all that match a filter. Reads only, in slices, never all records at once."""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import redis

from app.adapters.job_store import JobStore
from app.adapters.newest_first import ALL, SLICE, NewestFirst, Position, parts
from app.adapters.redis_client import PREFIX, translated
from app.domain.ids import is_job_id
from app.domain.job import Job, JobStatus, Priority
from app.errors import CATALOGUE, ValidationFailed

#: How many records one call of `page` looks at before it hands out what it has and a cursor that goes on.
MOST_LOOKED_AT = 1_000
_SETS = {
    JobStatus.PENDING: "pending",
    JobStatus.PROCESSING: "leases",
    JobStatus.RETRYING: "retrying",
    JobStatus.COMPLETED: "ended:completed",
    JobStatus.FAILED: "ended:failed",
}


@dataclass(frozen=True)
class JobFilter:
    """Which jobs are meant: all that is given must hold. `q` is part of the file's name, `before` a time in ms.
    Not meant are jobs whose error has the code `without_code`: a cancelled job, too, has failed."""

    status: JobStatus | None = None
    user_id: str | None = None
    priority: Priority | None = None
    code: str | None = None
    q: str | None = None
    before: int | None = None
    without_code: str | None = None

    def matches(self, job: Job) -> bool:
        return (
            self.status in (None, job.status)
            and self.user_id in (None, job.user_id)
            and self.priority in (None, job.priority)
            and (self.code is None or (job.failure is not None and job.failure.code == self.code))
            and (self.without_code is None or job.failure is None or job.failure.code != self.without_code)
            and (self.q is None or self._needle in _folded(job.file.name))
            and (self.before is None or (job.completed_at or job.created_at) <= self.before)
        )

    @cached_property
    def _needle(self) -> str:
        return _folded(self.q or "")

    @property
    def places(self) -> tuple[str, ...]:
        """The smallest sets that hold all of them together."""
        if self.code and self.status in (None, JobStatus.FAILED):
            # a job that is tried again has the code of its last failure
            tried_again = self.status is None and CATALOGUE[self.code].retryable
            return (f"failed:{self.code}", *(["retrying"] if tried_again else []))
        if self.status is JobStatus.FAILED:
            return tuple(f"failed:{code}" for code in CATALOGUE if code != self.without_code)
        return (_SETS[self.status] if self.status else ALL,)


class JobIndex:
    """All methods raise QueueUnavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._list = NewestFirst(client)

    def page(self, wanted: JobFilter, *, limit: int = 50, cursor: str | None = None) -> tuple[list[Job], str | None]:
        """A page, newest first by creation, and the cursor of the next one; None at the end.

        A page may hold fewer than `limit`, or none, and still have a next one: then not everything was looked at yet.
        Raises ValidationFailed for a cursor that is none of ours.
        """
        found: list[Job] = []
        looked_at = 0
        rows = self._rows(wanted, _position(cursor) if cursor is not None else None, first=limit + 1)
        for part in parts(rows, first=limit + 1):
            for position, job in zip(part, records(self._redis, [job_id for _, job_id in part]), strict=True):
                if job and wanted.matches(job):
                    found.append(job)
                    if len(found) == limit:
                        return found, _cursor_after(position, part, rows)
            looked_at += len(part)
            if looked_at >= MOST_LOOKED_AT:
                return found, _cursor_after(part[-1], part, rows)
        return found, None

    def walk(self, wanted: JobFilter, *, cursor: str | None = None, before: int) -> Iterator[tuple[str, Job | None]]:
        """Whatever has to be looked at, newest first: a cursor that goes on after it, and the job where it matches.

        Begins after `cursor`, or with the newest that was created at `before` (ms). Raises ValidationFailed.
        """
        after = (before + 1, "") if cursor is None else _position(cursor)
        for part in parts(self._rows(wanted, after)):
            for position, job in zip(part, records(self._redis, [job_id for _, job_id in part]), strict=True):
                yield _cursor(position), job if job and wanted.matches(job) else None

    def _rows(self, wanted: JobFilter, after: Position | None, *, first: int = SLICE) -> Iterator[Position]:
        """Whatever has to be looked at; where only a state is asked for, all that is in its set is wanted."""
        all_wanted = wanted == JobFilter(wanted.status)
        return self._list.rows(wanted.places, after, first=first, all_wanted=all_wanted)

    def size(self, wanted: JobFilter) -> int | None:
        """How many match, where one set holds exactly them; None where they would have to be looked at."""
        without: str | None = None
        if wanted == JobFilter(wanted.status) and wanted.status:
            place = _SETS[wanted.status]
        elif wanted == JobFilter(JobStatus.FAILED, without_code=wanted.without_code):
            place, without = _SETS[JobStatus.FAILED], f"failed:{wanted.without_code}"
        elif wanted == JobFilter(wanted.status, code=wanted.code) and wanted.places == (f"failed:{wanted.code}",):
            place = wanted.places[0]
        else:
            return None
        with translated():
            left_out = self._redis.zcard(f"{PREFIX}{without}") if without else 0
            return max(0, int(self._redis.zcard(f"{PREFIX}{place}")) - int(left_out))

    def each(self, wanted: JobFilter) -> Iterator[Job]:
        """All that match, newest first."""
        for part in parts(self._rows(wanted, None)):
            yield from (job for job in records(self._redis, [i for _, i in part]) if job and wanted.matches(job))


def _cursor_after(position: Position, part: list[Position], rest: Iterator[Position]) -> str | None:
    """None for the very last one."""
    is_last = position == part[-1] and next(rest, None) is None
    return None if is_last else _cursor(position)


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
