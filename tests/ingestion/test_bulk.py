from functools import partial

import pytest

from app.adapters.job_index import JobFilter
from app.domain.ids import new_job_id
from app.domain.job import JobStatus, Priority
from app.errors import QueueUnavailable, StorageUnavailable, ValidationFailed
from app.ingestion import bulk
from app.ingestion.bulk import Act, Slice, act_on_filter, act_on_ids
from app.ingestion.cancel import cancel
from tests.jobs_in_states import completed, failed, pending, processing, retrying


def by_ids(services, action, ids, *, priority=None, **part):
    return act_on_ids(services, Act(action, priority), ids, Slice(services.jobs.now(), **part))


def by_filter(services, action, wanted, *, priority=None, **part):
    return act_on_filter(services, Act(action, priority), wanted, Slice(services.jobs.now(), **part))


def in_slices(act, **part):
    """Until nothing is left: the outcome of each slice."""
    outcomes = [act(**part)]
    while outcomes[-1].next_cursor is not None:
        outcomes.append(act(cursor=outcomes[-1].next_cursor, **part))
    return outcomes


def status(services, job):
    found = services.jobs.get(job.id)
    return found and found.status


def test_retry_begins_a_new_run_of_what_failed_and_passes_over_the_rest(services):
    broken, done = failed(services), completed(services)
    outcome = by_ids(services, "retry", [broken.id, done.id, new_job_id()], dry_run=False)
    assert (outcome.affected, outcome.job_ids, outcome.next_cursor is not None) == (1, [broken.id], False)
    assert status(services, broken) is JobStatus.PENDING
    assert status(services, done) is JobStatus.COMPLETED


def test_cancel_stops_whatever_has_not_ended(services):
    jobs = [retrying(services), processing(services), pending(services)]
    done = completed(services, priority=Priority.HIGH)
    outcome = by_ids(services, "cancel", [job.id for job in [*jobs, done]], dry_run=False)
    assert outcome.affected == 3
    assert all(services.jobs.get(job.id).is_cancelled for job in jobs)
    assert status(services, done) is JobStatus.COMPLETED


def test_delete_removes_jobs_in_any_state(services):
    jobs = [completed(services), processing(services), pending(services)]
    assert by_ids(services, "delete", [job.id for job in jobs], dry_run=False).affected == 3
    assert [status(services, job) for job in jobs] == [None, None, None]


@pytest.mark.parametrize("action", ["retry", "cancel", "delete"])
def test_a_dry_run_says_the_same_and_changes_nothing(services, action):
    jobs = [failed(services), pending(services, priority=Priority.LOW)]
    ids = [job.id for job in jobs]
    told = by_ids(services, action, ids, dry_run=True)
    assert [services.jobs.get(job_id) for job_id in ids] == jobs
    assert by_ids(services, action, ids, dry_run=False) == told


def test_an_id_given_twice_counts_once(services):
    job = pending(services)
    assert by_ids(services, "cancel", [job.id, job.id], dry_run=False).affected == 1


def test_a_filter_means_all_that_match_it(services):
    mine = [failed(services, user_id="ada") for _ in range(3)]
    other = failed(services)
    outcome = by_filter(services, "retry", JobFilter(JobStatus.FAILED, user_id="ada"), dry_run=False)
    assert sorted(outcome.job_ids) == sorted(job.id for job in mine)
    assert status(services, other) is JobStatus.FAILED


def test_an_answer_names_a_hundred_and_counts_all(services):
    for _ in range(103):
        pending(services)
    outcome = by_filter(services, "cancel", JobFilter(JobStatus.PENDING), dry_run=False)
    assert (outcome.affected, len(outcome.job_ids)) == (103, 100)


