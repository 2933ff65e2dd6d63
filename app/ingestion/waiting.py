"""Why a job waits, behind how many, and for how long about. One snapshot a second serves all who ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.job import PRIORITIES, Job, JobStatus, Priority
from app.services import Services

SNAPSHOT_SECONDS = 1.0
#: What a job is taken to need as long as none has been timed.
FIRST_GUESS_SECONDS = 1.0
_WAITS = (JobStatus.PENDING, JobStatus.RETRYING)


@dataclass(frozen=True)
class Waiting:
    """`reason` is one of next, behind_jobs, no_worker, paused, backoff."""

    reason: str
    jobs_ahead: int
    estimated_seconds: int | None


@dataclass(frozen=True)
class Snapshot:
    """The queue as it stood at one moment: depth and workers of each priority, how long a job takes (seconds), and how
    many jobs of a priority have waited so long that they count for a higher one or more: `risen[low, high]`."""

    depths: dict[Priority, int]
    serving: dict[Priority, int]
    paused: frozenset[Priority]
    run_seconds: float
    risen: Mapping[tuple[Priority, Priority], int] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        return sum(self.depths.values())

    def ahead(self, priority: Priority, rank: int) -> int:
        """Jobs that are served before the one at `rank` in the line of its own priority."""
        others = [other for other in PRIORITIES if other not in self.paused and other is not priority]
        return rank + sum(self._of_another(other, priority, turns=rank + 1) for other in others)

    def _of_another(self, other: Priority, priority: Priority, *, turns: int) -> int:
        """Lines on the same height take turns; what counts for a higher one goes first."""
        if other.rank < priority.rank:
            return min(self.depths[other], turns) if self.risen.get((priority, other)) else self.depths[other]
        level = self.risen.get((other, priority), 0)
        above = self.risen.get((other, PRIORITIES[priority.rank - 1]), 0) if priority.rank else 0
        return above + min(level - above, turns)


def snapshot_of(services: Services) -> Snapshot:
    """The newest of this process, taken anew when it is a second old."""
    return services.cache.get("queue", SNAPSHOT_SECONDS, lambda: _take(services))


def _take(services: Services) -> Snapshot:
    alive = services.workers.alive()
    serving = {p: sum(p in worker.priorities for worker in alive) for p in PRIORITIES}
    mean = services.line.mean_run_seconds() or FIRST_GUESS_SECONDS
    now, aging_ms = services.jobs.now(), services.settings.aging_ms
    risen = services.line.risen(now=now, aging_ms=aging_ms) if aging_ms else {}
    return Snapshot(services.line.depths(), serving, services.jobs.paused(), mean, risen)


def waiting_of(services: Services, job: Job) -> Waiting | None:
    """None unless the job waits. Raises QueueUnavailable."""
    if job.status not in _WAITS:
        return None
    return _waiting(services, job, services.line.rank(job))


def waiting_of_each(services: Services, jobs: Sequence[Job]) -> list[Waiting | None]:
    """The same of many, in the order given; where they stand is asked for once. Raises QueueUnavailable."""
    waits = [job for job in jobs if job.status in _WAITS]
    ranks = {job.id: rank for job, rank in zip(waits, services.line.ranks(waits), strict=True)}
    return [_waiting(services, job, ranks[job.id]) if job.id in ranks else None for job in jobs]


def _waiting(services: Services, job: Job, rank: int | None) -> Waiting:
    snapshot = snapshot_of(services)
    if rank is None:  # a retry that is not due yet, or taken this moment
        left = max(0, (job.due_at or 0) - services.jobs.now())
        return Waiting("backoff" if job.due_at else "next", 0, -(-left // 1000))
    ahead = snapshot.ahead(job.priority, rank)
    if job.priority in snapshot.paused:
        return Waiting("paused", ahead, None)
    if snapshot.serving[job.priority] == 0:
        return Waiting("no_worker", ahead, None)
    seconds = max(1, _seconds(snapshot, job.priority, ahead))
    return Waiting("behind_jobs" if ahead else "next", ahead, seconds)


def estimate(services: Services, job: Job) -> int:
    """Seconds until a job that was just accepted is done, about. Raises QueueUnavailable."""
    snapshot, rank = snapshot_of(services), services.line.rank(job)
    ahead = 0 if rank is None else snapshot.ahead(job.priority, rank)
    if snapshot.serving[job.priority] == 0:
        return _by_batches(services, ahead)
    return max(1, _seconds(snapshot, job.priority, ahead + 1))


def seconds_to_drain(services: Services, jobs: int) -> int:
    """How long until that many of the waiting jobs are worked off, about."""
    snapshot = snapshot_of(services)
    busiest = max(PRIORITIES, key=lambda priority: snapshot.serving[priority])
    if snapshot.serving[busiest] == 0:
        return _by_batches(services, jobs - 1)
    return _seconds(snapshot, busiest, jobs)


def _by_batches(services: Services, ahead: int) -> int:
    """Where no worker is, each minute's batch takes a few."""
    return 60 + 60 * (ahead // services.settings.batch_size)


def _seconds(snapshot: Snapshot, priority: Priority, jobs: int) -> int:
    workers = max(1, snapshot.serving[priority])
    return -(-int(jobs * snapshot.run_seconds * 1000) // (workers * 1000))
