from __future__ import annotations

import pytest

from app.domain.job import PRIORITIES, Priority
from app.ingestion.waiting import Waiting, estimate, waiting_of, waiting_of_each
from tests import jobs_in_states as jobs


@pytest.fixture
def worker(services):
    services.beat(state="idle", priorities=PRIORITIES, started_at=0)


def test_without_a_worker_for_its_priority_that_is_why_it_waits(services):
    assert waiting_of(services, jobs.pending(services)).reason == "no_worker"


@pytest.mark.usefixtures("worker")
class TestWithAWorker:
    def test_the_first_is_next(self, services):
        assert waiting_of(services, jobs.pending(services)) == Waiting("next", 0, 1)

    def test_jobs_of_its_own_and_of_higher_priorities_are_ahead(self, services, clock):
        jobs.pending(services, priority=Priority.URGENT)
        jobs.pending(services)
        jobs.pending(services, priority=Priority.LOW)
        clock.advance(1)
        waiting = waiting_of(services, jobs.pending(services))
        assert (waiting.reason, waiting.jobs_ahead) == ("behind_jobs", 2)
        assert waiting.estimated_seconds >= 1

    def test_a_paused_priority_says_so(self, services):
        services.jobs.pause(Priority.MEDIUM)
        assert waiting_of(services, jobs.pending(services)).reason == "paused"

    def test_jobs_of_a_paused_priority_are_not_ahead_of_others(self, services):
        services.jobs.pause(Priority.URGENT)
        jobs.pending(services, priority=Priority.URGENT)
        assert waiting_of(services, jobs.pending(services)).jobs_ahead == 0

    def test_a_retry_that_is_not_due_waits_for_its_time(self, services, clock):
        job = jobs.retrying(services)
        clock.advance(20)
        assert waiting_of(services, job) == Waiting("backoff", 0, 40)

    def test_what_does_not_wait_has_no_reason(self, services):
        assert waiting_of(services, jobs.processing(services)) is None
        assert waiting_of(services, jobs.completed(services)) is None

    def test_a_newcomer_is_not_behind_all_jobs_of_another(self, services):
        for _ in range(20):
            jobs.pending(services, user_id="ann")
        mine = jobs.pending(services, user_id="bob")
        assert waiting_of(services, mine).jobs_ahead <= 1
        assert estimate(services, mine) <= 2

    def test_what_has_waited_long_takes_turns_with_the_priority_above(self, services, clock):
        old = jobs.pending(services, priority=Priority.MEDIUM, now=clock() - 900_000)
        high = [jobs.pending(services, priority=Priority.HIGH) for _ in range(5)]
        assert waiting_of(services, old).jobs_ahead == 1
        assert [waiting_of(services, job).jobs_ahead for job in high] == [1, 2, 3, 4, 5]

    def test_what_has_waited_for_two_steps_goes_first(self, services, clock):
        for _ in range(3):
            jobs.pending(services, priority=Priority.MEDIUM, now=clock() - 1_800_000)
        assert waiting_of(services, jobs.pending(services, priority=Priority.HIGH)).jobs_ahead == 3

    def test_without_ageing_all_of_a_higher_priority_is_ahead(self, services, clock):
        object.__setattr__(services.settings, "aging_seconds", 0)
        old = jobs.pending(services, priority=Priority.MEDIUM, now=clock() - 900_000)
        for _ in range(3):
            jobs.pending(services, priority=Priority.HIGH)
        assert waiting_of(services, old).jobs_ahead == 3

    def test_many_are_told_the_same_as_one_by_one(self, services, clock):
        some = [jobs.retrying(services), jobs.completed(services)]
        some += [jobs.pending(services, now=clock() + n, priority=p) for n in range(2) for p in PRIORITIES]
        told = waiting_of_each(services, some)
        assert told == [waiting_of(services, job) for job in some]
        assert [waiting.jobs_ahead for waiting in told if waiting][-1] > 0
        assert told[1] is None
        assert waiting_of_each(services, []) == []

    def test_the_estimate_is_at_least_a_second(self, services):
        assert estimate(services, jobs.pending(services)) >= 1
