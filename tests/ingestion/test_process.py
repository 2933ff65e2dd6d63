from __future__ import annotations

import json

import pytest
import structlog

from app.adapters.result_file import ResultReader
from app.domain.job import JobStatus, Priority
from app.domain.record import to_record
from app.errors import ExtractionFailed, JobTimeout, QueueUnavailable, StorageUnavailable
from app.ingestion.cancel import cancel, delete
from app.ingestion.process import process_next


def raising(error):
    def before(*args):
        raise error

    return before


def test_nothing_waits_nothing_is_done(services, parser):
    assert process_next(services, Priority.MEDIUM) is None


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ExtractionFailed("encrypted_document"), JobStatus.FAILED, "encrypted_document"),
        (JobTimeout(), JobStatus.RETRYING, "job_timeout"),
        (StorageUnavailable("storage_full"), JobStatus.RETRYING, "storage_full"),
        (ZeroDivisionError("a bug"), JobStatus.FAILED, "internal"),
    ],
)
def test_each_failure_ends_the_attempt_in_its_own_way(services, parser, upload, error, status, code):
    upload()
    parser.before = raising(error)
    job = process_next(services, Priority.MEDIUM)
    assert (job.status, job.failure.code) == (status, code)
    assert services.jobs.get(job.id) == job
    assert services.blobs.results_of(job.id) == []


def test_a_bug_leaves_its_trace_for_admins_and_no_word_of_it_for_others(services, parser, upload):
    upload()
    parser.before = raising(ZeroDivisionError("secret"))
    failure = process_next(services, Priority.MEDIUM).failure
    assert "ZeroDivisionError" in failure.stack_trace
    assert "secret" not in failure.message + failure.suggestion


def test_a_job_cancelled_while_it_is_read_is_left_alone(services, parser, upload):
    upload()

    def before(number):
        if number == 2:
            [lease] = services.jobs.leases()
            cancel(services, lease.job_id)

    parser.before = before
    job = process_next(services, Priority.MEDIUM)
    assert services.jobs.get(job.id).is_cancelled
    assert services.blobs.results_of(job.id) == []


def test_a_job_deleted_while_it_is_read_leaves_nothing(services, parser, upload):
    job = upload()
    parser.before = lambda number: delete(services, job.id) if number == 1 else None
    process_next(services, Priority.MEDIUM)
    assert services.jobs.get(job.id) is None
    assert services.blobs.is_empty()


def test_a_job_in_hand_when_the_worker_stops_is_given_back_uncounted(services, parser, upload):
    job = upload()
    parser.before = lambda number: parser.kill()
    process_next(services, Priority.MEDIUM)
    back = services.jobs.get(job.id)
    assert (back.status, back.attempt, back.losses) == (JobStatus.PENDING, 1, 0)
    assert services.queues.depths()["medium"] == 2  # the upload's delivery, and one for the job given back


def test_a_whole_result_of_an_earlier_claim_saves_a_job_whose_bytes_are_gone(services, parser, upload, clock):
    job = upload(b"one\ntwo")
    done = process_next(services, Priority.MEDIUM)
    # the worker died after storing the result and before saying so; the upload vanished meanwhile
    record = {**to_record(job), "version": done.version}
    services.redis.hset(f"ingest:job:{job.id}", "record", json.dumps(record))
    services.redis.zadd("ingest:waiting:medium", {job.id: job.created_at})
    services.blobs.delete_upload(job.id)
    again = process_next(services, Priority.MEDIUM)
    assert (again.status, again.result["pages"]) == (JobStatus.COMPLETED, 2)
    # a copy of its own: whoever wrote the other may live, and drop it at this moment
    assert again.result_token != done.result_token
    services.blobs.delete_result(job.id, done.result_token)
    with services.blobs.open_result(job.id, again.result_token) as file:
        reader = ResultReader(file)
        assert [page.text for page in reader.iter_pages()] == ["one", "two"]
        assert reader.document["sha256"] == job.file.sha256


def test_a_store_that_goes_away_while_an_earlier_result_is_looked_for_is_tried_again(
    services, parser, upload, monkeypatch
):
    """Guards the order of the two tries: else the job stands in its worker's hands until its lease runs out."""
    job = upload()
    services.blobs.delete_upload(job.id)

    def away(job_id):
        raise StorageUnavailable("storage_unavailable")

    monkeypatch.setattr(services.blobs, "results_of", away)
    assert process_next(services, Priority.MEDIUM).status is JobStatus.RETRYING
    assert services.jobs.get(job.id).failure.code == "storage_unavailable"


