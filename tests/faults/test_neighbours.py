"""Clocks that are wrong, schedulers that are many or dead, batches that meet, and a network that parts a worker from Redis."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.adapters.job_queues import BATCH_DELIVERY_ID
from app.domain.job import Failure, JobStatus, Priority
from app.errors import RequestRefused
from app.ingestion.batch import run_batch
from app.ingestion.submit import Intake
from tests.faults.check import check
from tests.processes import LIVE, Deployment, Process, children_of, eventually, free_port

pytestmark = LIVE

TEN_MINUTES_MS = 600_000
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
IN_CI = bool(os.environ.get("CI"))


# ---- row 26 ---------------------------------------------------------------------------------------------------------


def started(at: Deployment, arguments: list[str], **environment: str) -> Process:
    """A worker that listens, in an environment of its own."""
    log = at.folder / f"{len(at.processes)}-worker.log"
    process = Process(arguments, env=at.environment(**environment), log=log)
    at.processes.append(process)
    eventually(lambda: at._listens(process), what="the worker")
    return process


def skewed_worker(at: Deployment, priority: str, *, by: str) -> Process:
    only_the_time_of_day = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    return started(at, ["worker.py", priority], LD_PRELOAD=str(FAKETIME), FAKETIME=by, **only_the_time_of_day)


def submitted(at: Deployment, text: str, priority: Priority) -> str:
    intake = Intake(at.services)
    with intake.open(len(text)) as writer:
        writer.write(text.encode())
        named: dict[str, Any] = {"filename": "a.txt", "media_type": "text/plain", "user_id": None}
        return intake.accept(priority=priority, writer=writer, **named).id


def failed_once(at: Deployment, text: str) -> str:
    """A job whose attempt failed just now, so that the next one is due in a minute."""
    job_id = submitted(at, text, Priority.URGENT)
    job = at.services.jobs.claim_next(Priority.URGENT, holder="test", token="t")
    assert job
    assert job.id == job_id
    later = job.failed(Failure.of("storage_unavailable"), now=at.services.jobs.now(), policy=at.services.policy)
    assert at.services.jobs.replace(job, later)
    return job_id


def minutes_ahead(at: Deployment, worker: Process) -> float:
    """By the clock that its log is written with, of what it noted last."""
    told = json.loads(worker.says().splitlines()[-1])
    then = datetime.fromisoformat(told["timestamp"].replace("Z", "+00:00")).timestamp() * 1000
    return (then - (at.job(told["job_id"]).completed_at or 0)) / 60_000


@pytest.mark.skipif(FAKETIME is None and not IN_CI, reason="faketime is not installed")
def test_row_26_a_worker_whose_clock_is_wrong_does_nothing_early_and_nothing_twice(
    deploy: Callable[..., Deployment],
) -> None:
    """Guards the server's clock: with the worker's own a retry is due ten minutes early, and claims run out at once."""
    at = deploy()
    at.services.binding()
    retried = failed_once(at, "again in a minute")
    ahead, behind = skewed_worker(at, "urgent", by="+10m"), skewed_worker(at, "low", by="-10m")
    warm = [submitted(at, "to warm up", priority) for priority in (Priority.URGENT, Priority.LOW)]
    for job_id in warm:
        at.waits_for(lambda job: job.status is JobStatus.COMPLETED, job_id)
    for worker in (ahead, behind):
        os.kill(at.parser_of(worker), signal.SIGSTOP)
    held = [submitted(at, "held", priority) for priority in (Priority.URGENT, Priority.LOW)]
    for job_id in held:
        at.waits_for(lambda job: job.status is JobStatus.PROCESSING, job_id)
    assert [round(minutes_ahead(at, worker)) for worker in (ahead, behind)] == [10, -10]
    at.sweeps_on(3_000)  # only these two sweep
    assert at.job(retried).status is JobStatus.RETRYING
    for worker in (ahead, behind):
        os.kill(at.parser_of(worker), signal.SIGCONT)
    for job_id in (*warm, *held):
        job = at.waits_for(lambda job: job.status is JobStatus.COMPLETED, job_id)
        assert [attempt.outcome for attempt in job.history] == ["completed"]
        assert abs((job.completed_at or 0) - at.services.jobs.now()) < TEN_MINUTES_MS / 2
    assert at.services.jobs.replace(at.job(retried), at.job(retried).retried(now=at.services.jobs.now()))
    at.waits_for(lambda job: job.status is JobStatus.COMPLETED, retried)
    texts = dict.fromkeys(warm, "to warm up") | dict.fromkeys(held, "held")
    check(at, {**texts, retried: "again in a minute"})


# ---- rows 24 and 25 -------------------------------------------------------------------------------------------------


def test_row_24_five_schedulers_make_one_batch_a_minute_and_none_is_missed_by_workers(
    deploy: Callable[..., Deployment],
) -> None:
    """Guards the one entry and its lock; and that nothing but the batch hangs on a scheduler."""
    at = deploy()
    at.services.binding()
    at.worker()
    schedulers = [at.scheduler() for _ in range(5)]
    scheduled = "rq:scheduler:scheduled_jobs"
    eventually(lambda: at.redis.zscore(scheduled, BATCH_DELIVERY_ID), what="the entry of the batch")
    began = at.services.jobs.now()
    at.redis.zadd(scheduled, {BATCH_DELIVERY_ID: 1}, xx=True)  # as if its minute had come
    eventually(lambda: at.services.batches.state(0).runs, what="a batch")
    at.sweeps_on(3_000)
    runs = at.services.batches.state(0).runs
    minutes = at.services.jobs.now() // 60_000 - began // 60_000
    assert len(runs) <= 1 + minutes
    assert {run.by for run in runs} == {"schedule"}
    for scheduler in schedulers:
        scheduler.kill()
    job_id = submitted(at, "without a scheduler", Priority.LOW)
    at.waits_for(lambda job: job.status is JobStatus.COMPLETED, job_id)
    last = at.services.batches.state(0).last_run_at
    assert last is not None
    assert last <= at.services.jobs.now()
    check(at, {job_id: "without a scheduler"})


def test_row_25_of_fifty_batches_one_runs_and_one_that_froze_past_its_lock_has_no_effect(
    deploy: Callable[..., Deployment],
) -> None:
    """Guards the lock of the batch, and the fence of what it was at: without them a job is done twice."""
    at = deploy()
    web = at.web()
    job_id = at.client.upload(b"to warm up")
    assert at.client.batch().document["processed"] == 1
    (serving,) = children_of(web.pid)
    (child,) = children_of(serving)
    os.kill(child, signal.SIGSTOP)
    held = at.client.upload(b"held")
    with ThreadPoolExecutor(50) as pool:
        first = pool.submit(at.client.batch)
        at.client.until(held, "processing")
        others = [pool.submit(at.client.batch) for _ in range(49)]
        assert {(answer.result().status, answer.result().code) for answer in others} == {(409, "batch_running")}
        with pytest.raises(RequestRefused):
            run_batch(at.services)

        os.kill(serving, signal.SIGSTOP)
        assert at.redis.delete("ingest:batch:lock")  # as if its 30 s had passed
        eventually(lambda: taken_over(at, held), what="the other batch to do the job")
        before = at.job(held)
        for pid in (child, serving):
            os.kill(pid, signal.SIGCONT)
        assert first.result().status == 200
    assert at.job(held) == before
    assert [attempt.outcome for attempt in before.history if attempt.outcome == "completed"] == ["completed"]
    eventually(lambda: at.services.blobs.results_of(held) == [before.result_token], what="the stale result to go")
    check(at, {job_id: "to warm up", held: "held"})


def taken_over(at: Deployment, job_id: str) -> bool:
    at.redis.zadd("ingest:leases", {job_id: 1}, xx=True)  # as if its 15 s had passed
    run_batch(at.services)
    return at.job(job_id).status is JobStatus.COMPLETED


# ---- rows 12 and 13: a worker is parted from Redis -------------------------------------------------------------------


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Island:
    """A network of its own, tied to this one by a single cable."""

    def __init__(self) -> None:
        number = os.getpid() % 16_000
        self.name, self._end = f"island-{os.getpid()}", f"is{os.getpid()}a"
        place = f"10.{200 + number // 256 % 50}.{number % 256}"
        self.here, self._there = f"{place}.1", f"{place}.2"

    def __enter__(self) -> Island:
        """OSError, CalledProcessError where this process may make no network, or nothing comes through from there."""
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self) -> None:
        ip("netns", "add", self.name)
        ip("link", "add", self._end, "type", "veth", "peer", "name", "cable", "netns", self.name)
        ip("address", "add", f"{self.here}/30", "dev", self._end)
        ip("-n", self.name, "address", "add", f"{self._there}/30", "dev", "cable")
        ip("-n", self.name, "link", "set", "cable", "up")
        self.joins()
        with socket.create_server((self.here, 0)) as listening:
            code = f"import socket; socket.create_connection({listening.getsockname()[:2]!r}, 30).close()"
            ip("netns", "exec", self.name, sys.executable, "-c", code)

    def joins(self) -> None:
        ip("link", "set", self._end, "up")

    def parts(self) -> None:
        ip("link", "set", self._end, "down")

    def __exit__(self, *failure: object) -> None:
        for thing, name in (("link", self._end), ("netns", self.name)):
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                ip(thing, "delete", name)

    def worker(self, at: Deployment, priority: str) -> Process:
        port = free_port()
        for name, value in (("protected-mode", "no"), ("bind", f"127.0.0.1 {self.here}"), ("port", str(port))):
            at.redis.config_set(name, value)
        there = ["ip", "netns", "exec", self.name, "PYTHON", "worker.py", priority]
        code = f"import os, sys; os.execvp('ip', [w.replace('PYTHON', sys.executable) for w in {there!r}])"
        return started(at, ["-c", code], REDIS_URL=f"redis://{self.here}:{port}")


@pytest.fixture
def island() -> Iterator[Island]:
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(Island())
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("only root may make a network, and not everywhere")
        yield made


def test_rows_12_and_13_a_worker_that_is_parted_from_redis(deploy: Callable[..., Deployment], island: Island) -> None:
    """Guards the lease, which alone judges whom Redis still takes for connected, and the fence: without it the job ends
    a second time when the cable is in again. A cable that is out for less than the lease costs nothing."""
    at = deploy()
    at.web()
    parted = island.worker(at, "urgent")
    texts = {upload(at, "to warm up"): "to warm up"}
    at.client.until(*texts, "completed")
    child = at.parser_of(parted)

    os.kill(child, signal.SIGSTOP)
    short = upload(at, "out for a moment")
    at.client.until(short, "processing")
    island.parts()
    at.sweeps_on(3_000)
    island.joins()
    os.kill(child, signal.SIGCONT)
    assert at.client.until(short)["status"] == "completed"
    assert [attempt.outcome for attempt in at.job(short).history] == ["completed"]

    os.kill(child, signal.SIGSTOP)
    long = upload(at, "out for longer")
    at.client.until(long, "processing")
    other = at.worker()
    island.parts()
    eventually(lambda: lease_is_over(at, long), what="the other worker to do the job")
    before = at.job(long)
    os.kill(child, signal.SIGCONT)
    eventually(lambda: len(at.services.blobs.results_of(long)) == 2, what="the result of the one that is parted")
    island.joins()
    eventually(lambda: "claim_lost" in parted.says(), what="its refusal")
    eventually(lambda: at.services.blobs.results_of(long) == [before.result_token], what="its result to go")
    assert at.job(long) == before
    assert parted.is_alive
    other.end()
    later = upload(at, "once more")
    at.client.until(later, "completed")
    check(at, {**texts, short: "out for a moment", long: "out for longer", later: "once more"})


def upload(at: Deployment, text: str) -> str:
    answer = at.client.ask("PUT", "/api/ingest/start/note.txt?priority=urgent", text.encode())
    assert answer.status == 202, answer
    return str(answer.document["jobId"])


def lease_is_over(at: Deployment, job_id: str) -> bool:
    """As if 15 s had passed for the first claim."""
    job = at.job(job_id)
    if job.status is JobStatus.PROCESSING and not job.losses and not job.give_backs:
        at.redis.zadd("ingest:leases", {job_id: 1}, xx=True)
    return job.status is JobStatus.COMPLETED
