"""A worker is killed at every stage of a job: another one takes it over, and it ends once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from app.adapters.job_store import LEASE_MS
from app.domain.job import JobStatus
from tests.faults.check import check
from tests.processes import LIVE, Deployment, eventually, is_running
from tests.samples.make_samples import slow_pdf

pytestmark = LIVE

DATA, TEXT = b"read once", "read once"


def statuses(at: Deployment, job_id: str) -> list[str]:
    """The states the job went through, progress left out."""
    told = [job.status.value for job in at.history(job_id)]
    return [status for status, before in zip(told, [None, *told], strict=False) if status != before]


@pytest.mark.parametrize(("when", "step"), [("after", "BLPOP"), ("before", "claim")])
def test_row_4_a_delivery_that_died_with_its_worker_is_made_again(
    deploy: Callable[..., Deployment], when: str, step: str
) -> None:
    """Guards the sweep's count of deliveries: without it this job waits for ever."""
    at = deploy()
    at.web()
    killed = at.worker(crash={"when": when, "step": step})
    job_id = at.client.upload(DATA)
    assert killed.wait() == -signal.SIGKILL
    assert at.services.queues.depths()["medium"] == 0
    at.worker()
    assert at.client.until(job_id)["losses"] == 0
    assert statuses(at, job_id) == ["pending", "processing", "completed"]
    assert at.job(job_id).attempt == 1
    check(at, {job_id: TEXT})


def test_row_5_a_job_whose_worker_is_killed_before_its_first_page_goes_to_another(
    deploy: Callable[..., Deployment],
) -> None:
    """Guards the look at Redis's clients: without it the job stands still until its lease of 15 s has run out."""
    at = deploy()
    at.web()
    killed, child = at.warm_worker()
    os.kill(child, signal.SIGSTOP)
    job_id = at.client.upload(DATA)
    at.client.until(job_id, "processing")
    at.worker()
    killed.kill()
    eventually(lambda: not is_running(child), what="the end of the parser child")
    lost = at.waits_for(lambda job: job.losses, job_id)
    assert lost.history[0].ended - lost.history[0].began < LEASE_MS, "it was the lease that ran out"
    assert at.client.until(job_id)["status"] == "completed"
    assert statuses(at, job_id) == ["pending", "processing", "retrying", "processing", "completed"]
    ((told,),) = [[job.failure for job in at.history(job_id) if job.status is JobStatus.RETRYING]]
    assert told
    assert told.code == "worker_lost"
    assert (at.job(job_id).attempt, at.job(job_id).losses) == (1, 1)
    check(at, {job_id: TEXT} | dict.fromkeys(others(at, job_id), "to warm up"))


def test_row_5_the_mark_that_was_reached_stands_when_the_worker_is_killed_in_the_middle(
    deploy: Callable[..., Deployment],
) -> None:
    """Guards the child's tie to its parent, without which it reads on for nobody, and the mark, which both the record
    and the holding keep: without them a client sees the percentage go back."""
    at = deploy()
    at.web()
    killed, child = at.warm_worker()
    data, lines = slow_pdf()
    job_id = at.client.upload(data, "long.pdf")
    reached = at.waits_for(lambda job: job.progress.percentage, job_id)
    os.kill(child, signal.SIGSTOP)
    assert at.job(job_id).status is JobStatus.PROCESSING, "it was too quick to be stopped in the middle"
    killed.kill()
    at.worker()
    eventually(lambda: not is_running(child), what="the end of the parser child")
    assert at.client.until(job_id)["result"]["pages"] == len(lines)
    assert at.job(job_id).losses == 1
    story = at.history(job_id)
    after = story[[job.losses for job in story].index(1) :]
    assert min(job.progress.percentage for job in after) >= reached.progress.percentage
    check(at, {job_id: "\f".join(lines)} | dict.fromkeys(others(at, job_id), "to warm up"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_rows_6_and_7_a_result_is_committed_once(deploy: Callable[..., Deployment], when: str) -> None:
    """Guards the token in a result's name and `prune_results`: without them two claims write into one file, or the
    dead one's result stays for ever."""
    at = deploy()
    at.web()
    killed = at.worker(crash={"when": when, "step": "replace", "holding": '"status":"completed"'})
    job_id = at.client.upload(DATA)
    assert killed.wait() == -signal.SIGKILL
    left = at.services.blobs.results_of(job_id)
    at.worker()
    assert at.client.until(job_id, "completed")["losses"] == (1 if when == "before" else 0)
    token = at.job(job_id).result_token
    assert [job.status for job in at.history(job_id)].count(JobStatus.COMPLETED) == 1
    assert set(at.services.blobs.results_of(job_id)) == {*left, token}
    at.age_files(7_200)
    assert at.client.batch().status == 200
    assert at.services.blobs.results_of(job_id) == [token]
    assert at.client.text(job_id) == TEXT
    check(at, {job_id: TEXT})


def test_row_11_a_file_that_kills_its_worker_each_time_is_given_up_and_delays_nobody(
    deploy: Callable[..., Deployment],
) -> None:
    """Guards the count of losses: without it that file kills one worker after another for ever."""
    at = deploy()
    at.web()
    deadly = "kills whoever reads it"
    victims = [at.worker(crash={"when": "before", "step": "replace", "holding": deadly}) for _ in range(4)]
    poison = at.client.upload(deadly.encode())
    good = []
    for losses in range(3):
        at.waits_for(lambda job, seen=losses: job.losses >= seen, poison)
        good.append(at.client.upload(b"another's"))
        at.client.until(good[-1], "completed")
    ended = at.client.until(poison)
    assert (ended["status"], ended["error"]["code"], ended["error"]["retryable"]) == ("failed", "poison", False)
    assert (ended["attempt"], ended["losses"]) == (1, 3)
    assert [victim.is_alive for victim in victims].count(True) == 1
    for victim in victims:
        victim.end()
    at.worker()
    assert at.client.ask("POST", f"/api/ingest/retry/{poison}").document["losses"] == 0  # by hand, it has a new run
    assert at.client.until(poison)["status"] == "completed"
    check(at, dict.fromkeys(good, "another's") | {poison: deadly})


def others(at: Deployment, job_id: str) -> set[str]:
    return {member.decode() for member in at.redis.zrange("ingest:jobs", 0, -1)} - {job_id}
