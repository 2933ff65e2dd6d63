"""It spreads: several machines do what one does, and share nothing but Redis and a bucket."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from app.domain.job import JobStatus
from tests.processes import LIVE, SECRETS, Document
from tests.spread.machines import Spread, shared

pytestmark = LIVE
ADMIN = {"Authorization": f"Bearer {SECRETS['ADMIN_TOKEN']}"}


@pytest.fixture(scope="module", params=["by a password", "by TLS"])
def machines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spread]:
    """One set-up for all."""
    folder = tmp_path_factory.mktemp("spread")
    with shared(folder, tls=request.param == "by TLS") as names, Spread(folder, names) as spread:
        yield spread


@pytest.fixture
def spread(machines: Spread) -> Spread:
    """The set-up, whole again after what the last test did to it."""
    machines.mend()
    return machines


def test_what_is_uploaded_at_one_web_is_watched_through_the_other(spread: Spread) -> None:
    job_id = spread.one.client.upload(b"written here, read there", key="the-same-everywhere")
    with spread.other.client.stream(job_id) as stream:
        states = list(stream.states())
    assert states[-1]["status"] == "completed"
    assert spread.other.client.text(job_id) == "written here, read there"
    assert spread.other.client.upload(b"written here, read there", key="the-same-everywhere") == job_id
    shown = spread.other.client.ask("GET", "/api/admin/queue", headers=ADMIN).document
    assert shown["system"]["storage"] == {"kind": "s3", "freeBytes": None}
    assert {worker["pid"] for worker in shown["workers"]} >= {worker.pid for worker in [*spread.workers, spread.urgent]}


def test_a_worker_for_urgent_jobs_does_only_those(spread: Spread) -> None:
    for worker in spread.workers:
        worker.send(signal.SIGSTOP)
    try:
        patient = spread.one.client.upload(b"can wait")
        sent = spread.one.client.ask("PUT", "/api/ingest/start/now.txt?priority=urgent", b"cannot")
        urgent = str(sent.document["jobId"])
        assert spread.other.client.until(urgent)["status"] == "completed"
        assert spread.job(patient).status is JobStatus.PENDING
    finally:
        for worker in spread.workers:
            worker.send(signal.SIGCONT)
    assert spread.other.client.until(patient)["status"] == "completed"
    assert pid_of(spread.job(urgent).history[0].worker) == spread.urgent.pid
    assert pid_of(spread.job(patient).history[-1].worker) != spread.urgent.pid


def pid_of(worker: str) -> int:
    """From its name, which is `worker.<host>.<process id>.<chance>`."""
    return int(worker.split(".")[-2])


def test_a_worker_that_is_killed_on_one_machine_is_replaced_on_another(spread: Spread) -> None:
    parsers = spread.parsers()
    for child in parsers.values():
        os.kill(child, signal.SIGSTOP)
    job_id = spread.one.client.upload(b"taken twice, read once")
    spread.other.client.until(job_id, "processing")
    claim = spread.job(job_id).claim
    assert claim
    (killed,) = (worker for worker in spread.workers if worker.pid == pid_of(claim.holder))
    killed.kill()
    for pid, child in parsers.items():
        if pid != killed.pid:
            os.kill(child, signal.SIGCONT)
    assert spread.other.client.until(job_id)["status"] == "completed"
    assert spread.other.client.text(job_id) == "taken twice, read once"
    lost, done = spread.job(job_id).history
    assert (lost.outcome, done.outcome) == ("worker_lost", "completed")
    assert pid_of(done.worker) != killed.pid


def test_a_web_that_is_restarted_under_a_stream_loses_no_event(spread: Spread) -> None:
    parsers = spread.parsers()
    for child in parsers.values():
        os.kill(child, signal.SIGSTOP)
    job_id = spread.one.client.upload(b"told in two halves")
    with spread.one.client.stream(job_id) as stream:
        seen = first_states(stream.states())
        spread.first_web.kill()
    for child in parsers.values():
        os.kill(child, signal.SIGCONT)
    spread.other.client.until(job_id, "completed")
    spread.first_web = spread.one.web()
    spread.wait()
    rest = {}
    for client in (spread.one.client, spread.other.client):  # the same id is good at each web
        with client.stream(job_id, last_id=stream.last_id) as again:
            rest[client.port] = list(again.states())
    here, there = ([state["version"] for state in states] for states in rest.values())
    first = seen[0]["version"]
    assert [state["version"] for state in seen] + here == list(range(first, first + len(seen) + len(here)))
    assert here == there
    assert rest[spread.one.client.port][-1]["status"] == "completed"


def first_states(states: Iterator[Document]) -> list[Document]:
    """Up to the one that says that a worker has it."""
    seen = []
    for state in states:
        seen.append(state)
        if state["status"] == "processing":
            break
    return seen
