"""What a caller is shown of a job."""

from __future__ import annotations

import json

import pytest

from app.domain.job import Failure, FileInfo, Job, Priority, Progress
from app.domain.retry import RetryPolicy
from app.ingestion.waiting import Waiting
from app.web.documents import etag, gone_document, iso, status_document
from app.web.schemas import Gone, Status

JOB = Job.new(
    "job_" + "a" * 24,
    priority=Priority.HIGH,
    file=FileInfo("script.pdf", 12, "application/pdf", "0" * 64),
    now=1_700_000_000_007,
    user_id="user123",
)
CLAIMED = JOB.claimed(holder="worker", token="t", now=1_700_000_001_000)
SUMMARY = {"pages": 2, "words": 5, "characters": 30, "preview": "words", "engine": "pdfium", "durationMs": 9}


def test_times_are_utc_with_milliseconds():
    assert iso(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
    assert iso(1_700_000_000_000) == "2023-11-14T22:13:20.000Z"
    assert iso(None) is None


def test_a_waiting_job_says_why_and_has_no_result():
    document = status_document(JOB, Waiting("behind_jobs", 2, 5))
    assert document["waiting"] == {"reason": "behind_jobs", "jobsAhead": 2, "estimatedSeconds": 5}
    assert document["progress"]["percentage"] == 0
    assert document["timestamps"]["startedAt"] is None
    assert "result" not in document
    assert "error" not in document


def test_a_job_that_does_not_wait_shows_no_place_in_the_queue():
    assert "waiting" not in status_document(CLAIMED, Waiting("next", 0, 1))


def test_a_completed_job_has_every_member_of_the_summary():
    done = CLAIMED.completed(SUMMARY, now=1_700_000_002_000)
    result = status_document(done, None)["result"]
    assert result["pages"] == 2
    assert result["title"] is None
    assert result["warnings"] == []
    assert result["sha256"] == "0" * 64
    assert result["textUrl"] == f"/api/ingest/result/{JOB.id}?format=text"


def test_a_job_that_will_be_tried_again_shows_its_error_and_when():
    retrying = CLAIMED.failed(Failure.of("job_timeout"), now=1_700_000_002_000, policy=RetryPolicy())
    document = status_document(retrying, Waiting("backoff", 0, 60))
    assert document["status"] == "retrying"
    assert document["nextRetryAt"] == "2023-11-14T22:14:22.000Z"
    assert document["error"]["retryable"] is True
    assert document["error"]["retryCount"] == 0


def test_a_stack_trace_is_for_admins_only():
    failed = CLAIMED.failed(Failure.of("internal", stack_trace="Traceback"), now=2, policy=RetryPolicy())
    assert "stackTrace" not in json.dumps(status_document(failed, None))
    assert status_document(failed, None, with_stack_trace=True)["error"]["stackTrace"] == "Traceback"


def test_claims_and_tokens_are_not_shown():
    assert '"t"' not in json.dumps(status_document(CLAIMED, None))


@pytest.mark.parametrize(
    "job",
    [
        JOB,
        CLAIMED,
        CLAIMED.progressed(Progress("Processing file", 50, "Page 1", 1, 2), now=5),
        CLAIMED.completed(SUMMARY, now=5),
        CLAIMED.failed(Failure.of("corrupt_document"), now=5, policy=RetryPolicy()),
        CLAIMED.lost(now=5),
    ],
    ids=lambda job: job.status.value,
)
def test_every_state_fits_the_described_model(job: Job):
    Status.model_validate(status_document(job, Waiting("next", 0, None)), by_alias=True)


def test_a_job_that_is_not_there_ends_a_client_that_looks_at_the_status_only():
    document = gone_document("job_x")
    Gone.model_validate(document, by_alias=True)
    assert document["status"] == "failed"
    assert document["error"]["code"] == "not_found"


def test_the_etag_changes_with_the_version_and_with_a_move_in_the_queue():
    def tag(job: Job, *waiting: object) -> str:
        return etag(status_document(job, Waiting(*waiting) if waiting else None))  # type: ignore[arg-type]

    first = tag(JOB, "behind_jobs", 2, 5)
    assert tag(JOB, "behind_jobs", 2, 4) == first
    assert len({first, tag(JOB, "behind_jobs", 1, 5), tag(JOB, "paused", 2, 5), tag(CLAIMED)}) == 4
