from __future__ import annotations

import json

import fakeredis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.adapters.job_store import JobStore
from app.adapters.places import STAGED
from app.domain.job import Failure, FileInfo, Job, JobStatus, Priority, Progress
from app.domain.retry import RetryPolicy
from app.errors import QueueUnavailable, RequestRefused
from tests.conftest import Clock


def add(services, name="a.txt", priority=Priority.MEDIUM, job_id="job_" + "a" * 24):
    file = FileInfo(name, 5, "text/plain", "00")
    job = Job.new(job_id, priority=priority, file=file, now=services.jobs.now())
    return services.jobs.add(job, installation=services.binding())


def claim(services, priority=Priority.MEDIUM, token="t"):
    return services.jobs.claim_next(priority, holder="w", token=token)


def log_of(redis, job):
    return [(key.decode(), JobStore.load(entry[b"record"])) for key, entry in redis.xrange(f"ingest:log:{job.id}")]


def test_a_new_job_waits_and_its_log_begins(services, redis):
    job = add(services)
    assert services.jobs.get(job.id) == job
    assert log_of(redis, job) == [("1-0", job)]


def test_adding_a_job_that_is_there_gives_the_one_that_is_there(services):
    add(services)
    taken = claim(services)
    assert add(services) == taken


def test_a_deleted_job_is_not_added_again(services):
    services.jobs.bury(add(services).id)
    with pytest.raises(RequestRefused):
        add(services)


def test_nothing_is_added_to_a_redis_of_another_installation(services):
    services.binding()
    services.jobs.set_installation("another")
    job = Job.new("job_b", priority=Priority.LOW, file=FileInfo("a", 1, "t", "0"), now=1)
    with pytest.raises(QueueUnavailable):
        services.jobs.add(job, installation="ours")


def test_the_script_claims_as_the_domain_does(services, clock):
    job = add(services)
    clock.advance(3)
    assert claim(services) == job.claimed(holder="w", token="t", now=clock.now)


@given(
    name=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20),
    details=st.text(st.characters(codec="utf-8"), max_size=20),
    code=st.sampled_from([None, "job_timeout", "worker_lost"]),
    done=st.integers(0, 5000),
)
def test_the_script_claims_as_the_domain_does_whatever_the_record_holds(name, details, code, done):
    clock = Clock()
    store = JobStore(fakeredis.FakeRedis(), clock=clock)
    store.set_installation("x")
    job = Job.new("job_a", priority=Priority.HIGH, file=FileInfo(name, 2**40, "t", "0"), now=clock.now, user_id=name)
    store.add(job, installation="x")
    if code:
        held = store.claim_next(Priority.HIGH, holder="v", token="first")
        far = held.progressed(Progress("step", 7, details, done, 5000), now=clock.now)
        store.replace(held, far)
        job = (
            far.lost(now=clock.now)
            if code == "worker_lost"
            else far.failed(Failure.of(code), now=clock.now, policy=RetryPolicy())
        )
        store.replace(far, job)
        clock.advance(100)
        store.stage()
    taken = store.claim_next(Priority.HIGH, holder="w", token="t")
    assert taken == job.claimed(holder="w", token="t", now=clock.now)
    assert store.get("job_a") == taken


def test_a_claim_sent_again_finds_the_same_job(services):
    add(services, job_id="job_" + "a" * 24)
    add(services, job_id="job_" + "b" * 24)
    assert claim(services, token="t") == claim(services, token="t")


def test_first_come_is_first_served_within_a_priority(services, clock):
    ids = []
    for letter in "zyx":
        ids.append(add(services, job_id="job_" + letter * 24).id)
        clock.advance(0.001)
    assert [claim(services, token=str(n)).id for n in range(3)] == ids


def test_a_paused_priority_is_not_claimed_from(services):
    add(services)
    services.jobs.pause(Priority.MEDIUM)
    assert claim(services) is None
    services.jobs.resume(Priority.MEDIUM)
    assert claim(services) is not None


def written_by_a_newer_version(services, redis, job):
    """The same record as a later version would have it, with a member that this one does not know."""
    key = f"ingest:job:{job.id}"
    redis.hset(key, "record", redis.hget(key, "record").replace(b'"schema":1', b'"colour":"blue","schema":99'))
    return services.jobs.get(job.id)


