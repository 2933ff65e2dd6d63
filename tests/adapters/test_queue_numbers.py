import pytest

from app.adapters.queue_numbers import QueueNumbers
from app.domain.job import Failure, Priority
from app.ingestion.cancel import cancel, delete, retry
from tests.jobs_in_states import completed, failed, pending, processing, retrying


@pytest.fixture
def numbers(redis):
    return QueueNumbers(redis)


def test_counts_add_up_over_all_states(numbers, services):
    completed(services)
    failed(services)
    retrying(services)
    processing(services)
    cancel(services, pending(services).id)
    pending(services)
    counts = numbers.counts()
    assert (counts.total, counts.pending, counts.processing, counts.retrying) == (6, 1, 1, 1)
    assert (counts.completed, counts.failed, counts.cancelled) == (1, 2, 1)


def test_the_last_processed_is_the_last_that_ended(numbers, services, clock):
    assert numbers.counts().last_processed_at is None
    completed(services, ended=clock() + 5)
    failed(services, ended=clock() + 9)
    assert numbers.counts().last_processed_at == clock() + 9


def test_depths_tell_how_long_the_front_waits(numbers, services, clock):
    pending(services, now=clock() - 9000, priority=Priority.HIGH)
    pending(services, now=clock() - 1000, priority=Priority.HIGH)
    services.jobs.pause(Priority.LOW)
    depths = numbers.depths()
    assert (depths[Priority.HIGH].waiting, depths[Priority.HIGH].oldest_since) == (2, clock() - 9000)
    assert (depths[Priority.LOW].waiting, depths[Priority.LOW].oldest_since, depths[Priority.LOW].paused) == (
        0,
        None,
        True,
    )
    assert not depths[Priority.HIGH].paused


def test_a_job_retried_days_later_has_waited_since_then_only(numbers, services, clock):
    job = failed(services, now=clock() - 86_400_000, ended=clock() - 86_000_000)
    services.jobs.replace(job, job.retried(now=clock() - 50))
    assert numbers.depths()[Priority.MEDIUM].oldest_since == clock() - 50


def test_performance_of_a_queue_that_did_nothing_yet(numbers, services, clock):
    performance = numbers.performance(clock())
    assert (performance.jobs_per_minute, performance.error_rate) == (0, 0.0)
    assert performance.run_seconds.p50 is None
    assert performance.wait_seconds.p95 is None


def test_performance_counts_failures_but_not_what_somebody_stopped(numbers, services, clock):
    completed(services)
    failed(services)
    cancel(services, pending(services).id)
    performance = numbers.performance(clock())
    assert performance.jobs_per_minute == 3
    assert performance.error_rate == 0.5


def test_run_and_wait_times_come_from_the_latest_runs(numbers, services, clock):
    for milliseconds in (100, 200, 300, 4000):
        completed(services, now=clock() - 500, ended=clock() + milliseconds)
    performance = numbers.performance(clock() + 5000)
    assert performance.run_seconds.p95 == 4.0
    assert performance.run_seconds.p50 == 0.3
    assert performance.wait_seconds.p50 == 0.5


def test_failures_are_counted_by_code(numbers, services):
    failed(services, code="encrypted_document")
    failed(services)
    failed(services)
    cancel(services, pending(services).id)
    assert list(numbers.failures_by_code().items()) == [
        ("corrupt_document", 2),
        ("cancelled", 1),
        ("encrypted_document", 1),
    ]


def test_a_failure_that_was_retried_or_removed_is_not_counted_any_more(numbers, services, clock):
    retried, gone, stays = failed(services), failed(services), failed(services)
    retry(services, retried.id)
    delete(services, gone.id)
    assert numbers.failures_by_code() == {stays.failure.code: 1}
    failed_again = services.jobs.claim_next(Priority.MEDIUM, holder="w", token="again")
    other = failed_again.failed(Failure.of("poison"), now=clock(), policy=services.policy)
    services.jobs.replace(failed_again, other)
    assert numbers.failures_by_code() == {stays.failure.code: 1, "poison": 1}
