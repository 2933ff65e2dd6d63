"""What a worker's loop asks of the service: which job it gets depends on what the worker serves."""

from __future__ import annotations

import pytest

from app.domain.job import PRIORITIES, JobStatus, Priority
from app.tasks import WorkerHost
from tests.ingestion.conftest import FakeParser
from tests.jobs_in_states import pending


@pytest.mark.parametrize(("serves", "first"), [(PRIORITIES, "old"), ((Priority.URGENT, Priority.HIGH), "new")])
def test_what_waited_long_is_taken_first_by_a_worker_that_serves_it(services, clock, serves, first, monkeypatch):
    monkeypatch.setattr("app.tasks._services", None)
    services.parser = FakeParser()
    jobs = {"old": pending(services, priority=Priority.LOW, with_bytes=True)}
    clock.advance(2 * services.settings.aging_seconds)
    jobs["new"] = pending(services, priority=Priority.HIGH, with_bytes=True)
    WorkerHost(services, serves).work_on(Priority.HIGH, delivery="rq:job:one")
    done = [name for name, job in jobs.items() if services.jobs.get(job.id).status is JobStatus.COMPLETED]
    assert done == [first]
