from __future__ import annotations

import os
import time

import pytest

from app.adapters.result_file import ResultWriter
from app.domain.ids import new_job_id
from app.domain.job import JobStatus, Priority
from app.errors import QueueUnavailable
from app.ingestion.cancel import delete
from app.ingestion.housekeeping import SLICE, TOMB_LIFE_MS, bury_deeper, keep_house, look_at_uploads, prune_results
from app.ingestion.process import process_next
from app.ingestion.rebuild import rebuild
from tests.jobs_in_states import completed


def age(services, seconds):
    """All stored files are that much older."""
    for folder in ("uploads", "results", "partial"):
        for path in (services.blobs.root / folder).glob("*"):
            then = time.time() - seconds
            os.utime(path, (then, then))


def forget(redis, job):
    for key in redis.keys("ingest:*"):
        if redis.type(key) == b"zset":
            redis.zrem(key, job.id)
    redis.delete(f"ingest:job:{job.id}", f"ingest:log:{job.id}")


def test_accepted_bytes_without_a_record_become_a_job_again(services, upload, redis):
    job = upload(priority=Priority.HIGH, user_id="ada", key="k")
    forget(redis, job)
    age(services, 61)
    assert look_at_uploads(services, services.binding()) == 1
    assert services.jobs.get(job.id) == job
    assert upload(priority=Priority.HIGH, user_id="ada", key="k").id == job.id


def test_what_is_restored_waits_in_the_order_in_which_it_came_in(services, upload, redis):
    jobs = [upload(user_id="ada") for _ in range(12)]
    for number, job in enumerate(jobs):
        forget(redis, job)
        for path in (services.blobs.root / "uploads").glob(f"{job.id}*"):
            os.utime(path, (then := time.time() - 1_000 + number, then))
    assert look_at_uploads(services, services.binding()) == 12
    assert services.jobs.waiting_ids(Priority.MEDIUM, 20) == [job.id for job in jobs]


def test_bytes_that_were_just_stored_are_left_to_their_upload(services, upload, redis):
    forget(redis, upload())
    assert look_at_uploads(services, services.binding()) == 0


def test_a_deleted_job_is_never_restored(services, upload, monkeypatch):
    job = upload()
    monkeypatch.setattr(services.blobs, "delete_upload", lambda job_id: None)  # its bytes could not be removed yet
    delete(services, job.id)
    age(services, 61)
    assert look_at_uploads(services, services.binding()) == 0
    assert services.jobs.get(job.id) is None


def test_an_upload_whose_manifest_cannot_be_read_holds_up_no_other(services, upload, redis):
    damaged, whole = sorted((upload().id, upload().id))
    (services.blobs.root / "uploads" / f"{damaged}.json").write_bytes(b"{")
    installation = services.binding()
    redis.flushall()
    services.jobs.set_installation(installation)
    age(services, 61)
    assert look_at_uploads(services, installation) == 1
    assert services.jobs.get(whole) is not None
    assert (services.blobs.root / "uploads" / damaged).exists()


def test_nothing_is_touched_beside_a_redis_of_another_installation(services, upload, redis):
    job = upload()
    redis.flushall()
    age(services, 1_000_000)
    with pytest.raises(QueueUnavailable):
        keep_house(services)
    assert services.blobs.manifest(job.id) is not None


def test_the_result_of_a_stale_claim_is_pruned_and_the_current_one_stays(services, parser, upload):
    upload()
    job = process_next(services, Priority.MEDIUM)
    with services.blobs.new_result(job.id, "stale") as sink:
        ResultWriter(sink).finish({"pages": 0})
    age(services, 4_000)
    assert prune_results(services) == 1
    assert services.blobs.results_of(job.id) == [job.result_token]


def test_a_result_that_is_about_to_be_committed_is_left_alone(services, parser, upload):
    job = upload()
    with services.blobs.new_result(job.id, "running") as sink:
        ResultWriter(sink).finish({"pages": 0})
    age(services, 4_000)
    assert prune_results(services) == 0


def test_the_upload_of_a_deleted_job_goes_however_many_were_deleted_before_it(services, upload, redis, clock):
    """The process that deleted it was killed between record and bytes; before it stand more stones than one batch reads."""
    job = upload()
    redis.zadd("ingest:tombs", {new_job_id(): clock.now - 1_000 + n for n in range(SLICE)})
    services.jobs.bury(job.id)
    keep_house(services)
    assert services.blobs.manifest(job.id) is None
    assert services.jobs.is_buried(job.id)


def test_a_tombstone_goes_two_days_after_the_deletion(services, upload, clock):
    job = upload()
    delete(services, job.id)
    bury_deeper(services)
    assert services.jobs.is_buried(job.id)
    clock.advance(TOMB_LIFE_MS / 1000 + 1)
    bury_deeper(services)
    assert not services.jobs.is_buried(job.id)


def test_unfinished_uploads_go_after_a_day(services):
    writer = services.blobs.new_upload()
    writer.write(b"half")
    age(services, 90_000)
    keep_house(services)
    assert list((services.blobs.root / "partial").iterdir()) == []


def test_a_rebuild_adopts_the_store_and_every_accepted_job_waits_again(services, upload, redis):
    accepted = [upload().id for _ in range(3)]
    redis.flushall()
    report = rebuild(services)
    assert report.restored == 3
    assert [services.jobs.get(job_id).status for job_id in accepted] == [JobStatus.PENDING] * 3
    assert services.queues.depths()["medium"] == 3
    assert rebuild(services).restored == 0


def test_what_was_stored_once_more_after_its_job_was_completed_goes(services, clock):
    """Guards `_is_spent`: the sweep has removed the upload before and does not look again, so it would lie for days."""
    job = completed(services, with_bytes=True)
    age(services, 61)
    look_at_uploads(services, services.binding())
    assert services.blobs.manifest(job.id)  # a Redis that comes back a second older may still need it
    clock.advance(61)
    look_at_uploads(services, services.binding())
    assert services.blobs.manifest(job.id) is None
