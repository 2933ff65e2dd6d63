from __future__ import annotations

import pytest

from app.domain.job import (
    Claim,
    Failure,
    FileInfo,
    Job,
    JobStatus,
    Priority,
    Progress,
    WrongState,
)
from app.domain.retry import MAX_GIVE_BACKS, RetryPolicy

POLICY = RetryPolicy()
T = 1_700_000_000_000


def pending(**changes):
    file = FileInfo("script.pdf", 10, "application/pdf", "ab" * 32)
    return Job.new("job_a", priority=Priority.HIGH, file=file, now=T, **changes)


def claimed(job=None, now=T):
    return (job or pending()).claimed(holder="w", token="t", now=now)


def timed_out(job, now=T):
    return job.failed(Failure.of("job_timeout"), now=now, policy=POLICY)


def test_a_claim_makes_it_processing_and_says_who_has_it():
    job = claimed(now=T + 5)
    assert (job.status, job.claim, job.started_at, job.version) == (
        JobStatus.PROCESSING,
        Claim("t", "w", T + 5),
        T + 5,
        2,
    )
    assert job.is_held_under("t")
    assert not job.is_held_under("other")


def test_retryable_failures_come_back_after_60_120_and_240_seconds_and_then_no_more():
    job, delays = claimed(), []
    for _ in range(3):
        job = timed_out(job)
        assert job.status is JobStatus.RETRYING
        delays.append((job.due_at - T) // 1000)
        job = claimed(job)
    assert delays == [60, 120, 240]
    assert job.attempt == 4
    last = timed_out(job)
    assert (last.status, last.failure.code, last.failure.retryable) == (JobStatus.FAILED, "job_timeout", False)


def test_a_failure_that_is_not_worth_a_retry_ends_the_job():
    job = claimed().failed(Failure.of("encrypted_document"), now=T, policy=POLICY)
    assert (job.status, job.attempt, job.due_at) == (JobStatus.FAILED, 1, None)


def test_a_lost_worker_costs_no_attempt_and_the_third_loss_is_poison():
    job = claimed()
    for losses in (1, 2):
        job = job.lost(now=T)
        assert (job.status, job.losses, job.due_at, job.failure.code) == (JobStatus.RETRYING, losses, T, "worker_lost")
        job = claimed(job)
        assert job.attempt == 1
    job = job.lost(now=T)
    assert (job.status, job.failure.code, job.losses) == (JobStatus.FAILED, "poison", 3)


def test_a_job_given_back_waits_again_and_nothing_is_counted():
    job = claimed().progressed(Progress("x", 40, "Page 4 of 10", 4, 10), now=T).given_back(now=T)
    assert (job.status, job.attempt, job.losses, job.claim) == (JobStatus.PENDING, 1, 0, None)
    assert job.progress.percentage == 40


def test_a_job_given_back_too_often_is_lost():
    job = claimed()
    for _ in range(MAX_GIVE_BACKS):
        job = claimed(job.given_back(now=T))
    assert job.given_back(now=T).losses == 1


def test_the_mark_reached_stands_until_it_is_passed():
    job = claimed().progressed(Progress("x", 60, "Page 6 of 10", 6, 10), now=T)
    job = claimed(job.lost(now=T))
    job = job.progressed(Progress("x", 20, "Page 2 of 10", 2, 10), now=T)
    assert (job.progress.percentage, job.progress.pages_done, job.progress.details) == (60, 6, "Page 6 of 10")


def test_a_hundred_percent_is_for_completed_jobs_only():
    job = claimed().progressed(Progress("x", 100, "Page 10 of 10", 10, 10), now=T)
    assert job.progress.percentage == 99
    assert job.completed({"pages": 10}, now=T).progress.percentage == 100


def test_a_completed_job_names_the_claim_its_result_is_stored_under():
    job = claimed().completed({"pages": 1}, now=T + 9)
    assert (job.result_token, job.completed_at, job.history[-1].outcome) == ("t", T + 9, "completed")


@pytest.mark.parametrize("state", [pending(), claimed(), timed_out(claimed())])
def test_whatever_is_not_ended_can_be_cancelled(state):
    job = state.cancelled(now=T)
    assert job.is_cancelled
    assert not job.failure.retryable


def test_a_retry_of_a_failed_job_is_a_new_run():
    job = claimed().failed(Failure.of("corrupt_document"), now=T, policy=POLICY).retried(now=T)
    assert (job.status, job.run, job.attempt, job.failure, job.progress.percentage) == (
        JobStatus.PENDING,
        2,
        1,
        None,
        0,
    )


def test_a_retry_of_a_retrying_job_is_due_now_in_the_same_run():
    job = timed_out(claimed()).retried(now=T + 7)
    assert (job.status, job.run, job.due_at) == (JobStatus.RETRYING, 1, T + 7)


@pytest.mark.parametrize("step", ["completed", "lost", "given_back", "progressed", "failed"])
def test_a_job_that_nobody_holds_cannot_end(step):
    arguments = {"completed": [{"pages": 1}], "progressed": [Progress()], "failed": [Failure.of("internal")]}
    more = {"policy": POLICY} if step == "failed" else {}
    with pytest.raises(WrongState):
        getattr(pending(), step)(*arguments.get(step, []), now=T, **more)


def test_every_step_raises_the_version_by_one():
    steps = [pending(), claimed(), claimed().lost(now=T), claimed().lost(now=T).claimed(holder="v", token="u", now=T)]
    assert [job.version for job in steps] == [1, 2, 3, 4]


# ---- another priority --------------------------------------------------------------------------------------------


def test_a_waiting_job_may_change_its_priority_and_has_waited_as_long():
    job = pending().reprioritized(Priority.LOW, now=T + 50).reprioritized(Priority.URGENT, now=T + 90)
    assert (job.priority, job.status, job.version, job.updated_at) == (Priority.URGENT, JobStatus.PENDING, 3, T + 90)
    assert (job.created_at, job.waits_since) == (T, T)
    tried = timed_out(claimed()).reprioritized(Priority.LOW, now=T + 50)
    assert (tried.status, tried.waits_since, tried.failure.code) == (JobStatus.RETRYING, tried.due_at, "job_timeout")


def test_what_follows_forgets_since_when_it_waited_elsewhere():
    moved = pending().reprioritized(Priority.LOW, now=T + 50)
    back = claimed(moved, now=T + 60).given_back(now=T + 70)
    assert back.waits_since == T + 70


@pytest.mark.parametrize("job", [claimed(), claimed().completed({"pages": 1}, now=T), claimed().cancelled(now=T)])
def test_a_job_that_runs_or_ended_keeps_its_priority(job):
    with pytest.raises(WrongState):
        job.reprioritized(Priority.LOW, now=T)
