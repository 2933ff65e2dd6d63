"""What a caller is shown of a job: the status document, its error object, its ETag. Pure; camelCase as in docs/api.md."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Protocol

from app.domain.job import Failure, Job, JobStatus

_NO_SUCH_JOB = Failure.of("not_found")


class Waits(Protocol):
    """Why a job waits, as the queue tells it."""

    @property
    def reason(self) -> str: ...
    @property
    def jobs_ahead(self) -> int: ...
    @property
    def estimated_seconds(self) -> int | None: ...


def iso(milliseconds: int | None) -> str | None:
    """ISO 8601 in UTC with milliseconds, as in 2025-01-31T12:00:00.000Z."""
    if milliseconds is None:
        return None
    at = datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status_path(job_id: str) -> str:
    return f"/api/ingest/status/{job_id}"


def events_path(job_id: str) -> str:
    return f"/api/ingest/events/{job_id}"


def result_path(job_id: str) -> str:
    return f"/api/ingest/result/{job_id}"


def status_document(
    job: Job, waiting: Waits | None, *, max_attempts: int = 4, with_stack_trace: bool = False
) -> dict[str, Any]:
    """`waiting` is left out where the job waits for nothing; `with_stack_trace` is for admins only."""
    document: dict[str, Any] = {
        "success": True,
        "jobId": job.id,
        "status": job.status.value,
        "progress": _progress(job),
        "file": {"name": job.file.name, "size": job.file.size, "type": job.file.type},
        "timestamps": _timestamps(job),
        "priority": job.priority.value,
        "userId": job.user_id,
        "attempt": job.attempt,
        "maxAttempts": max_attempts,
        "losses": job.losses,
        "nextRetryAt": iso(job.due_at) if job.status is JobStatus.RETRYING else None,
        "version": job.version,
    }
    if waiting is not None and job.status in (JobStatus.PENDING, JobStatus.RETRYING):
        document["waiting"] = waiting_document(waiting)
    if job.status is JobStatus.COMPLETED:
        document["result"] = result_summary(job)
    if job.failure is not None and job.status in (JobStatus.FAILED, JobStatus.RETRYING):
        document["error"] = error_document(job.failure, retry_count=job.attempt - 1, with_stack_trace=with_stack_trace)
    return document


def waiting_document(waiting: Waits) -> dict[str, Any]:
    return {
        "reason": waiting.reason,
        "jobsAhead": waiting.jobs_ahead,
        "estimatedSeconds": waiting.estimated_seconds,
    }


def error_document(failure: Failure, *, retry_count: int = 0, with_stack_trace: bool = False) -> dict[str, Any]:
    error: dict[str, Any] = {
        "type": failure.type,
        "code": failure.code,
        "message": failure.message,
        "suggestion": failure.suggestion,
        "retryable": failure.retryable,
        "retryCount": retry_count,
    }
    if with_stack_trace and failure.stack_trace:
        error["stackTrace"] = failure.stack_trace
    return error


def result_summary(job: Job) -> dict[str, Any]:
    """The stored summary of a completed job, with the address of its text."""
    stored: Mapping[str, Any] = job.result or {}
    # what is empty is not stored, but a caller may count on every member
    known: dict[str, Any] = {
        "pages": 0,
        "words": 0,
        "characters": 0,
        "title": None,
        "author": None,
        "preview": "",
        "warnings": [],
        "engine": None,
        "durationMs": 0,
        "sha256": job.file.sha256,
    }
    return {**known, **stored, "textUrl": f"{result_path(job.id)}?format=text"}


def gone_document(job_id: str) -> dict[str, Any]:
    """The status route's 404: a client that looks at nothing but `status` comes to an end with it."""
    return {"success": False, "jobId": job_id, "status": JobStatus.FAILED.value, "error": error_document(_NO_SUCH_JOB)}


def etag(document: Mapping[str, Any]) -> str:
    """The tag between the quotes. It is weak: it changes with the version and with a move in the queue, not with an
    estimate. The time tells apart two histories of one job (a Redis that came back a second older)."""
    parts = [str(document["version"]), document["timestamps"]["updatedAt"]]
    if "waiting" in document:
        parts += [document["waiting"]["reason"], str(document["waiting"]["jobsAhead"])]
    return "/".join(parts)


def _progress(job: Job) -> dict[str, Any]:
    progress = job.progress
    return {
        "currentStep": progress.step,
        "percentage": progress.percentage,
        "details": progress.details,
        "pagesDone": progress.pages_done,
        "pagesTotal": progress.pages_total,
    }


def _timestamps(job: Job) -> dict[str, str | None]:
    return {
        "createdAt": iso(job.created_at),
        "startedAt": iso(job.started_at),
        "completedAt": iso(job.completed_at),
        "updatedAt": iso(job.updated_at),
    }
