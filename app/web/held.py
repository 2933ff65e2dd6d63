"""Requests that are held until their job has something new: the synchronous upload, and the long poll of a status."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flask import request
from werkzeug.datastructures import ETags

from app.domain.ids import is_job_id
from app.domain.job import Job, JobStatus
from app.errors import QueueUnavailable, RequestRefused
from app.web.context import event_log, services, stopping
from app.web.documents import etag
from app.web.gate import gate

#: Seconds between looks at a job whose place in the queue may move without a ring.
LOOK_EVERY = 2.0

Look = Callable[[str], tuple[Job, dict[str, Any]]]
"""Gives a job and its document as they are now; raises `not_found`."""


def ended(job: Job) -> Job:
    """The job as it is at its end, or when SYNC_TIMEOUT is over. Raises `not_found` if it is deleted meanwhile."""
    place = gate().held.take("synchronous")
    if place is None:
        return job
    deadline = time.monotonic() + services().settings.sync_timeout
    with place, event_log().watch([job.id]) as watcher:
        while True:
            job = _looked_at(job)
            left = deadline - time.monotonic()
            if job.status.is_final or left <= 0 or stopping().is_set():
                return job
            watcher.wait(min(left, LOOK_EVERY))
            watcher.take()


def _looked_at(job: Job) -> Job:
    try:
        found = services().jobs.get(job.id)
    except QueueUnavailable:
        return job  # it was accepted and goes on, whether it can be seen now or not
    if found is None:
        raise RequestRefused("not_found")
    return found


def changed(job_id: str, look: Look, *, seconds: float) -> tuple[Job, dict[str, Any]]:
    """What `look` finds as soon as its ETag is not one that the client has; without one from it, at the next change."""
    place = gate().held.take("long_poll") if is_job_id(job_id) else None
    if place is None:
        return look(job_id)
    deadline = time.monotonic() + seconds
    with place, event_log().watch([job_id]) as watcher:
        job, document = look(job_id)
        known = request.if_none_match if request.if_none_match else ETags(weak_etags=[etag(document)])
        while known.contains_weak(etag(document)) and not job.status.is_final and not stopping().is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            watcher.wait(left if job.status is JobStatus.PROCESSING else min(left, LOOK_EVERY))
            watcher.take()
            job, document = look(job_id)
    return job, document
