import pytest

from app.adapters.job_index import JobFilter
from app.domain.ids import new_job_id
from app.domain.job import JobStatus, Priority
from app.ingestion import bulk
from app.ingestion.bulk import act_on_filter, act_on_ids
from tests.jobs_in_states import completed, failed, pending, processing, retrying


def status(services, job):
    found = services.jobs.get(job.id)
    return found and found.status


def test_retry_begins_a_new_run_of_what_failed_and_passes_over_the_rest(services):
    broken, done = failed(services), completed(services)
    outcome = act_on_ids(services, "retry", [broken.id, done.id, new_job_id()], dry_run=False)
    assert (outcome.affected, outcome.job_ids, outcome.more) == (1, [broken.id], False)
    assert status(services, broken) is JobStatus.PENDING
    assert status(services, done) is JobStatus.COMPLETED


def test_cancel_stops_whatever_has_not_ended(services):
    jobs = [retrying(services), processing(services), pending(services)]
    done = completed(services, priority=Priority.HIGH)
    outcome = act_on_ids(services, "cancel", [job.id for job in [*jobs, done]], dry_run=False)
    assert outcome.affected == 3
    assert all(services.jobs.get(job.id).is_cancelled for job in jobs)
    assert status(services, done) is JobStatus.COMPLETED


def test_delete_removes_jobs_in_any_state(services):
    jobs = [completed(services), processing(services), pending(services)]
    assert act_on_ids(services, "delete", [job.id for job in jobs], dry_run=False).affected == 3
    assert [status(services, job) for job in jobs] == [None, None, None]


@pytest.mark.parametrize("action", ["retry", "cancel", "delete"])
def test_a_dry_run_says_the_same_and_changes_nothing(services, action):
    jobs = [failed(services), pending(services, priority=Priority.LOW)]
    ids = [job.id for job in jobs]
    told = act_on_ids(services, action, ids, dry_run=True)
    assert [services.jobs.get(job_id) for job_id in ids] == jobs
    assert act_on_ids(services, action, ids, dry_run=False) == told


def test_an_id_given_twice_counts_once(services):
    job = pending(services)
    assert act_on_ids(services, "cancel", [job.id, job.id], dry_run=False).affected == 1


def test_a_filter_means_all_that_match_it(services):
    mine = [failed(services, user_id="ada") for _ in range(3)]
    other = failed(services)
    outcome = act_on_filter(services, "retry", JobFilter(JobStatus.FAILED, user_id="ada"), dry_run=False)
    assert sorted(outcome.job_ids) == sorted(job.id for job in mine)
    assert status(services, other) is JobStatus.FAILED


def test_an_answer_names_a_hundred_and_counts_all(services):
    for _ in range(103):
        pending(services)
    outcome = act_on_filter(services, "cancel", JobFilter(JobStatus.PENDING), dry_run=False)
    assert (outcome.affected, len(outcome.job_ids)) == (103, 100)


def test_one_request_acts_on_a_limited_number_and_says_so(services, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_AT_ONCE", 2)
    for _ in range(5):
        pending(services)
    wanted = JobFilter(JobStatus.PENDING)
    rounds = [act_on_filter(services, "delete", wanted, dry_run=False) for _ in range(3)]
    assert [(outcome.affected, outcome.more) for outcome in rounds] == [(2, True), (2, True), (1, False)]
