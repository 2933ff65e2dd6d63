"""Ended jobs go: by themselves after RETENTION_DAYS, or older than a number of days when the operator asks.

A live job is never touched, however old: the record itself refuses (`only_final`), whatever the sets said a moment ago.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from app.adapters.queue_numbers import QueueNumbers
from app.errors import QueueUnavailable, RequestRefused, ValidationFailed
from app.ingestion.bulk import MOST_AT_ONCE, MOST_SECONDS, SHOWN_IDS, Outcome, Slice
from app.ingestion.cancel import delete
from app.services import Services

DAY_MS = 86_400_000
SLICE = 200
#: What is removed is not met again, so that a cursor need say no more than that there is more.
REST = "rest"


def expire(services: Services, *, limit: int) -> int:
    """Removes at most `limit` jobs that ended more than RETENTION_DAYS ago; gives how many."""
    before = services.jobs.now() - services.settings.retention_days * DAY_MS
    return sum(1 for _ in _removed(services, services.jobs.ended_before(before, limit)))


def cleanup(services: Services, *, days_old: int, part: Slice) -> Outcome:
    """Removes the jobs that ended more than `days_old` days before the slice's time, with their results, or says how
    many there are. Raises ValidationFailed for a cursor that is none of ours."""
    if part.cursor not in (None, REST):
        raise ValidationFailed("invalid_field", "The cursor is none that was given out here.", field="cursor")
    before = part.before - days_old * DAY_MS
    if part.dry_run:
        return _counted(services, before)
    outcome = Outcome()
    try:
        is_done = _clean(services, before, outcome, part.limit or MOST_AT_ONCE)
    except QueueUnavailable:  # what was done is told, and whoever goes on is told of the outage
        if not outcome.affected:
            raise
        is_done = False
    outcome.next_cursor = None if is_done else REST
    return outcome


def _clean(services: Services, before: int, outcome: Outcome, most: int) -> bool:
    """Looks at no more than `most` jobs, and goes on for no longer than any act on many; whether that were all."""
    looked_at, ends_at = 0, time.monotonic() + MOST_SECONDS
    while looked_at < most:
        asked, earlier = min(SLICE, most - looked_at), outcome.affected
        found = services.jobs.ended_before(before, asked)
        looked_at += len(found)
        for job_id in _removed(services, found):
            outcome.affected += 1
            outcome.job_ids += [job_id][: SHOWN_IDS - len(outcome.job_ids)]
            if time.monotonic() >= ends_at:
                return not services.jobs.ended_before(before, 1)
        if len(found) < asked or outcome.affected == earlier:
            return True
    return not services.jobs.ended_before(before, 1)


def _counted(services: Services, before: int) -> Outcome:
    outcome = Outcome(QueueNumbers(services.redis).count_ended_before(before))
    for job in services.jobs.get_many(services.jobs.ended_before(before, SHOWN_IDS)):
        if job is not None:
            outcome.show(job)
    return outcome


def _removed(services: Services, job_ids: list[str]) -> Iterator[str]:
    return (job_id for job_id in job_ids if _is_removed(services, job_id))


def _is_removed(services: Services, job_id: str) -> bool:
    """False for one that somebody retried or deleted meanwhile."""
    try:
        return delete(services, job_id, only_final=True)
    except RequestRefused:
        return False
