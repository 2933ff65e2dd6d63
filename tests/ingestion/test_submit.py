from __future__ import annotations

import contextlib

import pytest

from app.adapters.idempotency import digest
from app.adapters.worker_registry import WorkerInfo
from app.domain.job import PRIORITIES, JobStatus, Priority
from app.errors import QueueUnavailable, StorageUnavailable, ValidationFailed
from app.ingestion.cancel import change_priority, delete
from app.ingestion.process import process_next
from app.ingestion.submit import Intake
from tests import jobs_in_states as jobs


def test_an_upload_becomes_a_waiting_job_with_its_bytes_and_a_delivery(services, upload):
    job = upload(b"words", priority=Priority.HIGH, user_id="ada")
    assert services.jobs.get(job.id).status is JobStatus.PENDING
    assert services.blobs.manifest(job.id).user_id == "ada"
    assert services.queues.depths()["high"] == 1


def test_a_repeat_under_the_same_key_gives_the_same_job(upload):
    assert upload(key="k").id == upload(key="k").id


@pytest.mark.parametrize(
    "other", [{"data": b"else"}, {"name": "b.txt"}, {"priority": Priority.LOW}, {"user_id": "eve"}]
)
def test_anything_else_under_the_same_key_is_a_mismatch(upload, other):
    upload(key="k")
    with pytest.raises(ValidationFailed) as seen:
        upload(key="k", **other)
    assert seen.value.code == "idempotency_mismatch"


def test_a_key_whose_first_upload_still_runs_is_said_to_be_running(services):
    Intake(services, idempotency_key="k")
    with pytest.raises(ValidationFailed) as seen:
        Intake(services, idempotency_key="k")
    assert (seen.value.code, seen.value.retry_after) == ("idempotency_running", 2)


def test_a_key_whose_upload_failed_is_free_at_once_for_the_same_job(services):
    first = Intake(services, idempotency_key="k")
    first.abandon()
    assert Intake(services, idempotency_key="k").job_id == first.job_id


def test_a_key_whose_upload_died_goes_on_under_the_same_id(services, redis):
    first = Intake(services, idempotency_key="k")
    [key] = redis.keys("ingest:idem:*")
    redis.hset(key, "until", "1")  # thirty seconds without a byte
    assert Intake(services, idempotency_key="k").job_id == first.job_id


def test_a_forerunner_that_died_before_its_record_does_not_make_two_jobs(services, redis, upload):
    job = upload(b"words", key="k")
    services.redis.delete(f"ingest:job:{job.id}")
    [key] = redis.keys("ingest:idem:*")
    redis.hdel(key, "done")
    assert upload(b"words", key="k").id == job.id
    redis.hdel(key, "done")
    with pytest.raises(ValidationFailed):
        upload(b"other", key="k")


def test_the_key_goes_with_its_job(services, upload):
    first = upload(key="k")
    delete(services, first.id)
    assert upload(key="k").id != first.id


def test_above_the_limit_of_waiting_jobs_uploads_are_refused_before_a_byte(services, upload):
    upload()
    services.cache.clear()
    object.__setattr__(services.settings, "max_waiting_jobs", 1)
    with pytest.raises(QueueUnavailable) as seen:
        Intake(services)
    assert seen.value.code == "overloaded"
    assert seen.value.retry_after >= 1


