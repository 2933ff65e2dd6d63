"""In which sorted sets of Redis a job stands, and with which score: a function of the job alone.

The scripts in `lua/` move it; the checker compares what it finds with this.
"""

from __future__ import annotations

from app.domain.job import Job, JobStatus

#: The uploaded file goes that long after its job is completed, so that a Redis that comes back a second older finds it.
SPENT_AFTER_MS = 60_000
#: The score in `retrying` of a job that is among the waiting again.
STAGED = 9_000_000_000_000_000


def places(job: Job) -> dict[str, int]:
    """The sorted sets in which a job of that state stands, with its score in each (the lease's is set by the claim). In a
    line of waiting jobs that is since when it waits; its place there is found as it enters (`stand` in the scripts)."""
    everywhere = {"jobs": job.created_at}
    if job.status is JobStatus.PENDING:
        return {**everywhere, f"waiting:{job.priority.value}": job.waits_since, "pending": job.created_at}
    if job.status is JobStatus.RETRYING:
        return {**everywhere, "retrying": job.due_at or 0}
    if job.status is JobStatus.COMPLETED:
        ended = job.completed_at or 0
        return {**everywhere, "ended:completed": ended, "spent": ended + SPENT_AFTER_MS}
    if job.status is JobStatus.FAILED:
        cancelled = {"ended:cancelled": job.completed_at or 0} if job.is_cancelled else {}
        by_code = {f"failed:{job.failure.code}": job.created_at} if job.failure else {}
        return {**everywhere, "ended:failed": job.completed_at or 0, **cancelled, **by_code}
    return {**everywhere, "leases": 0}


def places_left(old: Job, new: Job) -> list[str]:
    """The places to leave; a retry that is due stands among the waiting besides."""
    stood = set(places(old))
    if old.status is JobStatus.RETRYING:
        stood.add(f"waiting:{old.priority.value}")
    return sorted(stood - set(places(new)))


def places_entered(old: Job, new: Job) -> list[str | int]:
    before, now = places(old), places(new)
    before.pop("retrying", None)  # its score says "staged" where it left the waiting, and nobody would stage it again
    moved = {place: score for place, score in now.items() if before.get(place) != score}
    return [part for place, score in moved.items() for part in (place, score)]


def lane_of(job: Job, *, came_back: bool = False) -> str:
    """In which lane of its line a job waits: its owner's, or the one of that owner's jobs that were claimed before."""
    return f"{'b' if came_back else 'n'}:{job.user_id or ''}"
