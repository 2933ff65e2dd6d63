"""Why a job waits, behind how many, and for how long about. One snapshot a second serves all who ask."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.job import PRIORITIES, Job, JobStatus, Priority
from app.services import Services

SNAPSHOT_SECONDS = 1.0
#: What a job is taken to need as long as none has been timed.
FIRST_GUESS_SECONDS = 1.0


@dataclass(frozen=True)
class Waiting:
    """`reason` is one of next, behind_jobs, no_worker, paused, backoff."""

    reason: str
    jobs_ahead: int
    estimated_seconds: int | None


@dataclass(frozen=True)
class Snapshot:
    """The queue as it stood at one moment: depth and workers of each priority, and how long a job takes (seconds)."""

    depths: dict[Priority, int]
    serving: dict[Priority, int]
    paused: frozenset[Priority]
    run_seconds: float

    @property
    def waiting(self) -> int:
        return sum(self.depths.values())

    def ahead(self, priority: Priority, rank: int) -> int:
        """Jobs that are served before the one at `rank` among its own priority."""
        return rank + sum(n for p, n in self.depths.items() if p.rank < priority.rank and p not in self.paused)


def snapshot_of(services: Services) -> Snapshot:
    """The newest of this process, taken anew when it is a second old."""
    return services.cache.get("queue", SNAPSHOT_SECONDS, lambda: _take(services))


def _take(services: Services) -> Snapshot:
    alive = services.workers.alive()
    serving = {p: sum(p in worker.priorities for worker in alive) for p in PRIORITIES}
    mean = services.line.mean_run_seconds() or FIRST_GUESS_SECONDS
    return Snapshot(services.line.depths(), serving, services.jobs.paused(), mean)


def waiting_of(services: Services, job: Job) -> Waiting | None:
    """None unless the job waits. Raises QueueUnavailable."""
    if job.status not in (JobStatus.PENDING, JobStatus.RETRYING):
        return None
    snapshot = snapshot_of(services)
    rank = services.line.rank(job)
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
    """Seconds until a job that was just accepted is done, about."""
    snapshot = snapshot_of(services)
    ahead = snapshot.ahead(job.priority, snapshot.depths.get(job.priority, 0))
    if snapshot.serving[job.priority] == 0:
        return 60 + 60 * (ahead // services.settings.batch_size)  # the minute batch will take it
    return max(1, _seconds(snapshot, job.priority, ahead + 1))


def seconds_to_drain(services: Services, jobs: int) -> int:
    """How long until that many of the waiting jobs are worked off, about."""
    return _seconds(snapshot_of(services), PRIORITIES[-1], jobs)


def _seconds(snapshot: Snapshot, priority: Priority, jobs: int) -> int:
    workers = max(1, snapshot.serving[priority])
    return -(-int(jobs * snapshot.run_seconds * 1000) // (workers * 1000))
