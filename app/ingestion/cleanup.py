"""Ended jobs go: by themselves after RETENTION_DAYS, or older than a number of days when the operator asks.

A live job is never touched, however old: the record itself refuses (`only_final`), whatever the sets said a moment ago.
"""

from __future__ import annotations

from app.adapters.queue_numbers import QueueNumbers
from app.errors import RequestRefused
from app.ingestion.bulk import SHOWN_IDS, Outcome
from app.ingestion.cancel import delete
from app.services import Services

DAY_MS = 86_400_000
SLICE = 200
#: One request removes at most that many; the answer says when there are more.
MOST_AT_ONCE = 10_000


def expire(services: Services, *, limit: int) -> int:
    """Removes at most `limit` jobs that ended more than RETENTION_DAYS ago; gives how many."""
    before = services.jobs.now() - services.settings.retention_days * DAY_MS
    return len(_remove(services, services.jobs.ended_before(before, limit)))


def cleanup(services: Services, *, days_old: int, dry_run: bool) -> Outcome:
    """Removes the jobs that ended more than `days_old` days ago, with their results, or says how many there are."""
    before = services.jobs.now() - days_old * DAY_MS
    if dry_run:
        return Outcome(
            QueueNumbers(services.redis).count_ended_before(before), services.jobs.ended_before(before, SHOWN_IDS)
        )
    removed: list[str] = []
    while len(removed) < MOST_AT_ONCE:
        found = services.jobs.ended_before(before, SLICE)
        gone = _remove(services, found)
        removed += gone
        if len(found) < SLICE or not gone:
            return Outcome(len(removed), removed[:SHOWN_IDS])
    return Outcome(len(removed), removed[:SHOWN_IDS], more=True)


def _remove(services: Services, job_ids: list[str]) -> list[str]:
    return [job_id for job_id in job_ids if _is_removed(services, job_id)]


def _is_removed(services: Services, job_id: str) -> bool:
    """False for one that somebody retried or deleted meanwhile."""
    try:
        return delete(services, job_id, only_final=True)
    except RequestRefused:
        return False
