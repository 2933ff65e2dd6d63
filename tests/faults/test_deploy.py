"""A new version is brought out under load: what runs ends or is given back uncounted, and who watches comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.job import JobStatus
from bench.deploys import roll
from bench.options import Options
from tests.faults.check import check
from tests.processes import LIVE, Deployment, eventually, is_running

pytestmark = LIVE

TEXT = "read across a deploy"


@pytest.fixture
def at(deploy: Callable[..., Deployment]) -> Deployment:
    made = deploy()
    made.web()
    return made


def held_job(at: Deployment, child: int) -> str:
    """A job that the worker of that child works on, and that does not get on until the child is let go."""
    os.kill(child, signal.SIGSTOP)
    job_id = at.client.upload(TEXT.encode())
    at.client.until(job_id, "processing")
    return job_id


def texts_with(at: Deployment, job_id: str) -> dict[str, str]:
    everything = [member.decode() for member in at.redis.zrange("ingest:jobs", 0, -1)]
    return {**dict.fromkeys(everything, "to warm up"), job_id: TEXT}


def test_row_31_what_does_not_end_within_the_grace_is_given_back_uncounted(at: Deployment) -> None:
    """Guards the give-back: without it the sweep declares the worker lost, and three deploys make a job poison."""
    worker, child = at.warm_worker()
    job_id = held_job(at, child)
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert not is_running(child)
    given_back = at.job(job_id)
    assert (given_back.status, given_back.losses, given_back.give_backs) == (JobStatus.PENDING, 0, 1)
    at.worker()
    ended = at.client.until(job_id)
    assert (ended["status"], ended["attempt"], ended["losses"]) == ("completed", 1, 0)
    check(at, texts_with(at, job_id))


def test_row_31_what_ends_within_the_grace_is_completed_by_the_worker_that_stops(at: Deployment) -> None:
    """Guards the grace: without it each deploy throws away what is nearly done."""
    worker, child = at.warm_worker()
    job_id = held_job(at, child)
    worker.send(signal.SIGTERM)
    for _ in range(2):  # it goes on to renew its claim
        deadline = at.services.jobs.leases()[0].deadline
        eventually(lambda seen=deadline: at.services.jobs.leases()[0].deadline > seen, what="a renewed claim")
    later = at.client.upload(b"to warm up")
    os.kill(child, signal.SIGCONT)
    assert worker.wait() == 0
    ended = at.job(job_id)
    assert (ended.status, ended.give_backs) == (JobStatus.COMPLETED, 0)
    assert at.job(later).status is JobStatus.PENDING, "it took another one after it was told to stop"
    at.worker()
    at.client.until(later, "completed")
    check(at, texts_with(at, job_id))


def test_row_31_a_second_signal_is_hard(at: Deployment) -> None:
    """Guards the hard stop: without it somebody at a terminal waits for the grace, and kills what they should not."""
    worker, child = at.warm_worker()
    job_id = held_job(at, child)
    at.worker()
    # again and again, for two that come too close together are one
    eventually(lambda: not worker.is_alive or worker.send(signal.SIGTERM), what="the end of the worker")
    # and one that comes while it is on its way out finds no handler any more
    assert worker.wait() in (1, -signal.SIGTERM)
    eventually(lambda: not is_running(child), what="the end of the parser child")
    ended = at.client.until(job_id)
    assert (ended["status"], ended["attempt"], ended["losses"]) == ("completed", 1, 1)
    check(at, texts_with(at, job_id))


def test_row_31_who_watches_is_sent_away_and_comes_back_without_a_gap(at: Deployment) -> None:
    """Guards the streams' end on SIGTERM and their ids: without the first a deploy waits for every open page, without
    the second whoever comes back misses what happened meanwhile."""
    _, child = at.warm_worker()
    job_id = held_job(at, child)
    assert at.web_process
    with at.client.stream(job_id) as stream:
        states = stream.states()
        seen = [next(states)]
        assert seen[0]["status"] == "processing"
        at.web_process.send(signal.SIGTERM)
        seen += states  # a stream that is torn off raises
        assert stream.retry_ms
        last_id = stream.last_id
    assert at.web_process.wait() == 0
    os.kill(child, signal.SIGCONT)
    at.waits_for(lambda job: job.status.is_final, job_id)
    at.web()
    with at.client.stream(job_id, last_id=last_id) as stream:
        seen += stream.states()
        last_id = stream.last_id
    versions = [state["version"] for state in seen]
    assert versions == list(range(versions[0], at.job(job_id).version + 1))
    assert seen[-1]["status"] == "completed"
    with at.client.stream(job_id, last_id=last_id) as stream:
        assert stream.status == 204
    check(at, texts_with(at, job_id))


def test_row_31_a_worker_that_is_told_to_stop_while_redis_is_away_does_not_wait_for_it(at: Deployment) -> None:
    """Guards the shutdown of a whole machine: the worker's patience of some 80 s with Redis would hold that up."""
    worker = at.worker()
    at.kill_server()
    worker.send(signal.SIGTERM)
    assert worker.wait(40) == 0


def test_row_31_restarts_under_load_fail_no_client_and_charge_no_job(tmp_path: Path) -> None:
    """The short form of `python -m bench deploys`, by dice that restart both kinds."""
    came_to = roll(Options(tmp_path, restarts=4, seed=1), lambda text: None)
    assert came_to.restarts == {"web": 1, "worker": 3}
    assert (came_to.failed, came_to.charged, came_to.violations) == ([], [], [])
    assert came_to.early == 0
