from __future__ import annotations

import pytest

from app.domain.job import JobStatus, Priority, Progress
from app.ingestion.cancel import cancel
from app.ingestion.holding import ClaimLost, Holding


@pytest.fixture
def stopped():
    """One entry for each time that the parser was told to stop."""
    return []


@pytest.fixture
def holding(services, upload, stopped):
    upload()
    job = services.jobs.claim_next(Priority.MEDIUM, holder="w", token="t")
    return Holding(services.jobs, job, on_gone=lambda: stopped.append(True))


def progress(percentage):
    return Progress("Processing file", percentage, f"{percentage}", percentage, 100)


def test_progress_is_written_once_a_percent(services, holding):
    for percentage in (5, 5, 6):
        holding.report(progress(percentage))
        holding.tick()
    assert services.jobs.get(holding.job.id).version == 4  # added, claimed, and two steps


def test_a_last_page_is_written_once_while_its_result_is_stored(services, holding):
    for _ in range(3):
        holding.report(progress(100))
        holding.tick()
    job = services.jobs.get(holding.job.id)
    assert (job.version, job.progress.percentage) == (3, 99)  # added, claimed, and one step


def test_a_cancel_is_noticed_and_stops_the_parser(services, holding, stopped):
    cancel(services, holding.job.id)
    holding.report(progress(5))
    holding.tick()
    assert holding.gone
    assert stopped
    with pytest.raises(ClaimLost):
        holding.end(lambda job, now: job.completed({"pages": 1}, now=now))


def test_a_write_whose_answer_was_lost_is_made_once(services, holding):
    def ending(job, now):
        new = job.completed({"pages": 1}, now=now)
        services.jobs.replace(job, new)  # it arrived, and the client sends it again
        return new

    assert holding.end(ending).status is JobStatus.COMPLETED
    assert services.jobs.get(holding.job.id).version == 3


def test_a_step_that_was_written_twice_does_not_cost_the_claim(services, holding):
    ahead = holding.job.progressed(progress(3), now=1)
    services.jobs.replace(holding.job, ahead)
    holding.report(progress(9))
    holding.tick()
    assert not holding.gone
    assert services.jobs.get(holding.job.id).progress.percentage == 9
