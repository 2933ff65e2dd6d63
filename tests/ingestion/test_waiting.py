from __future__ import annotations

import pytest

from app.domain.job import PRIORITIES, Priority
from app.ingestion.waiting import Waiting, estimate, waiting_of
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

    def test_the_estimate_is_at_least_a_second(self, services):
        assert estimate(services, jobs.pending(services)) >= 1
