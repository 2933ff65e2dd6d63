"""One act on many jobs: retry, cancel, delete those of a list, or all that a filter means, or give them another priority.

A request does a slice of it and says where the next one goes on, so that a large act shows how far it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from app.adapters.job_index import JobFilter
from app.domain.job import Job, JobStatus, Priority
from app.errors import IngestError, QueueUnavailable, RequestRefused, ValidationFailed
from app.ingestion.cancel import cancel, change_priority, delete, retry
from app.services import Services

#: How many ids an answer names, and how many jobs a dry run shows.
SHOWN_IDS = 100
SAMPLE = 10
#: One request changes at most that many jobs, and looks at most at that many; the answer says when there are more.
MOST_AT_ONCE = 10_000
MOST_LOOKED_AT = 100_000
#: Nor does it go on for longer than that: whoever waits for the answer, or a proxy on the way, gives up after half a minute.
MOST_SECONDS = 20.0

_LIVE = frozenset(status for status in JobStatus if not status.is_final)
#: In which states an act changes something; elsewhere a job is passed over.
_APPLIES: dict[str, frozenset[JobStatus]] = {
    "retry": frozenset({JobStatus.FAILED, JobStatus.RETRYING}),
    "cancel": _LIVE,
    "delete": frozenset(JobStatus),
    "priority": frozenset({JobStatus.PENDING, JobStatus.RETRYING}),
}
_ACTS: dict[str, Callable[[Services, str], object]] = {"retry": retry, "cancel": cancel, "delete": delete}


@dataclass(frozen=True)
class Act:
    """What is to be done with each job; `priority` is the new one, where that is the act."""

    name: str
    priority: Priority | None = None

    def applies_to(self, job: Job) -> bool:
        return job.status in _APPLIES[self.name] and job.priority is not self.priority

    def applies_to_all(self, status: JobStatus | None) -> bool:
        """Whether it changes every job of that state."""
        return self.priority is None and status in _APPLIES[self.name]

    def do(self, services: Services, job_id: str) -> None:
        if self.priority is not None:
            change_priority(services, job_id, self.priority)
        else:
            _ACTS[self.name](services, job_id)


@dataclass(frozen=True)
class Slice:
    """Which part of the work a request does: at most `limit` jobs are looked at, after `cursor`; jobs that were created
    after `before` (ms) are not meant; `bounded`: it was asked for, and is not just the present."""

    before: int
    limit: int | None = None
    cursor: str | None = None
    dry_run: bool = False
    bounded: bool = False

    @property
    def most_looked_at(self) -> int:
        return self.limit or MOST_LOOKED_AT


@dataclass
class Outcome:
    """How many jobs were changed (or would be), how many could not be, the first of them, and where to go on."""

    affected: int = 0
    failed: int = 0
    job_ids: list[str] = field(default_factory=list)
    sample: list[Job] = field(default_factory=list)
    next_cursor: str | None = None

    def add(self, job: Job) -> None:
        self.affected += 1
        self.show(job)

    def show(self, job: Job) -> None:
        if len(self.job_ids) < SHOWN_IDS:
            self.job_ids.append(job.id)
        if len(self.sample) < SAMPLE:
            self.sample.append(job)


def act_on_ids(services: Services, act: Act, job_ids: Sequence[str], part: Slice) -> Outcome:
    """Ids that are unknown or in a state where the act changes nothing are passed over. A cursor is the last id that was
    looked at. Raises ValidationFailed, QueueUnavailable."""
    ids = list(dict.fromkeys(job_ids))
    if part.cursor is not None:
        if part.cursor not in ids:
            raise ValidationFailed("invalid_field", "The cursor is none that was given out here.", field="cursor")
        ids = ids[ids.index(part.cursor) + 1 :]
    return _act(services, act, part, zip(ids, services.jobs.get_many(ids), strict=True))


def act_on_filter(services: Services, act: Act, wanted: JobFilter, part: Slice) -> Outcome:
    """Raises ValidationFailed, QueueUnavailable."""
    walk = services.index.walk(wanted, cursor=part.cursor, before=part.before)
    if part.dry_run and part.cursor is None and not part.bounded:
        return _counted(services, act, wanted, walk) or _act(services, act, part, walk)
    return _act(services, act, part, walk)


def _counted(services: Services, act: Act, wanted: JobFilter, walk: Iterator[tuple[str, Job | None]]) -> Outcome | None:
    """A dry run over jobs of which there is a set needs to look at none but those that it shows."""
    status = JobStatus.FAILED if wanted.code else wanted.status
    size = services.index.size(wanted) if act.applies_to_all(status) else None
    if size is None:
        return None
    outcome = Outcome(affected=size)
    for _, job in walk:
        if job is not None:
            outcome.show(job)
        if len(outcome.job_ids) >= SHOWN_IDS:
            break
    return outcome


def _act(services: Services, act: Act, part: Slice, rows: Iterator[tuple[str, Job | None]]) -> Outcome:
    """An outage in the middle ends the slice: what was done is told, and whoever goes on is told of the outage."""
    outcome, last = Outcome(), None
    ends_at = time.monotonic() + MOST_SECONDS
    try:
        for looked_at, (cursor, job) in enumerate(rows):
            is_late = last is not None and time.monotonic() >= ends_at
            if is_late or looked_at >= part.most_looked_at or outcome.affected >= MOST_AT_ONCE:
                outcome.next_cursor = last
                break
            if job is not None and act.applies_to(job):
                _do(services, act, job, outcome, dry_run=part.dry_run)
            last = cursor
    except QueueUnavailable:
        if part.dry_run or not outcome.affected:
            raise
        outcome.next_cursor = last
    return outcome


def _do(services: Services, act: Act, job: Job, outcome: Outcome, *, dry_run: bool) -> None:
    """One that went on to a state that refuses the act, or was deleted meanwhile, is passed over."""
    try:
        if not dry_run:
            act.do(services, job.id)
    except RequestRefused:
        return
    except IngestError as error:
        if isinstance(error, QueueUnavailable) and error.code != "overloaded":
            raise
        outcome.failed += 1
        return
    outcome.add(job)
