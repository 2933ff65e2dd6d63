"""What cancel, retry and delete do in each state."""

from __future__ import annotations

import pytest

from app.domain.job import JobStatus, Priority
from app.errors import RequestRefused, StorageUnavailable
from app.ingestion.cancel import cancel, change_priority, delete, retry
from tests import jobs_in_states as jobs


def cancelled(services, **kwargs):
    return cancel(services, jobs.pending(services, **kwargs).id)


LIVE = [jobs.pending, jobs.processing, jobs.retrying]


@pytest.mark.parametrize("state", LIVE)
def test_cancel_ends_a_live_job(services, state):
    assert cancel(services, state(services).id).is_cancelled


def test_cancel_of_a_cancelled_job_changes_nothing(services):
    job = cancelled(services)
    assert cancel(services, job.id) == job


@pytest.mark.parametrize("state", [jobs.completed, jobs.failed])
def test_cancel_of_an_ended_job_is_refused(services, state):
    with pytest.raises(RequestRefused, match="wrong_state"):
        cancel(services, state(services).id)


@pytest.mark.parametrize("state", [jobs.pending, jobs.processing])
def test_retry_of_a_job_that_waits_or_runs_changes_nothing(services, state):
    job = state(services)
    assert retry(services, job.id) == job


def test_retry_of_a_retrying_job_is_due_now_in_the_same_run(services):
    job = retry(services, jobs.retrying(services).id)
    assert (job.status, job.run) == (JobStatus.RETRYING, 1)
    again = services.jobs.claim_next(job.priority, holder="w", token="t")
    assert (again.id, again.attempt) == (job.id, 2)


@pytest.mark.parametrize("state", [jobs.failed, cancelled])
def test_retry_of_a_failed_job_is_a_new_run_with_a_delivery(services, state):
    job = retry(services, state(services).id)
    assert (job.status, job.run, job.attempt) == (JobStatus.PENDING, 2, 1)
    assert services.queues.depths()["medium"] == 1


def test_retry_of_a_completed_job_is_refused(services):
    with pytest.raises(RequestRefused, match="wrong_state"):
        retry(services, jobs.completed(services).id)


@pytest.mark.parametrize("state", [*LIVE, jobs.completed, jobs.failed, cancelled])
def test_delete_removes_a_job_in_every_state_once(services, redis, state):
    job = state(services, with_bytes=True)
    delete(services, job.id)
    assert services.jobs.get(job.id) is None
    assert services.blobs.manifest(job.id) is None
    assert redis.keys(f"*{job.id}*") == []
    with pytest.raises(RequestRefused, match="not_found"):
        delete(services, job.id)


@pytest.mark.parametrize("act", [cancel, retry, delete])
def test_what_is_not_there_is_not_found(services, act):
    with pytest.raises(RequestRefused, match="not_found"):
        act(services, "job_" + "a" * 24)


def test_only_ended_jobs_are_deleted_where_that_is_asked(services):
    job = jobs.processing(services)
    assert not delete(services, job.id, only_final=True)
    assert services.jobs.get(job.id) is not None


def test_a_waiting_job_moves_behind_those_of_its_owner_in_the_other_line(services, clock):
    first = jobs.pending(services, now=clock() - 20, user_id="ann")
    before, of_another = (jobs.pending(services, priority=Priority.HIGH, user_id=name) for name in ("ann", "bob"))
    last = jobs.pending(services, priority=Priority.HIGH, user_id="bob")
    moved = change_priority(services, first.id, Priority.HIGH)
    assert set(services.jobs.waiting_ids(Priority.HIGH, 2)) == {before.id, of_another.id}
    assert set(services.jobs.waiting_ids(Priority.HIGH, 9)[2:]) == {moved.id, last.id}
    assert services.jobs.waiting_ids(Priority.MEDIUM, 9) == []
    assert services.queues.depths()["high"] == 1
    assert first.id in [services.jobs.claim_next(Priority.HIGH, holder="w", token=t).id for t in "abcd"][2:]


def test_of_two_moves_at_once_the_one_that_stands_is_noted_last(services, upload, monkeypatch):
    job, note = upload(), services.blobs.note_priority

    def overtaken(job_id, priority):
        monkeypatch.setattr(services.blobs, "note_priority", note)
        change_priority(services, job_id, Priority.LOW)
        note(job_id, priority)

    monkeypatch.setattr(services.blobs, "note_priority", overtaken)
    change_priority(services, job.id, Priority.HIGH)
    assert services.jobs.get(job.id).priority is Priority.LOW
    assert services.blobs.manifest(job.id).moved_to == "low"


def test_a_storage_that_is_away_keeps_no_job_from_being_moved(services, upload, monkeypatch):
    def away(job_id, priority):
        raise StorageUnavailable("storage_unavailable")

    monkeypatch.setattr(services.blobs, "note_priority", away)
    assert change_priority(services, upload().id, Priority.HIGH).priority is Priority.HIGH


def test_a_claim_of_a_moved_job_is_as_the_domain_has_it(services, clock):
    moved = change_priority(services, jobs.pending(services).id, Priority.LOW)
    assert services.jobs.claim_next(Priority.LOW, holder="w", token="t") == moved.claimed(
        holder="w", token="t", now=clock()
    )


@pytest.mark.parametrize("is_due", [True, False])
def test_a_job_that_is_tried_again_waits_in_the_other_line_once_it_is_due(services, clock, is_due):
    job = jobs.retrying(services)
    if is_due:
        clock.advance(600)
        services.jobs.stage()
    change_priority(services, job.id, Priority.URGENT)
    assert services.jobs.waiting_ids(Priority.MEDIUM, 9) == []
    assert services.jobs.waiting_ids(Priority.URGENT, 9) == ([job.id] if is_due else [])
    clock.advance(600)
    services.jobs.stage()
    assert services.jobs.claim_next(Priority.URGENT, holder="w", token="t").id == job.id


def test_a_retry_in_the_millisecond_in_which_it_was_due_loses_nothing(services, clock):
    held = jobs.processing(services)
    lost = held.lost(now=clock())
    services.jobs.replace(held, lost)
    services.jobs.stage()
    assert retry(services, lost.id).due_at == lost.due_at
    assert services.jobs.claim_next(lost.priority, holder="w", token="t").id == lost.id


def test_the_same_priority_changes_nothing(services):
    job = jobs.pending(services)
    assert change_priority(services, job.id, job.priority) == job


@pytest.mark.parametrize("state", [jobs.processing, jobs.completed, jobs.failed])
def test_a_job_that_runs_or_ended_keeps_its_priority(services, state):
    job = state(services)
    with pytest.raises(RequestRefused, match="wrong_state"):
        change_priority(services, job.id, Priority.LOW)
    assert services.jobs.get(job.id) == job


def test_whoever_watches_is_told_of_the_other_priority(services, redis):
    job = change_priority(services, jobs.pending(services).id, Priority.LOW)
    last = redis.xrevrange(f"ingest:log:{job.id}", count=1)[0]
    assert (last[0], services.jobs.load(last[1][b"record"])) == (b"2-0", job)