def test_who_is_refused_is_told_when_there_will_be_room_by_the_measured_rate(services, upload, clock):
    """Two workers, three seconds a job; four jobs too many, and a hundredth of the limit to come back into."""
    jobs.completed(services, ended=clock() + 3_000)
    for name in ("one", "two"):
        services.workers.beat(WorkerInfo(name, "h", 1, "busy", PRIORITIES, 0, clock(), "1"))
    for _ in range(10):
        upload()
    services.cache.clear()
    object.__setattr__(services.settings, "max_waiting_jobs", 6)
    with pytest.raises(QueueUnavailable) as seen:
        Intake(services)
    assert seen.value.retry_after == -(-3 * (4 + 1) // 2)


def test_without_a_worker_the_batches_are_what_is_waited_for(services, upload):
    upload()
    services.cache.clear()
    object.__setattr__(services.settings, "max_waiting_jobs", 1)
    with pytest.raises(QueueUnavailable) as seen:
        Intake(services)
    assert seen.value.retry_after == 60


def test_what_was_accepted_before_the_overload_is_worked_off_and_then_there_is_room(services, upload, parser):
    object.__setattr__(services.settings, "max_waiting_jobs", 3)
    accepted = []
    for _ in range(8):
        services.cache.clear()
        with contextlib.suppress(QueueUnavailable):
            accepted.append(upload().id)
    assert len(accepted) == 3
    while process_next(services, Priority.MEDIUM):
        pass
    assert {services.jobs.get(job_id).status for job_id in accepted} == {JobStatus.COMPLETED}
    services.cache.clear()
    assert upload().status is JobStatus.PENDING


def test_too_little_room_is_said_before_a_byte(services):
    object.__setattr__(services.settings, "min_free_bytes", 2**60)
    with pytest.raises(StorageUnavailable) as seen:
        Intake(services).open(1)
    assert seen.value.code == "storage_full"


def test_an_upload_that_breaks_off_leaves_nothing(services):
    with Intake(services).open() as writer:
        writer.write(b"half")
    assert services.blobs.is_empty()
    assert services.jobs.is_empty()


def test_a_redis_of_another_installation_is_refused(services, upload):
    upload()
    services.jobs.set_installation("another")
    services.cache.clear()
    with pytest.raises(QueueUnavailable) as seen:
        upload()
    assert "rebuild" in seen.value.suggestion


def test_an_upload_that_was_held_up_does_not_take_away_the_bytes_of_the_one_that_took_its_key_over(
    services, redis, upload
):
    """Guards the refusal at the commit: else the first job's record and the second one's bytes stand under one id, and
    an upload that was answered with a 202 fails as `blob_corrupt`."""
    late = Intake(services, idempotency_key="a-key")
    redis.hset(f"ingest:idem:{digest('a-key')}", "until", "0")  # as if thirty seconds had passed without a byte
    in_time = upload(b"in time", key="a-key")
    assert in_time.id == late.job_id
    with late.open() as writer:
        writer.write(b"too late")
        with pytest.raises(ValidationFailed, match="idempotency_mismatch"):
            late.accept(
                filename="a.txt", media_type="text/plain", priority=Priority.MEDIUM, user_id=None, writer=writer
            )
    with services.blobs.upload_path(in_time.id) as path:
        assert path.read_bytes() == b"in time"


def test_a_repeat_that_was_held_up_until_its_job_was_moved_is_known_and_takes_the_move_back_nowhere(
    services, redis, upload
):
    late = Intake(services, idempotency_key="a-key")
    redis.hset(f"ingest:idem:{digest('a-key')}", "until", "0")
    job = upload(b"words", key="a-key")
    change_priority(services, job.id, Priority.HIGH)
    with late.open() as writer:
        writer.write(b"words")
        same = late.accept(
            filename="a.txt", media_type="text/plain", priority=Priority.MEDIUM, user_id=None, writer=writer
        )
    assert (same.id, same.priority) == (job.id, Priority.HIGH)
    assert services.blobs.manifest(job.id).moved_to == "high"


def test_an_upload_that_was_held_up_past_the_end_of_the_job_is_told_so(services, redis, upload):
    """Guards the look at the job that is there: else it is answered with the job of other bytes."""
    late = Intake(services, idempotency_key="a-key")
    redis.hset(f"ingest:idem:{digest('a-key')}", "until", "0")
    services.blobs.delete_upload(upload(b"in time", key="a-key").id)  # as the sweep does when it is completed
    with late.open() as writer:
        writer.write(b"too late")
        with pytest.raises(ValidationFailed, match="idempotency_mismatch"):
            late.accept(
                filename="a.txt", media_type="text/plain", priority=Priority.MEDIUM, user_id=None, writer=writer
            )
