"""A store whose Redis was wiped is adopted: what was accepted runs again, and what was finished is listed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from app.adapters.result_file import ResultWriter
from app.adapters.s3_blobs import open_s3_blobs
from app.domain.job import Claim, JobStatus, Priority
from app.errors import QueueUnavailable, StorageUnavailable
from app.ingestion.cancel import change_priority, delete
from app.ingestion.check import check
from app.ingestion.housekeeping import keep_house
from app.ingestion.process import process_next
from app.ingestion.rebuild import rebuild
from app.ingestion.relist import FACTS, facts_of
from app.web.documents import status_document
from tests.ingestion.test_housekeeping import age


@pytest.fixture
def finished(services, parser, upload, clock):
    """Completed long enough ago for its upload to be gone."""

    def make(data=b"one\ntwo\nthree", **given):
        job = upload(data, **given)
        clock.advance(2)
        process_next(services, job.priority)
        clock.advance(61)
        assert services.jobs.spent() == [job.id]  # as the sweep does it
        services.blobs.delete_upload(job.id)
        services.jobs.forget_spent([job.id])
        return services.jobs.get(job.id)

    return make


@pytest.fixture
def bucket(services, moto, tmp_path):
    """The same service over a bucket."""
    services.blobs = open_s3_blobs(moto.place(), tmp_path / "spool", hurried=False)


def told(job):
    """What a client is told, but for the numbers that only the lost log had."""
    return {name: value for name, value in status_document(job, None).items() if name != "version"}


def listed_as_it_was(services, redis, job):
    redis.flushall()
    report = rebuild(services)
    again = services.jobs.get(job.id)
    assert (report.restored, report.listed) == (0, 1)
    assert told(again) == told(job)
    assert again.result_token == job.result_token
    assert [attempt.outcome for attempt in again.history] == ["restored"]
    assert check(services, texts={job.id: "one\ftwo\fthree"}).violations == []
    assert rebuild(services).listed == 0


def test_a_finished_job_is_listed_from_its_result_as_it_was(services, redis, finished):
    job = finished(name="größe.txt", priority=Priority.HIGH, user_id="ada", key="k")
    listed_as_it_was(services, redis, job)


def test_a_finished_job_is_listed_from_a_bucket_too(services, redis, bucket, finished):
    listed_as_it_was(services, redis, finished(user_id="ada"))


def test_accepted_bytes_in_a_bucket_wait_again(services, redis, bucket, upload):
    accepted = [upload().id for _ in range(3)]
    redis.flushall()
    assert rebuild(services).restored == 3
    assert {services.jobs.get(job_id).status for job_id in accepted} == {JobStatus.PENDING}


def test_a_listed_job_answers_a_repeat_under_its_key_and_its_log_runs_out(services, redis, finished, upload):
    job = finished(key="k")
    redis.flushall()
    rebuild(services)
    assert upload(key="k").id == job.id
    assert redis.pttl(f"ingest:log:{job.id}") > 0


def test_a_key_older_than_a_day_stays_with_the_job_that_has_it_now(services, redis, finished, upload, clock):
    """Guards the day of a key: else the older job takes it back, and a repeat is answered with the wrong one."""
    older = finished(key="k")
    clock.advance(86_400)
    redis.delete(*redis.keys("ingest:idem:*"))  # fakeredis goes by the wall clock
    newer = upload(key="k")
    assert newer.id != older.id
    redis.flushall()
    rebuild(services)
    assert upload(key="k").id == newer.id
    delete(services, older.id)
    assert upload(key="k").id == newer.id


def test_retention_counts_from_the_end_before_the_wipe(services, redis, finished, clock):
    job = finished()
    clock.advance(services.settings.retention_days * 86_400 - 100)
    redis.flushall()
    rebuild(services)
    assert keep_house(services) == 0
    clock.advance(200)
    assert keep_house(services) == 1
    assert services.jobs.get(job.id) is None


def test_a_deleted_job_leaves_nothing_to_list(services, redis, finished, upload):
    for job in (finished(), upload()):
        delete(services, job.id)
    redis.flushall()
    rebuild(services)
    assert services.jobs.is_empty()


def test_deletion_removes_the_result_before_the_upload(services, parser, upload, monkeypatch):
    """Guards the order: a crash in between must leave no finished job that could be listed."""
    job = upload()
    process_next(services, job.priority)

    def down(job_id):
        raise StorageUnavailable("storage_unavailable")

    monkeypatch.setattr(services.blobs, "delete_upload", down)
    delete(services, job.id)
    assert services.blobs.results_of(job.id) == []


def test_what_was_left_of_a_deleted_job_is_pruned_at_once(services, finished, monkeypatch):
    job = finished()
    with monkeypatch.context() as broken:
        broken.setattr(services.blobs, "delete_result", lambda job_id, token: None)
        delete(services, job.id)
    assert rebuild(services).listed == 0  # its tombstone is there
    keep_house(services)
    assert services.blobs.results_of(job.id) == []


def test_a_job_whose_upload_is_there_runs_again_whatever_results_it_has(services, redis, parser, upload):
    job = upload()
    process_next(services, job.priority)
    redis.flushall()
    report = rebuild(services)
    assert (report.restored, report.listed) == (1, 0)
    assert services.jobs.get(job.id).status is JobStatus.PENDING


def test_nothing_is_pruned_before_all_is_listed(services, redis, finished, monkeypatch):
    """Guards the order of the last step: with the id written first the batch removes what is not listed yet."""
    jobs = [finished(b"text %d" % number) for number in range(3)]
    redis.flushall()
    age(services, 86_400)
    add, calls = services.jobs.add, itertools.count()

    def add_one_then_break(job, **given):
        if next(calls):
            raise QueueUnavailable("queue_unavailable")
        return add(job, **given)

    monkeypatch.setattr(services.jobs, "add", add_one_then_break)
    with pytest.raises(QueueUnavailable):
        rebuild(services)
    monkeypatch.undo()
    with pytest.raises(QueueUnavailable):
        keep_house(services)
    assert rebuild(services).listed == 2
    keep_house(services)
    assert [services.jobs.get(job.id).status for job in jobs] == [JobStatus.COMPLETED] * 3
    assert check(services).violations == []


def test_of_several_results_the_last_one_counts_and_torn_ones_do_not(services, redis, finished):
    job = finished()
    with services.blobs.open_result(job.id, job.result_token) as file:
        whole = file.read()
    for token, data in (("torn", whole[:-9]), ("short", b"x"), ("empty", b"")):
        with services.blobs.new_result(job.id, token) as sink:
            sink.write(data)
            sink.commit()
    with services.blobs.new_result(job.id, "-earlier") as sink:
        earlier = facts_of(replace(job, claim=Claim("-earlier", "w", 1)), now=job.completed_at - 1)
        ResultWriter(sink).finish({"pages": 0, FACTS: earlier})
    redis.flushall()
    assert rebuild(services).listed == 1
    assert services.jobs.get(job.id).result_token == job.result_token


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"job": None},
        {"job": {}},
        {"job": {"job_id": "job_x"}, "pages": 1},
    ],
)
def test_a_result_that_does_not_say_whose_it_is_is_not_listed(services, redis, finished, facts):
    job = finished()
    services.blobs.delete_result(job.id, job.result_token)
    with services.blobs.new_result(job.id, "older") as sink:
        ResultWriter(sink).finish(facts)
    redis.flushall()
    report = rebuild(services)
    assert (report.listed, report.unknown) == (0, 0 if facts else 1)


def test_an_upload_that_cannot_be_read_does_not_keep_the_others_from_being_restored(services, redis, upload):
    """Guards `restore`: one damaged manifest ended the housekeeping at the same place each minute, for ever."""
    jobs = sorted((upload() for _ in range(3)), key=lambda job: job.id)
    (services.blobs.root / "uploads" / f"{jobs[0].id}.json").write_text("{")
    odd = services.blobs.root / "uploads" / f"{jobs[1].id}.json"
    odd.write_text(odd.read_text().replace('"medium"', '"someday"'))
    redis.flushall()
    assert rebuild(services).restored == 1
    age(services, 120)
    keep_house(services)
    assert services.jobs.get(jobs[2].id).status is JobStatus.PENDING


def moved_and_lost(services, redis, upload):
    job = upload(priority=Priority.LOW, key="k")
    for priority in (Priority.HIGH, Priority.URGENT):
        change_priority(services, job.id, priority)
    redis.flushall()
    rebuild(services)
    assert services.jobs.get(job.id).priority is Priority.URGENT
    assert upload(priority=Priority.LOW, key="k").id == job.id, "the repeat of what was asked for is known again"
    assert check(services).violations == []


def test_a_priority_that_was_changed_by_hand_is_not_forgotten(services, redis, upload):
    moved_and_lost(services, redis, upload)


def test_nor_is_it_in_a_bucket(services, redis, bucket, upload):
    moved_and_lost(services, redis, upload)


def test_it_says_how_far_it_is(services, redis, finished, upload):
    finished()
    upload()
    redis.flushall()
    said = []
    report = rebuild(services, tell=said.append)
    assert [(so_far.restored, so_far.listed) for so_far in said] == [(1, 0), (1, 1)]
    assert (report.uploads, report.results) == (1, 1)
