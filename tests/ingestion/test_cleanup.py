import pytest

from app.errors import QueueUnavailable, ValidationFailed
from app.ingestion import cleanup as cleaning
from app.ingestion.bulk import Slice
from app.ingestion.cleanup import DAY_MS, cleanup, expire
from tests.jobs_in_states import completed, failed, pending, processing, retrying


@pytest.fixture
def long_ago(clock):
    return clock() - 8 * DAY_MS


def clean(services, days_old, **part):
    return cleanup(services, days_old=days_old, part=Slice(services.jobs.now(), **part))


def left(services, jobs):
    return [job for job in jobs if services.jobs.get(job.id)]


def test_ended_jobs_go_with_everything_that_is_stored(services, long_ago):
    job = failed(services, now=long_ago, ended=long_ago, with_bytes=True)
    assert clean(services, 7).job_ids == [job.id]
    assert left(services, [job]) == []
    assert services.blobs.is_empty()
    assert services.jobs.is_buried(job.id), "nothing may restore it"


def test_younger_ones_stay(services, clock, long_ago):
    old, young = completed(services, now=long_ago, ended=long_ago), completed(services, now=long_ago, ended=clock())
    assert clean(services, 7).affected == 1
    assert left(services, [old, young]) == [young]


def test_a_live_job_is_never_touched_however_old(services, long_ago):
    live = [retrying(services, now=long_ago), processing(services, now=long_ago), pending(services, now=long_ago)]
    assert clean(services, 1).affected == 0
    assert left(services, live) == live


def test_one_that_was_retried_in_the_meantime_stays(services, redis, long_ago):
    job = failed(services, now=long_ago, ended=long_ago)
    services.jobs.replace(job, job.retried(now=long_ago))
    redis.zadd("ingest:ended:failed", {job.id: long_ago})
    assert clean(services, 7).affected == 0
    assert len(left(services, [job])) == 1


def test_a_dry_run_counts_and_removes_nothing(services, long_ago):
    jobs = [completed(services, now=long_ago, ended=long_ago) for _ in range(3)]
    outcome = clean(services, 7, dry_run=True)
    assert (outcome.affected, sorted(outcome.job_ids)) == (3, sorted(job.id for job in jobs))
    assert left(services, jobs) == jobs


def test_a_second_click_finds_nothing_more(services, long_ago):
    completed(services, now=long_ago, ended=long_ago)
    assert [clean(services, 7).affected for _ in range(2)] == [1, 0]


def test_many_go_in_slices_and_a_limit_is_said(services, long_ago, monkeypatch):
    monkeypatch.setattr(cleaning, "SLICE", 2)
    monkeypatch.setattr(cleaning, "MOST_AT_ONCE", 4)
    for _ in range(5):
        completed(services, now=long_ago, ended=long_ago)
    outcomes = [clean(services, 7) for _ in range(2)]
    assert [(outcome.affected, outcome.next_cursor is not None) for outcome in outcomes] == [(4, True), (1, False)]


def test_a_request_ends_in_time_and_the_rest_goes_with_the_cursor(services, long_ago, monkeypatch):
    monkeypatch.setattr(cleaning, "MOST_SECONDS", 0)
    for _ in range(3):
        completed(services, now=long_ago, ended=long_ago)
    outcomes = [clean(services, 7, cursor=cursor) for cursor in (None, "rest", "rest")]
    assert [(outcome.affected, outcome.next_cursor) for outcome in outcomes] == [(1, "rest"), (1, "rest"), (1, None)]


def test_a_limit_is_kept_and_the_rest_goes_with_the_cursor(services, long_ago):
    for _ in range(3):
        completed(services, now=long_ago, ended=long_ago)
    first = clean(services, 7, limit=2)
    assert (first.affected, first.next_cursor is not None) == (2, True)
    rest = clean(services, 7, limit=2, cursor=first.next_cursor)
    assert (rest.affected, rest.next_cursor) == (1, None)


def test_all_slices_count_the_days_from_the_first(services, clock, long_ago):
    completed(services, now=long_ago, ended=long_ago)
    assert cleanup(services, days_old=7, part=Slice(clock() - 2 * DAY_MS)).affected == 0


def test_a_cursor_that_is_none_of_ours_is_refused(services):
    with pytest.raises(ValidationFailed):
        clean(services, 7, cursor="nonsense")


def test_what_went_before_redis_was_away_is_told(services, long_ago, monkeypatch):
    jobs = [completed(services, now=long_ago, ended=long_ago + n) for n in range(3)]
    bury, away = services.jobs.bury, {jobs[0].id}

    def buried(job_id, **rule):
        if job_id in away:
            raise QueueUnavailable("queue_unavailable")
        return bury(job_id, **rule)

    monkeypatch.setattr(services.jobs, "bury", buried)
    with pytest.raises(QueueUnavailable):
        clean(services, 7)
    away = {jobs[2].id}
    first = clean(services, 7)
    assert (first.affected, first.job_ids, first.next_cursor is None) == (2, [jobs[0].id, jobs[1].id], False)
    away.clear()
    assert clean(services, 7, cursor=first.next_cursor).job_ids == [jobs[2].id]


def test_expiry_follows_the_retention_and_its_limit(services, clock, long_ago):
    old = [completed(services, now=long_ago, ended=long_ago + n) for n in range(3)]
    young = completed(services, ended=clock())
    assert services.settings.retention_days == 7
    assert expire(services, limit=2) == 2
    assert left(services, [*old, young]) == [old[2], young]
    assert expire(services, limit=2) == 1
    assert expire(services, limit=2) == 0
