"""The whole history of one job in words: what is printed beside a violation, so that it can be understood."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from app.adapters.evidence import Evidence, JobEvidence
from app.domain.job import Job
from app.errors import IngestError
from app.services import Services


def story_of(services: Services, job_id: str) -> list[str]:
    """Its record, places, log, attempts and blobs, a line each. Raises QueueUnavailable."""
    (seen,) = Evidence(services.redis).of([job_id])
    return [*_record(seen), *_entries(seen), *_attempts(seen.job), *_blobs(services, job_id)]


def _record(seen: JobEvidence) -> Iterator[str]:
    if seen.buried_at is not None:
        yield f"deleted at {_time(seen.buried_at)}"
    if seen.job is None:
        yield "no record"
    else:
        yield f"record: {_state(seen.job)}"
    yield f"hash: {', '.join(f'{name}={value}' for name, value in sorted(seen.fields.items())) or 'none'}"
    yield f"stands in: {', '.join(f'{place}={score}' for place, score in seen.places.items()) or 'no place'}"


def _entries(seen: JobEvidence) -> Iterator[str]:
    for entry, job in seen.log:
        yield f"log {entry}: {_time(job.updated_at)} {_state(job)}"


def _attempts(job: Job | None) -> Iterator[str]:
    for attempt in job.history if job else ():
        span = f"{_time(attempt.began)} to {_time(attempt.ended)}"
        yield f"attempt {attempt.run}.{attempt.number}: {span} by {attempt.worker}: {attempt.outcome}"


def _blobs(services: Services, job_id: str) -> Iterator[str]:
    try:
        manifest = services.blobs.manifest(job_id)
        yield f"upload: {'none' if manifest is None else f'{manifest.size} bytes, sha256 {manifest.sha256[:12]}'}"
        yield f"results: {', '.join(token[:8] for token in services.blobs.results_of(job_id)) or 'none'}"
    except IngestError as error:
        yield f"blobs: {error.code}"


def _state(job: Job) -> str:
    said = [f"version {job.version}", job.status.value, f"run {job.run} attempt {job.attempt} losses {job.losses}"]
    said += [f"{job.progress.percentage} %"]
    if job.claim:
        said += [f"held by {job.claim.holder} under {job.claim.token[:8]}"]
    if job.failure:
        said += [job.failure.code]
    if job.due_at:
        said += [f"due {_time(job.due_at)}"]
    if job.result_token:
        said += [f"result {job.result_token[:8]}"]
    return ", ".join(said)


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%m-%d %H:%M:%S.%f")[:-3]
