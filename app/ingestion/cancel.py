"""What a person does to one job: stop it, run it again, remove it, let it wait elsewhere. What each does in each state: docs/api.md."""

from __future__ import annotations

from collections.abc import Callable

from app.domain.job import Job, JobStatus, Priority, WrongState
from app.errors import IngestError, QueueUnavailable, RequestRefused
from app.services import Services

#: A record that changes under us so often in a row is not waited for any longer.
TRIES = 20


def cancel(services: Services, job_id: str) -> Job:
    """The job ends as failed/cancelled; its worker notices within a second. Raises RequestRefused."""

    def change(job: Job) -> Job:
        return job if job.is_cancelled else job.cancelled(now=services.jobs.now())

    old, new = _changed(services, job_id, change)
    if old.status is not JobStatus.FAILED:
        _quietly(lambda: services.queues.note_failed(new, keep_seconds=services.settings.retention_days * 86_400))
    return new


def retry(services: Services, job_id: str) -> Job:
    """A failed job begins a new run, a retrying one is due now; one that runs or waits is left as it is."""

    def change(job: Job) -> Job:
        live = job.status in (JobStatus.PENDING, JobStatus.PROCESSING)
        return job if live else job.retried(now=services.jobs.now())

    old, new = _changed(services, job_id, change)
    if new.status is JobStatus.PENDING and old is not new:
        _quietly(lambda: services.queues.forget_failed(old))
        _quietly(lambda: services.queues.deliver(new))
    elif new.status is JobStatus.RETRYING:
        _quietly(lambda: stage_due(services))
    return new


def change_priority(services: Services, job_id: str, priority: Priority) -> Job:
    """A job that waits goes into another line. Raises RequestRefused."""

    def change(job: Job) -> Job:
        return job if job.priority is priority else job.reprioritized(priority, now=services.jobs.now())

    old, new = _changed(services, job_id, change)
    if old is not new:
        # its delivery in the other queue finds nothing there, and is trimmed
        _quietly(lambda: services.queues.deliver(new) if new.status is JobStatus.PENDING else stage_due(services))
        _quietly(lambda: _note_priority(services, new))
    return new


def _note_priority(services: Services, moved: Job) -> None:
    """In the manifest too, for the day on which Redis has lost the record. It is looked at again after each write, so that
    of two changes at once the one that stands is noted last."""
    job: Job | None = moved
    noted = None
    while job is not None and job.priority is not noted:
        services.blobs.note_priority(job.id, job.priority.value)
        noted = job.priority
        job = services.jobs.get(job.id)


def stage_due(services: Services) -> None:
    """Retries that are due stand among the waiting at once, not at the next sweep."""
    for job_id, priority in services.jobs.stage():
        services.queues.notify(priority, job_id)


def delete(services: Services, job_id: str, *, only_final: bool = False) -> bool:
    """Record, log, file and result go; a worker that has the job stops. Raises RequestRefused `not_found`.

    False, and nothing done, if it is not final where that was asked for.
    """
    job = services.jobs.get(job_id)
    if job is None:
        raise RequestRefused("not_found")
    if not services.jobs.bury(job_id, only_final=only_final):
        return False
    if job.status is JobStatus.FAILED:
        _quietly(lambda: services.queues.forget_failed(job))
    _quietly(lambda: _remove_blobs(services, job))  # the housekeeping goes on where this breaks off
    return True


def _remove_blobs(services: Services, job: Job) -> None:
    """The results that the record knows of, then the upload; strays of earlier claims are pruned by the housekeeping.

    In this order, so that a crash in between leaves no finished job for a rebuild to list."""
    for token in {job.result_token, job.claim.token if job.claim else None} - {None}:
        services.blobs.delete_result(job.id, str(token))
    services.blobs.delete_upload(job.id)


def _changed(services: Services, job_id: str, change: Callable[[Job], Job]) -> tuple[Job, Job]:
    for _ in range(TRIES):
        job = services.jobs.get(job_id)
        if job is None:
            raise RequestRefused("not_found")
        try:
            new = change(job)
        except WrongState as error:
            raise RequestRefused("wrong_state") from error
        if new is job or services.jobs.replace(job, new):
            return job, new
    raise QueueUnavailable("overloaded", retry_after=1)


def _quietly(step: Callable[[], object]) -> None:
    """Steps after the record: if one fails, the sweep or the housekeeping does it later."""
    try:
        step()
    except IngestError:
        pass
