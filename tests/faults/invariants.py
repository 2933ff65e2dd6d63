"""What has to hold of every drained system, whatever happened to it before: records, logs, places, blobs and results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.adapters.result_file import ResultReader
from app.domain.job import PRIORITIES, Job, JobStatus
from app.domain.retry import MAX_LOSSES
from tests.processes import Deployment


def check(at: Deployment, texts: Mapping[str, str]) -> None:
    """`texts` has every job whose upload was accepted, with the text that has to be read from it."""
    jobs = {job_id: at.services.jobs.get(job_id) for job_id in texts}
    assert [job_id for job_id, job in jobs.items() if job is None] == [], "accepted, and without a record"
    for job_id, text in texts.items():
        job = at.job(job_id)
        assert job.status is JobStatus.COMPLETED, (job_id, job.status, job.failure)
        assert result_text(at, job) == text
        assert job.attempt <= at.services.policy.max_attempts
        assert job.losses < MAX_LOSSES
        check_story(at.history(job_id))
    check_places(at)
    check_blobs(at)


def check_story(story: list[Job]) -> None:
    """A log tells each version once and in order, ends in the only final state of its run, and never goes back."""
    assert [job.version for job in story] == list(range(1, len(story) + 1))
    assert [job.status.is_final for job in story] == [False] * (len(story) - 1) + [True]
    percentages = [job.progress.percentage for job in story]
    assert percentages == sorted(percentages)
    assert percentages[-1] == 100 or story[-1].status is JobStatus.FAILED


def check_places(at: Deployment) -> None:
    """Nothing waits, nothing is held; every record stands among the jobs, and among those that ended."""
    live = ["pending", "leases", "retrying", *(f"waiting:{priority.value}" for priority in PRIORITIES)]
    assert {place: members(at, place) for place in live if members(at, place)} == {}
    assert members(at, "jobs") == members(at, "ended:completed") | members(at, "ended:failed")


def check_blobs(at: Deployment) -> None:
    """No upload and no result without a record, no unfinished file, and every completed job has its result."""
    blobs, known = at.services.blobs, members(at, "jobs")
    assert {upload.job_id for upload in blobs.list_uploads()} <= known
    assert {result.job_id for result in blobs.list_results()} <= known
    assert list((at.data_dir / "blobs" / "partial").iterdir()) == []
    for job_id in members(at, "ended:completed"):
        assert at.job(job_id).result_token in blobs.results_of(job_id)


def members(at: Deployment, place: str) -> set[str]:
    found: Any = at.redis.zrange(f"ingest:{place}", 0, -1)
    return {member.decode() for member in found}


def result_text(at: Deployment, job: Job) -> str:
    assert job.result_token
    with ResultReader(at.services.blobs.open_result(job.id, job.result_token)) as reader:
        return b"".join(reader.iter_text()).decode()