@pytest.fixture
def frozen(services, clock, monkeypatch):
    """Redis freezes as the outcome comes: it carries out what it was sent, and nobody hears of it for a second."""
    replace = services.jobs.replace

    def unheard(old, new):
        if new.status is JobStatus.PROCESSING:
            return replace(old, new)
        monkeypatch.setattr(services.jobs, "replace", replace)
        replace(old, new)
        raise QueueUnavailable("queue_unavailable")

    monkeypatch.setattr(services.jobs, "replace", unheard)
    monkeypatch.setattr("app.ingestion.holding.RENEW_SECONDS", 0)
    monkeypatch.setattr("app.ingestion.holding.time.sleep", lambda seconds: (clock.advance(1), services.keeper.tick()))


def test_a_completed_job_keeps_its_result_though_redis_froze_as_it_was_committed(services, parser, upload, frozen):
    upload()
    job = process_next(services, Priority.MEDIUM)
    assert services.jobs.get(job.id) == job
    assert job.status is JobStatus.COMPLETED
    assert services.blobs.results_of(job.id) == [job.result_token]


def test_a_failed_job_is_noted_though_redis_froze_as_it_was_written_down(services, parser, upload, frozen, redis):
    upload()
    parser.before = raising(ExtractionFailed("corrupt_document"))
    job = process_next(services, Priority.MEDIUM)
    assert job.status is JobStatus.FAILED
    assert redis.zscore("rq:failed:medium", job.id) is not None


def test_a_worker_that_lost_its_claim_leaves_the_result_that_another_one_committed(services, parser, upload, clock):
    """It stored the result and froze; the next one found the bytes missing, and took what was there."""
    job = upload(b"one\ntwo")
    store = services.blobs

    class Overtaken(type(store)):
        def new_result(self, job_id, token):
            return overtaking(super().new_result(job_id, token))

    def overtaking(sink):
        commit = sink.commit

        def then_frozen():
            commit()
            sink.commit = commit
            services.blobs = store
            held = services.jobs.get(job.id)
            services.jobs.replace(held, held.lost(now=clock()))
            services.jobs.stage()
            store.delete_upload(job.id)
            process_next(services, Priority.MEDIUM)

        sink.commit = then_frozen
        return sink

    services.blobs = Overtaken(store.root)
    process_next(services, Priority.MEDIUM)
    done = services.jobs.get(job.id)
    assert done.status is JobStatus.COMPLETED
    assert store.results_of(job.id) == [done.result_token]


def test_a_failed_job_is_noted_where_rq_dashboard_looks(services, parser, upload, redis):
    job = upload()
    parser.before = raising(ExtractionFailed("corrupt_document"))
    process_next(services, Priority.MEDIUM)
    assert redis.zscore("rq:failed:medium", job.id) is not None


def test_a_claim_that_nobody_heard_is_found_by_its_token(services, parser, upload, monkeypatch):
    first, second = upload(), upload()
    claim = services.jobs.claim_next
    lost = [True]

    def unheard(*args, **kwargs):
        job = claim(*args, **kwargs)
        if lost and lost.pop():
            raise QueueUnavailable("queue_unavailable")
        return job

    monkeypatch.setattr(services.jobs, "claim_next", unheard)
    monkeypatch.setattr(services.stopper, "wait", lambda seconds: False)
    done = process_next(services, Priority.MEDIUM)
    assert done.status is JobStatus.COMPLETED
    left = ({first.id, second.id} - {done.id}).pop()
    assert services.jobs.get(left).status is JobStatus.PENDING
    assert services.jobs.leases() == []


def test_what_a_worker_logs_of_a_job_bears_the_id_of_the_request_that_brought_it(services, parser, upload):
    job = upload(request_id="f3" * 16)
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logged:
        process_next(services, Priority.MEDIUM)
    ended = next(entry for entry in logged if entry["event"] == "attempt_ended")
    assert (ended["job_id"], ended["request_id"]) == (job.id, "f3" * 16)
