"""A worker that wakes too late has no effect: it is frozen right before it says that its job is completed, the job goes
another way meanwhile, and what it then sends is refused: its state, its event and its result.

All four ways in one installation, since a frozen worker is given up only when its lease of 15 s has run out.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.domain.job import JobStatus, Priority
from tests.faults.check import check
from tests.processes import LIVE, Deployment, Process, eventually

pytestmark = LIVE

FREEZES = {"when": "before", "step": "replace", "holding": '"status":"completed"', "signal": "SIGSTOP"}
LOST, RETRIED, GIVEN_BACK, DELETED = "urgent", "high", "medium", "low"


class Frozen:
    """A worker of one priority, frozen with a finished job whose end it has not written yet."""

    def __init__(self, at: Deployment, priority: str) -> None:
        self._at, self.priority = at, priority
        self.worker: Process = at.worker(priority, crash=FREEZES)
        self._note = Path(at.folder) / f"{len(at.processes) - 1}.crashed"
        self.text = f"of the worker of {priority}"

    def takes_a_job(self) -> None:
        answer = self._at.client.ask(
            "PUT", f"/api/ingest/start/note.txt?priority={self.priority}", self.text.encode(), headers={}
        )
        assert answer.status == 202, answer
        self.job_id = str(answer.document["jobId"])
        eventually(self._note.exists, what=f"the worker of {self.priority} to freeze")
        (self.token,) = self._at.services.blobs.results_of(self.job_id)
        assert self._at.job(self.job_id).status is JobStatus.PROCESSING

    def wakes(self) -> None:
        self.worker.send(signal.SIGCONT)

    @property
    def is_refused(self) -> bool:
        return any(self.job_id in line and "claim_lost" in line for line in self.worker.says().splitlines())


@pytest.fixture
def at(deploy: Callable[..., Deployment]) -> Deployment:
    made = deploy()
    made.web()
    return made


def swept_server(at: Deployment) -> str:
    noted: Any = at.redis.hget("ingest:sweep", "run_id")
    return noted.decode() if noted else ""


def post(at: Deployment, what: str, job_id: str) -> None:
    assert at.client.ask("POST", f"/api/ingest/{what}/{job_id}").status == 200


def test_row_12_a_frozen_worker_that_wakes_too_late_has_no_effect(at: Deployment) -> None:
    """Guards the fence, in real processes: without it each of these four ends a second time."""
    frozen = {priority.value: Frozen(at, priority.value) for priority in Priority}
    frozen[GIVEN_BACK].takes_a_job()
    at.restart_server()  # what was claimed before an outage is given back uncounted
    eventually(lambda: at.client.ask("GET", "/readyz").status == 200, what="the service to be ready")
    eventually(lambda: swept_server(at) == at.redis.info("server")["run_id"], what="a sweep that has seen the outage")
    for way in (LOST, RETRIED, DELETED):
        frozen[way].takes_a_job()
    post(at, "cancel", frozen[RETRIED].job_id)
    post(at, "retry", frozen[RETRIED].job_id)
    assert at.client.ask("DELETE", f"/api/ingest/jobs/{frozen[DELETED].job_id}").status == 204
    at.worker()  # last: until a worker for all is up, a lease may run out

    others = [frozen[way] for way in (LOST, RETRIED, GIVEN_BACK)]
    for one in others:
        at.client.until(one.job_id, "completed")
    counted = {one.priority: (job.run, job.losses, job.give_backs) for one in others for job in [at.job(one.job_id)]}
    assert counted.pop(LOST) in ((1, 1, 0), (1, 0, 1))  # the latter where this machine stood still for five seconds
    assert counted == {RETRIED: (2, 0, 0), GIVEN_BACK: (1, 0, 1)}
    before = {one.job_id: at.history(one.job_id) for one in others}
    for one in others:
        assert {one.token, at.job(one.job_id).result_token} == set(at.services.blobs.results_of(one.job_id))

    for one in frozen.values():
        one.wakes()
    for one in frozen.values():
        eventually(lambda one=one: one.is_refused, what=f"the refusal of the worker of {one.priority}")
    for one in others:
        assert at.history(one.job_id) == before[one.job_id], "an event of its was written"
        assert at.job(one.job_id) == before[one.job_id][-1], "its state was written"
        eventually(lambda one=one: one.token not in at.services.blobs.results_of(one.job_id), what="its result to go")
    gone = frozen[DELETED].job_id
    assert at.client.ask("GET", f"/api/ingest/status/{gone}").status == 404
    eventually(lambda: not at.services.blobs.results_of(gone), what="the result of the deleted job to go")
    assert all(one.worker.is_alive for one in frozen.values())
    check(at, {one.job_id: one.text for one in others})