def test_a_job_of_a_later_schema_is_left_alone_and_holds_up_nobody(services, redis):
    newer = [add(services, job_id=f"job_{letter * 24}") for letter in "ab"]
    for job in newer:
        written_by_a_newer_version(services, redis, job)
    records = [redis.hget(f"ingest:job:{job.id}", "record") for job in newer]
    ours = add(services, job_id="job_" + "c" * 24)
    with capture_logs() as logs:
        assert claim(services).id == ours.id
        assert claim(services, token="u") is None
        with pytest.raises(RequestRefused):
            services.jobs.replace(services.jobs.get(newer[0].id), ours)
    assert [line["event"] for line in logs] == ["newer_record_left_alone"]
    assert [redis.hget(f"ingest:job:{job.id}", "record") for job in newer] == records


def test_what_an_older_version_set_aside_waits_in_its_old_place_when_the_newer_one_sweeps(
    services, redis, clock, monkeypatch
):
    job = add(services)
    written_by_a_newer_version(services, redis, job)
    gone = add(services, job_id="job_" + "b" * 24)
    written_by_a_newer_version(services, redis, gone)
    assert claim(services) is None
    services.jobs.bury(gone.id)
    clock.advance(5)
    later = add(services, job_id="job_" + "c" * 24)
    assert services.jobs.stage() == [], "the older version's own sweep"
    monkeypatch.setattr("app.adapters.job_store.SCHEMA", 99)
    assert services.jobs.stage() == [(job.id, Priority.MEDIUM)]
    assert services.jobs.waiting_ids(Priority.MEDIUM, 9) == [job.id, later.id]
    assert claim(services).id == job.id


def test_a_retry_that_an_older_version_set_aside_comes_back_too(services, redis, clock, monkeypatch):
    add(services)
    held = claim(services)
    services.jobs.replace(held, held.failed(Failure.of("job_timeout"), now=clock.now, policy=RetryPolicy(3, 60)))
    written_by_a_newer_version(services, redis, held)
    clock.advance(60)
    assert services.jobs.stage() == [(held.id, Priority.MEDIUM)]
    assert claim(services) is None
    monkeypatch.setattr("app.adapters.job_store.SCHEMA", 99)
    assert services.jobs.stage() == [(held.id, Priority.MEDIUM)]
    assert claim(services).attempt == 2


def test_a_record_of_a_later_version_is_not_written_over(services, redis):
    """What this version does not know of it would be lost."""
    job = written_by_a_newer_version(services, redis, add(services))
    with pytest.raises(RequestRefused, match="wrong_state"):
        services.jobs.replace(job, job.cancelled(now=1))
    assert b"blue" in redis.hget(f"ingest:job:{job.id}", "record")


def test_only_one_of_two_changes_of_the_same_version_is_written(services, redis):
    add(services)
    job = claim(services)
    assert services.jobs.replace(job, job.cancelled(now=1))
    assert not services.jobs.replace(job, job.completed({"pages": 1}, now=2))
    assert services.jobs.get(job.id).is_cancelled
    assert [version for version, _ in log_of(redis, job)] == ["1-0", "2-0", "3-0"]


def test_a_claim_of_the_same_version_by_another_is_not_written_over(services, redis):
    """A Redis that came back a second older counts the same versions once more."""
    job = add(services)
    before = redis.dump(f"ingest:job:{job.id}")
    mine = claim(services, token="mine")
    redis.restore(f"ingest:job:{job.id}", 0, before, replace=True)
    redis.delete(f"ingest:log:{job.id}")
    redis.zadd("ingest:waiting:medium", {job.id: job.created_at})
    others = services.jobs.claim_next(Priority.MEDIUM, holder="other", token="others")
    assert others.version == mine.version
    assert not services.jobs.replace(mine, mine.completed({"pages": 1}, now=1))
    assert services.jobs.get(job.id) == others


def test_a_progress_that_redis_forgot_is_not_written_over_the_one_that_followed(services, redis):
    """The same version under the same claim, twice: once before Redis came back a second older, and once after it."""
    job = add(services)
    mine = claim(services, token="mine")
    record, log = redis.dump(f"ingest:job:{job.id}"), redis.dump(f"ingest:log:{job.id}")
    forgotten = mine.progressed(Progress("Processing file", 50, "", 1, 2), now=1)
    assert services.jobs.replace(mine, forgotten)
    redis.restore(f"ingest:job:{job.id}", 0, record, replace=True)
    redis.restore(f"ingest:log:{job.id}", 0, log, replace=True)
    stands = mine.progressed(Progress("Processing file", 99, "", 2, 2), now=1)
    assert services.jobs.replace(mine, stands)
    assert not services.jobs.replace(forgotten, forgotten.lost(now=2))
    assert services.jobs.get(job.id) == stands