def test_one_request_acts_on_a_limited_number_and_says_so(services, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_AT_ONCE", 2)
    for _ in range(5):
        pending(services)
    wanted = JobFilter(JobStatus.PENDING)
    rounds = [by_filter(services, "delete", wanted, dry_run=False) for _ in range(3)]
    assert [(outcome.affected, outcome.next_cursor is not None) for outcome in rounds] == [
        (2, True),
        (2, True),
        (1, False),
    ]


def test_a_request_ends_in_time_and_what_is_left_is_done_with_its_cursor(services, clock, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_SECONDS", 0)
    made = [pending(services, now=clock() - n, user_id="ada" if n else None).id for n in range(3)]
    outcomes = in_slices(partial(by_filter, services, "cancel", JobFilter(user_id="ada")))
    assert [outcome.job_ids for outcome in outcomes] == [[], [made[1]], [made[2]]]
    outcomes = in_slices(partial(by_ids, services, "delete", made))
    assert [outcome.job_ids for outcome in outcomes] == [[job_id] for job_id in made]


# ---- in slices ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["retry", "cancel", "delete"])
def test_slices_look_at_their_number_and_reach_every_job_once(services, clock, action):
    make = failed if action == "retry" else pending
    made = [make(services, now=clock() - n).id for n in range(7)]
    wanted = JobFilter(JobStatus.FAILED if action == "retry" else JobStatus.PENDING)
    outcomes = in_slices(partial(by_filter, services, action, wanted, limit=3))
    assert [outcome.affected for outcome in outcomes] == [3, 3, 1]
    assert [job_id for outcome in outcomes for job_id in outcome.job_ids] == made


def test_a_slice_counts_what_it_looked_at_and_not_what_matched(services, clock):
    mine = [pending(services, now=clock() - n, user_id="ada" if n % 3 == 0 else None).id for n in range(6)]
    outcomes = in_slices(partial(by_filter, services, "cancel", JobFilter(user_id="ada"), limit=2))
    assert [outcome.job_ids for outcome in outcomes] == [[mine[0]], [mine[3]], []]


def test_jobs_that_arrive_meanwhile_are_not_touched(services, clock):
    old = [pending(services, now=clock() - n) for n in range(3)]
    first = by_filter(services, "delete", JobFilter(JobStatus.PENDING), limit=1)
    clock.advance(5)
    new = pending(services, priority=Priority.LOW)
    rest = partial(by_filter, services, "delete", JobFilter(JobStatus.PENDING))
    rest(cursor=first.next_cursor)
    assert [status(services, job) for job in old] == [None] * 3
    assert status(services, new) is JobStatus.PENDING
    bound = Slice(clock() - 5000)
    assert act_on_filter(services, Act("delete"), JobFilter(JobStatus.PENDING), bound).affected == 0


def test_a_list_of_ids_is_done_in_slices_too(services):
    ids = [pending(services).id for _ in range(5)]
    outcomes = in_slices(partial(by_ids, services, "cancel", [*ids, ids[0]], limit=2))
    assert [outcome.job_ids for outcome in outcomes] == [ids[:2], ids[2:4], ids[4:]]


@pytest.mark.parametrize("act", [partial(by_ids, ids=[]), partial(by_filter, wanted=JobFilter())])
def test_a_cursor_that_is_none_of_ours_is_refused(services, act):
    with pytest.raises(ValidationFailed) as refused:
        act(services, action="cancel", cursor="nonsense")
    assert refused.value.field == "cursor"


def test_a_dry_run_shows_some_and_counts_all_of_a_set_without_looking(services, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_LOOKED_AT", 1)
    for _ in range(12):
        failed(services)
    for wanted in (JobFilter(JobStatus.FAILED), JobFilter(code="corrupt_document")):
        outcome = by_filter(services, "retry", wanted, dry_run=True)
        assert (outcome.affected, outcome.next_cursor, len(outcome.sample)) == (12, None, 10)
        assert {job.status for job in outcome.sample} == {JobStatus.FAILED}


def test_a_dry_run_counts_what_the_act_would_change_and_no_more(services):
    failed(services)
    retrying(services)
    pending(services, priority=Priority.LOW)
    told = {
        ("retry", JobFilter(code="job_timeout")): 1,
        ("cancel", JobFilter(JobStatus.FAILED)): 0,
        ("cancel", JobFilter(code="corrupt_document")): 0,
        ("retry", JobFilter(priority=Priority.MEDIUM)): 2,
        ("delete", JobFilter(JobStatus.PENDING, code="poison")): 0,
    }
    for (action, wanted), expected in told.items():
        assert by_filter(services, action, wanted, dry_run=True).affected == expected, (action, wanted)


def test_what_could_not_be_done_is_counted_and_the_rest_goes_on(services, monkeypatch):
    jobs = [pending(services) for _ in range(3)]

    def act(services, job_id):
        if job_id == jobs[1].id:
            raise StorageUnavailable("storage_unavailable")

    monkeypatch.setitem(bulk._ACTS, "cancel", act)
    outcome = by_ids(services, "cancel", [job.id for job in jobs])
    assert (outcome.affected, outcome.failed) == (2, 1)


def test_a_redis_that_is_away_ends_the_act(services, monkeypatch):
    def act(services, job_id):
        raise QueueUnavailable("queue_unavailable")

    monkeypatch.setitem(bulk._ACTS, "cancel", act)
    with pytest.raises(QueueUnavailable):
        by_ids(services, "cancel", [pending(services).id])


def test_what_was_done_before_redis_went_away_is_told_and_where_to_go_on(services, monkeypatch):
    jobs = [pending(services) for _ in range(3)]
    away = {jobs[2].id}

    def act(services, job_id):
        if job_id in away:
            raise QueueUnavailable("queue_unavailable")
        return cancel(services, job_id)

    monkeypatch.setitem(bulk._ACTS, "cancel", act)
    ids = [job.id for job in jobs]
    first = by_ids(services, "cancel", ids)
    assert (first.affected, first.next_cursor) == (2, ids[1])
    away.clear()
    assert by_ids(services, "cancel", ids, cursor=first.next_cursor).job_ids == [ids[2]]


# ---- priorities --------------------------------------------------------------------------------------------------


def test_only_jobs_that_wait_elsewhere_change_their_priority(services):
    tries, waits = retrying(services), pending(services)
    there, runs = pending(services, priority=Priority.URGENT), processing(services, priority=Priority.LOW)
    ids = [job.id for job in (waits, tries, there, runs, completed(services, priority=Priority.HIGH))]
    assert by_ids(services, "priority", ids, priority=Priority.URGENT, dry_run=True).affected == 2
    outcome = by_ids(services, "priority", ids, priority=Priority.URGENT)
    assert (outcome.job_ids, outcome.failed) == ([waits.id, tries.id], 0)
    assert services.jobs.get(runs.id).priority is Priority.LOW


def test_all_that_wait_change_their_priority_by_filter(services):
    for _ in range(3):
        pending(services)
    wanted = JobFilter(JobStatus.PENDING)
    assert by_filter(services, "priority", wanted, priority=Priority.LOW, dry_run=True).affected == 3
    assert by_filter(services, "priority", wanted, priority=Priority.LOW).affected == 3
    assert services.line.depths()[Priority.LOW] == 3
