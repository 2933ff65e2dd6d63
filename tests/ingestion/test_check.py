"""The checker is content with every state that the service brings about, and reports each way in which one is broken."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from app.adapters.evidence import SLICE
from app.adapters.idempotency import digest
from app.adapters.job_index import JobFilter
from app.adapters.redis_client import PREFIX
from app.domain.job import SCHEMA, JobStatus, Priority, Progress
from app.domain.record import to_record
from app.ingestion.cancel import cancel, change_priority, delete, retry
from app.ingestion.check import check, lines_of
from app.ingestion.process import process_next
from tests.jobs_in_states import failed, processing, retrying

TEXT = b"one\ntwo\nthree"
LATER = 700  # seconds: beyond every grace but that of results


@pytest.fixture
def done(services, upload, parser):
    """A completed job, uploaded under a key."""
    job = upload(TEXT, key="a-key")
    process_next(services, job.priority)
    return services.jobs.get(job.id)


def invariants(services, **given):
    return sorted({violation.invariant for violation in check(services, **given).violations})


def rewrite(redis, job, **changes):
    """The record as a fault would leave it, in its hash and at the end of its log."""
    record = json.dumps(to_record(replace(job, **changes)))
    redis.hset(f"{PREFIX}job:{job.id}", "record", record)
    last = redis.xrevrange(f"{PREFIX}log:{job.id}", count=1)[0][0]
    redis.xdel(f"{PREFIX}log:{job.id}", last)
    redis.execute_command("XADD", f"{PREFIX}log:{job.id}", f"{job.version}-1", "record", record)


# ---- what is right ----------------------------------------------------------------------------------------------------


def test_a_drained_system_has_nothing_unfinished(services, done, redis):
    redis.delete("rq:queue:medium")
    report = check(services, texts={done.id: "one\ftwo\fthree"})
    assert (report.jobs, report.results, report.violations, report.unfinished) == (1, 1, [], {})


def test_jobs_in_every_state_are_no_violation_but_unfinished(services, upload, done):
    for make in (processing, retrying):
        make(services, with_bytes=True)
    failed(services, with_bytes=True)
    upload(b"waits")
    report = check(services)
    assert report.violations == []
    assert {"pending jobs", "processing jobs", "retrying jobs"} <= report.unfinished.keys()


def test_cancelled_retried_staged_and_deleted_jobs_are_right(services, upload, clock, parser):
    waiting = retrying(services, with_bytes=True)
    again, gone = upload(b"again"), upload(b"gone")
    cancel(services, again.id)
    retry(services, again.id)
    delete(services, gone.id)
    clock.advance(100)
    assert services.jobs.stage()
    assert services.jobs.get(waiting.id).status is JobStatus.RETRYING
    assert check(services).violations == []


def test_jobs_that_changed_their_priority_are_right(services, upload, clock):
    upload(b"waits")
    retrying(services, with_bytes=True, priority=Priority.HIGH)
    clock.advance(600)
    services.jobs.stage()
    for priority in (Priority.LOW, Priority.URGENT):
        for status in (JobStatus.PENDING, JobStatus.RETRYING):
            for job in services.index.each(JobFilter(status)):
                change_priority(services, job.id, priority)
        assert check(services).violations == []


def test_a_job_of_a_newer_version_is_left_alone(services, redis, upload):
    job = upload()
    record = {**to_record(job), "schema": SCHEMA + 1, "priority": "low"}
    redis.hset(f"{PREFIX}job:{job.id}", "record", json.dumps(record))
    assert check(services).violations == []


def test_thousands_of_jobs_are_checked_in_slices(services, redis, monkeypatch):
    asked = []
    execute = type(redis.pipeline()).execute
    monkeypatch.setattr(
        type(redis.pipeline()),
        "execute",
        lambda pipe, *args: asked.append(len(pipe.command_stack)) or execute(pipe, *args),
    )
    for _ in range(3 * SLICE):
        failed(services, code="blob_missing")
    asked.clear()
    assert check(services).jobs == 3 * SLICE
    assert max(asked) <= 4 * SLICE


# ---- each way to be broken --------------------------------------------------------------------------------------------


def test_i1_a_202_without_a_record(services, done):
    assert invariants(services, accepted=["job_" + "a" * 24]) == ["I1"]


def test_i1_bytes_that_nobody_restored(services, redis, upload, clock, monkeypatch):
    job = upload()
    redis.flushall()
    ages = services.blobs.list_uploads
    monkeypatch.setattr(
        services.blobs, "list_uploads", lambda *a: [replace(u, age_seconds=LATER) for u in ages(*a)], raising=True
    )
    assert [(v.invariant, v.job_id) for v in check(services).violations] == [("I1", job.id)]


def test_i1_a_key_that_names_a_job_that_is_not_there(services, redis, done):
    redis.hset(f"{PREFIX}idem:{digest('other')}", mapping={"job": "job_" + "b" * 24, "done": "x"})
    assert invariants(services) == ["I1"]


@pytest.mark.parametrize(
    "changes",
    [
        {"completed_at": None},
        {"history": ()},
        {"status": JobStatus.FAILED},
    ],
)
def test_i2_an_end_that_is_none(services, redis, done, changes):
    rewrite(redis, done, **changes)
    assert "I2" in invariants(services)


def test_i2_an_end_that_was_reached_twice(services, redis, done):
    again = replace(done, version=done.version + 1)
    redis.hset(f"{PREFIX}job:{done.id}", mapping={"record": json.dumps(to_record(again)), "version": again.version})
    redis.xadd(f"{PREFIX}log:{done.id}", {"record": json.dumps(to_record(again))}, id=f"{again.version}-0")
    assert invariants(services) == ["I2"]


def test_i2_a_step_that_there_is_not(services, redis, done):
    rewrite(redis, done, history=(*done.history, *done.history))
    assert "I2" in invariants(services)


def test_i3_a_result_that_is_missing(services, done):
    services.blobs.delete_result(done.id, done.result_token)
    assert invariants(services) == ["I3"]


def test_i3_a_result_that_is_torn(services, done):
    with services.blobs.new_result(done.id, done.result_token) as sink:
        sink.write(b"half of")
        sink.commit()
    assert invariants(services) == ["I3"]


def test_i3_another_text_than_was_uploaded(services, done):
    assert invariants(services, texts={done.id: "something else"}) == ["I3"]


def test_i3_two_texts_of_the_same_bytes(services, done, upload, parser, clock, monkeypatch):
    clock.advance(1)  # jobs are looked at in the order of their creation
    other = upload(TEXT)
    words = itertools.count()
    monkeypatch.setattr("app.ingestion.process.ResultWriter.add_page", _other_words(words))
    process_next(services, other.priority)
    assert [(v.invariant, v.job_id) for v in check(services).violations] == [("I3", other.id)]


def _other_words(words):
    from app.adapters.result_file import ResultWriter

    add = ResultWriter.add_page
    return lambda writer, text, number: add(writer, b"%d" % next(words), number)


@pytest.mark.parametrize(("is_heard", "found"), [(False, []), (True, ["I3"])])
def test_i3_a_claim_sent_again_is_given_twice_only_where_nobody_heard_of_the_first(services, upload, is_heard, found):
    job = upload(TEXT)
    for _ in range(2):
        held = services.jobs.claim_next(job.priority, holder="w", token="t")
        if is_heard:
            services.jobs.replace(held, held.progressed(Progress("Processing file", 50, "", 1, 2), now=held.updated_at))
        cancel(services, job.id)
        retry(services, job.id)
    assert invariants(services) == found


def test_i3_a_claim_taken_over_without_an_end(services, redis):
    held = processing(services, with_bytes=True)
    stolen = replace(held, version=held.version + 1, claim=replace(held.claim, token="another"))
    record = json.dumps(to_record(stolen))
    redis.hset(f"{PREFIX}job:{held.id}", mapping={"record": record, "version": stolen.version, "token": "another"})
    redis.xadd(f"{PREFIX}log:{held.id}", {"record": record}, id=f"{stolen.version}-0")
    assert invariants(services) == ["I3"]


def test_i4_an_upload_that_is_missing(services, upload):
    services.blobs.delete_upload(upload().id)
    assert invariants(services) == ["I4"]


def test_i4_an_upload_of_other_bytes(services, upload):
    job = upload()
    other = replace(services.blobs.manifest(job.id), size=4, sha256="b" * 64)
    (services.blobs.root / "uploads" / f"{job.id}.json").write_bytes(other.to_json())
    assert invariants(services) == ["I4"]


@pytest.mark.parametrize("forgotten", [False, True])
def test_i4_an_upload_that_is_left_over(services, redis, done, clock, forgotten):
    if forgotten:
        redis.zrem(f"{PREFIX}spent", done.id)
    clock.advance(LATER)
    assert invariants(services) == ["I4"]


def test_i4_the_upload_of_a_deleted_job(services, upload, clock):
    assert services.jobs.bury(upload().id)
    assert invariants(services) == []
    clock.advance(LATER)
    assert invariants(services) == ["I4"]


def test_i4_a_result_that_no_record_points_to(services, done, monkeypatch):
    with services.blobs.new_result(done.id, "stray") as sink:
        sink.commit()
    ages = services.blobs.list_results
    monkeypatch.setattr(services.blobs, "list_results", lambda *a: [replace(r, age_seconds=4_300.0) for r in ages(*a)])
    assert [v.invariant for v in check(services).violations] == ["I4"]


@pytest.mark.parametrize("place", ["leases", "waiting:low", "since:low", "ended:failed", "failed:poison"])
def test_i5_a_second_place(services, redis, upload, place):
    redis.zadd(f"{PREFIX}{place}", {upload().id: 5})
    assert "I5" in invariants(services)


@pytest.mark.parametrize("place", ["waiting:medium", "pending", "jobs"])
def test_i5_no_place(services, redis, upload, place):
    redis.zrem(f"{PREFIX}{place}", upload().id)
    assert "I5" in invariants(services)


@pytest.mark.parametrize("place", ["waiting:low", "leases", "spent", "failed:poison"])
def test_i5_a_place_of_nobody(services, redis, done, place):
    redis.zadd(f"{PREFIX}{place}", {"job_" + "c" * 24: 5})
    assert invariants(services) == ["I5"]


def test_i5_a_log_of_nobody(services, redis, done):
    redis.rename(f"{PREFIX}log:{done.id}", f"{PREFIX}log:job_{'d' * 24}")
    assert invariants(services) == ["I5"]


def test_i5_a_token_that_the_record_does_not_have(services, redis, upload):
    redis.hset(f"{PREFIX}job:{upload().id}", "token", "left over")
    assert invariants(services) == ["I5"]


@pytest.mark.parametrize("changes", [{"attempt": 5}, {"losses": 3}, {"give_backs": 11}, {"losses": 1}])
def test_i6_more_than_is_allowed(services, redis, upload, changes):
    rewrite(redis, upload(), **changes)
    assert "I6" in invariants(services)


def test_i6_an_attempt_that_grew_without_a_failure(services, redis, done):
    rewrite(redis, done, history=(replace(done.history[0], number=2),))
    assert "I6" in invariants(services)


def test_i7_a_gap_in_the_log(services, redis, done):
    redis.xdel(f"{PREFIX}log:{done.id}", "2-0")
    assert invariants(services) == ["I7"]


def test_i7_a_log_that_does_not_end_with_the_record(services, redis, upload):
    job = upload()
    redis.hset(f"{PREFIX}job:{job.id}", "record", json.dumps(to_record(replace(job, user_id="another"))))
    assert invariants(services) == ["I7"]


def test_i7_a_percentage_that_goes_back(services, upload, redis):
    held = processing(services, with_bytes=True)
    far = held.progressed(replace(held.progress, percentage=50, pages_done=2), now=held.updated_at)
    assert services.jobs.replace(held, far)
    back = replace(far, version=far.version + 1, progress=replace(far.progress, percentage=10))
    assert services.jobs.replace(far, back)
    assert invariants(services) == ["I7"]


@pytest.mark.parametrize("life", ["for ever", "for a while"])
def test_i7_a_log_that_is_kept_too_long_or_too_short(services, redis, done, upload, life):
    if life == "for ever":
        redis.persist(f"{PREFIX}log:{done.id}")
    else:
        redis.expire(f"{PREFIX}log:{upload().id}", 600)
    assert invariants(services) == ["I7"]


# ---- what is printed --------------------------------------------------------------------------------------------------


def test_a_violation_is_printed_with_the_jobs_whole_history(services, done, upload):
    services.blobs.delete_result(done.id, done.result_token)
    upload()
    lines = list(lines_of(services, check(services)))
    assert lines[0] == f"I3 {done.id}: is completed and its result is blob_missing"
    versions = [line.split()[1] for line in lines if line.strip().startswith("log ")]
    assert versions == [f"{version}-0:" for version in range(1, done.version + 1)]
    assert any(line.strip().startswith("attempt 1.1: ") for line in lines)
    assert lines[-2].startswith("not drained: ")
    assert "1 pending jobs" in lines[-2]
    assert lines[-1] == "2 jobs, 1 results, 1 violations"