def test_a_lease_renewed_in_between_refuses_the_loss(services, clock):
    add(services)
    job = claim(services)
    read = services.jobs.leases()[0]
    clock.advance(1)
    assert services.jobs.renew(job.id, token="t", holder="w")
    assert not services.jobs.replace(job, job.lost(now=clock.now), lease=read.deadline)
    assert services.jobs.replace(job, job.lost(now=clock.now), lease=read.deadline + 1000)


def test_a_claim_that_is_gone_is_not_renewed(services):
    add(services)
    job = claim(services)
    services.jobs.replace(job, job.cancelled(now=1))
    assert not services.jobs.renew(job.id, token="t", holder="w")


def test_a_due_retry_goes_back_to_its_old_place(services, clock, redis):
    first = add(services, job_id="job_" + "a" * 24)
    clock.advance(1)
    add(services, job_id="job_" + "b" * 24)
    job = claim(services)
    services.jobs.replace(job, job.failed(Failure.of("job_timeout"), now=clock.now, policy=services.policy))
    assert services.jobs.stage() == []
    clock.advance(60)
    assert services.jobs.stage() == [(first.id, Priority.MEDIUM)]
    assert redis.zscore("ingest:retrying", first.id) == STAGED
    assert claim(services, token="again").id == first.id


def test_a_job_stands_in_the_places_of_its_state_and_in_no_other(services, clock, redis):
    def where(job):
        return {
            k.decode()
            for k in redis.keys("ingest:*")
            if redis.type(k) == b"zset" and redis.zscore(k, job.id) is not None
        }

    job = add(services)
    assert where(job) == {"ingest:jobs", "ingest:waiting:medium", "ingest:since:medium", "ingest:pending"}
    job = claim(services)
    assert where(job) == {"ingest:jobs", "ingest:leases"}
    lost = job.lost(now=clock.now)
    services.jobs.replace(job, lost)
    assert where(job) == {"ingest:jobs", "ingest:retrying"}
    services.jobs.stage()
    assert where(job) == {"ingest:jobs", "ingest:retrying", "ingest:waiting:medium", "ingest:since:medium"}
    stopped = lost.cancelled(now=clock.now)
    services.jobs.replace(lost, stopped)
    assert where(job) == {
        "ingest:jobs",
        "ingest:ended:failed",
        "ingest:ended:cancelled",
        "ingest:failed:cancelled",
    }
    services.jobs.replace(stopped, stopped.retried(now=clock.now))
    assert where(job) == {"ingest:jobs", "ingest:waiting:medium", "ingest:since:medium", "ingest:pending"}
    job = claim(services, token="u")
    services.jobs.replace(job, job.completed({"pages": 1}, now=clock.now))
    assert where(job) == {"ingest:jobs", "ingest:ended:completed", "ingest:spent"}
    services.jobs.bury(job.id)
    assert where(job) == {"ingest:tombs"}


def test_the_log_lives_ten_minutes_after_the_end_and_on_after_a_retry(services, redis):
    add(services)
    job = claim(services)
    ended = job.cancelled(now=1)
    services.jobs.replace(job, ended)
    assert 590 < redis.ttl(f"ingest:log:{job.id}") <= 600
    services.jobs.replace(ended, ended.retried(now=2))
    assert redis.ttl(f"ingest:log:{job.id}") == -1


def test_an_unknown_job_is_none(services):
    assert services.jobs.get("job_nothing") is None
    assert services.jobs.get_many(["job_nothing"]) == [None]


def test_a_redis_that_does_not_answer_is_queue_unavailable():
    server = fakeredis.FakeServer()
    server.connected = False
    with pytest.raises(QueueUnavailable) as seen:
        JobStore(fakeredis.FakeRedis(server=server)).get("job_a")
    assert seen.value.code == "queue_unavailable"


def test_a_job_is_processing_only_under_its_own_token(services):
    add(services)
    assert claim(services).status is JobStatus.PROCESSING
    assert not services.jobs.renew("job_" + "a" * 24, token="other", holder="w")


def test_the_days_that_a_job_lay_failed_are_no_waiting(services, redis, clock):
    job = add(services)
    held = claim(services)
    ended = held.failed(Failure.of("corrupt_document"), now=clock(), policy=RetryPolicy())
    services.jobs.replace(held, ended)
    clock.advance(3 * 86_400)
    services.jobs.replace(ended, ended.retried(now=clock()))
    again = claim(services, token="u")
    services.jobs.replace(again, again.completed({"pages": 1}, now=clock()))
    waited = [json.loads(row)[3] for row in redis.lrange("ingest:recent", 0, -1)]
    assert waited == [-1, 0]
    assert services.jobs.get(job.id).status is JobStatus.COMPLETED
