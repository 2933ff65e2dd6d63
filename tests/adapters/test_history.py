import itertools

import pytest

from app.adapters.history import BINS, OUTCOMES, STEPS, History, _bin, _quantile
from app.domain.job import Failure, Priority
from app.ingestion.cancel import cancel, delete, retry
from tests.jobs_in_states import completed, failed, pending, processing, retrying


@pytest.fixture
def history(redis):
    return History(redis)


def outcomes(period):
    return [getattr(period, name) for name in OUTCOMES]


def sums(points):
    return [sum(column) for column in zip(*map(outcomes, points), strict=True)]


@pytest.mark.parametrize("hours", STEPS)
def test_every_step_is_there_though_nothing_happened(history, clock, hours):
    points = history.points(hours, now=clock())
    assert len(points) == hours * 3600 // STEPS[hours]
    assert {after.at - before.at for before, after in itertools.pairwise(points)} == {STEPS[hours] * 1000}
    assert points[-1].at <= clock() < points[-1].at + STEPS[hours] * 1000
    assert sums(points) == [0, 0, 0, 0]
    assert points[0].run_seconds.p50 is None


@pytest.mark.parametrize("hours", STEPS)
def test_each_outcome_is_counted_once_in_the_step_in_which_it_happened(history, services, clock, hours):
    completed(services)
    failed(services)
    cancel(services, pending(services).id)
    cancel(services, processing(services).id)
    retrying(services)
    (*before, last) = history.points(hours, now=clock())
    assert outcomes(last) == [1, 1, 2, 0]
    assert sums(before) == [0, 0, 0, 0]
    clock.advance(STEPS[hours])
    completed(services)
    assert [outcomes(point) for point in history.points(hours, now=clock())[-2:]] == [[1, 1, 2, 0], [1, 0, 0, 0]]


def test_a_refused_write_counts_nothing(history, services, clock):
    job = processing(services)
    cancel(services, job.id)
    assert not services.jobs.replace(job, job.completed({"pages": 1}, now=clock()))
    assert outcomes(history.points(1, now=clock())[-1]) == [0, 0, 1, 0]


def test_a_loss_is_counted_and_the_third_fails_the_job_too(history, services, clock):
    job = processing(services)
    for n in range(3):
        services.jobs.replace(job, job.lost(now=clock()))
        services.jobs.stage()
        job = services.jobs.claim_next(job.priority, holder="w", token=f"again{n}")
    assert outcomes(history.points(1, now=clock())[-1]) == [0, 1, 0, 3]


def test_a_retry_or_removal_takes_nothing_back(history, services, clock):
    retry(services, failed(services).id)
    delete(services, failed(services, priority=Priority.LOW).id)
    assert outcomes(history.points(1, now=clock())[-1]) == [0, 2, 0, 0]


def test_windows_hold_their_hours_and_no_more(history, services, clock):
    for hours in (1, 23, 48):
        completed(services)
        clock.advance(hours * 3600)
    failed(services)
    assert {hours: outcomes(period) for hours, period in history.windows(now=clock()).items()} == {
        1: [0, 1, 0, 0],
        24: [0, 1, 0, 0],
        72: [2, 1, 0, 0],
    }
    assert history.windows(now=clock())[72].error_rate == 0.3333


def test_a_quarter_that_is_over_is_read_once_a_minute(history, services, redis, clock):
    completed(services)
    clock.advance(3600)
    assert outcomes(history.windows(now=clock())[72]) == [1, 0, 0, 0]
    redis.flushall()
    clock.advance(60)
    assert outcomes(history.windows(now=clock())[72]) == [1, 0, 0, 0]
    clock.advance(1)
    assert outcomes(history.windows(now=clock())[72]) == [0, 0, 0, 0]


def test_what_ends_in_the_last_moment_of_a_quarter_is_counted(history, services, clock):
    end = (clock() // 900_000 + 1) * 900_000
    assert outcomes(history.windows(now=end + 2_000)[24]) == [0, 0, 0, 0]
    clock.now = end - 1
    completed(services)
    assert outcomes(history.windows(now=end + 3_000)[24]) == [1, 0, 0, 0]


def test_quantiles_are_off_by_a_tenth_at_most(history, services, clock):
    for milliseconds in (100, 200, 300, 4000):
        completed(services, now=clock() - 500, ended=clock() + milliseconds)
    point = history.points(1, now=clock())[-1]
    assert point.run_seconds.p50 == pytest.approx(0.3, rel=0.1)
    assert point.run_seconds.p95 == pytest.approx(4, rel=0.1)
    assert point.wait_seconds.p50 == point.wait_seconds.p95 == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("milliseconds", [1, 2, 7, 30, 1000, 29_999, 86_400_000])
def test_a_bin_stands_for_what_falls_into_it(milliseconds):
    bins = [0] * BINS
    bins[_bin(milliseconds)] = 1
    assert _quantile(bins, 0) * 1000 == pytest.approx(milliseconds, rel=0.1, abs=1)


@pytest.mark.parametrize("milliseconds", [-5, 0, 10**12])
def test_a_clock_that_jumped_finds_a_bin_too(milliseconds):
    assert 0 <= _bin(milliseconds) < BINS


def test_a_later_attempt_does_not_tell_how_long_the_job_had_waited(history, services, clock):
    job = processing(services)
    services.jobs.replace(job, job.failed(Failure.of("job_timeout"), now=clock(), policy=services.policy))
    clock.advance(60)
    services.jobs.stage()
    again = services.jobs.claim_next(job.priority, holder="w", token="again")
    services.jobs.replace(again, again.completed({"pages": 1}, now=clock()))
    point = history.points(1, now=clock())[-1]
    assert point.run_seconds.p50 is not None
    assert point.wait_seconds.p50 is None


def test_buckets_are_bounded_and_run_out(services, redis):
    for _ in range(3):
        completed(services)
    keys = redis.keys("ingest:history:*")
    assert len(keys) == 2
    assert sorted(redis.ttl(key) > 0 for key in keys) == [True, True]
    assert max(redis.ttl(key) for key in keys) <= 74 * 3600
    assert max(redis.strlen(key) for key in keys) <= 4 * (len(OUTCOMES) + 2 * BINS)
