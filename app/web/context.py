"""What views need of the application they run in."""

from __future__ import annotations

import threading
from typing import cast

from flask import current_app

from app.adapters.event_log import EventLog
from app.domain.ids import is_job_id
from app.domain.job import Job, JobStatus
from app.errors import QueueUnavailable, RequestRefused
from app.services import Services

#: When a client should ask again after a neighbour did not answer (seconds).
RETRY_AFTER_OUTAGE = 5
#: Nobody is told to stay away longer than that (seconds); a queue may move faster than it was expected to.
LONGEST_RETRY_AFTER = 10


def services() -> Services:
    return cast(Services, current_app.extensions["services"])


def event_log() -> EventLog:
    return cast(EventLog, current_app.extensions["event_log"])


def stopping() -> threading.Event:
    """Set when this web process was told to stop."""
    return cast(threading.Event, current_app.extensions["ingest_stop"])


def find_job(job_id: str) -> Job:
    """Raises `not_found`, for ids of a wrong form before Redis is asked."""
    job = services().jobs.get(job_id) if is_job_id(job_id) else None
    if job is None:
        must_be_gone(services(), job_id)
        raise RequestRefused("not_found")
    return job


def must_be_gone(at: Services, *job_ids: str) -> None:
    """Raises `queue_unavailable` where a record is missing and the job may still come back.

    A client that is told "not found" gives up. But a Redis that lost its data will be given the jobs again from the
    blob store, and an upload whose record could not be written becomes one by itself.
    """
    possible = [job_id for job_id in job_ids if is_job_id(job_id)]
    buried = at.jobs.buried(possible)
    missing = [job_id for job_id in possible if job_id not in buried]
    if missing:
        at.binding()
    for job_id in missing:
        if at.blobs.manifest(job_id) is not None and at.jobs.get(job_id) is None:
            raise QueueUnavailable("queue_unavailable", retry_after=RETRY_AFTER_OUTAGE)


def retry_after(job: Job, estimated_seconds: int | None = None) -> int:
    """In how many seconds asking again makes sense; `estimated_seconds` is what the queue expects, if it was asked."""
    if job.status is JobStatus.PROCESSING:
        return 1
    if job.status is JobStatus.RETRYING and job.due_at is not None:
        return max(1, min((job.due_at - job.updated_at) // 1000, LONGEST_RETRY_AFTER))
    return max(1, min(estimated_seconds or 1, LONGEST_RETRY_AFTER))
