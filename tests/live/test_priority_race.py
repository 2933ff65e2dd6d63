"""Priorities that change while workers claim, against the real server: no job is lost, held twice, or in two lines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.blob_store import LocalBlobs
from app.adapters.embedded import EmbeddedServer
from app.adapters.redis_client import quick_client
from app.domain.job import PRIORITIES, Job, JobStatus
from app.errors import QueueUnavailable, RequestRefused
from app.ingestion.cancel import change_priority
from app.ingestion.check import check
from app.services import Services
from app.settings import read_settings
from tests import jobs_in_states as jobs

pytestmark = pytest.mark.live
JOBS = 60
SECONDS = 60


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    server = EmbeddedServer(tmp_path)
    yield server.start()
    server.stop()


def connected(url: str, folder: Path) -> Services:
    settings = read_settings(env_file=None, data_dir=folder, min_free_bytes=0)
    client = quick_client(url, "worker.test")
    return Services(settings, client=client, blobs=LocalBlobs(folder / "blobs"), url=url, name="worker.test")


def keep_moving(services: Services, ids: list[str], over: threading.Event) -> None:
    turn = 0
    while not over.is_set():
        turn += 1
        for number, job_id in enumerate(ids):
            try:
                change_priority(services, job_id, PRIORITIES[(number + turn) % len(PRIORITIES)])
            except (RequestRefused, QueueUnavailable):
                pass  # it is held, has ended, or changes too fast


def claim_all(services: Services, name: str, claimed: list[Job], over: threading.Event) -> None:
    """Half of what is claimed is given back once, so that jobs wait again while they are moved."""
    while len(claimed) < 2 * JOBS and not over.is_set():
        for priority in PRIORITIES:
            token = f"{name}-{len(claimed)}-{priority.value}"
            job = services.jobs.claim_next(priority, holder=name, token=token, visible=False)
            if job is None:
                continue
            claimed.append(job)
            now = services.jobs.now()
            new = job.completed(jobs.RESULT, now=now) if job.give_backs else job.given_back(now=now)
            assert services.jobs.replace(job, new)


def test_jobs_that_are_moved_while_they_are_claimed_are_each_done_once(url: str, tmp_path: Path) -> None:
    services = connected(url, tmp_path)
    ids = [jobs.pending(services, priority=PRIORITIES[n % 4]).id for n in range(JOBS)]
    claimed, over = [], threading.Event()
    movers = [threading.Thread(target=keep_moving, args=(services, order, over)) for order in (ids, ids[::-1])]
    workers = [threading.Thread(target=claim_all, args=(services, name, claimed, over)) for name in ("a", "b")]
    for thread in (*movers, *workers):
        thread.start()
    for thread in workers:
        thread.join(SECONDS)
    over.set()
    for thread in (*movers, *workers):
        thread.join(SECONDS)
    assert sorted(job.id for job in claimed) == sorted([*ids, *ids])
    assert all(job.status is JobStatus.COMPLETED for job in services.jobs.get_many(ids) if job)
    lines = ["pending", "retrying", "leases", *(f"waiting:{priority.value}" for priority in PRIORITIES)]
    assert {line: services.redis.zcard(f"ingest:{line}") for line in lines} == dict.fromkeys(lines, 0)
    of_records = ("I1", "I2", "I5", "I6", "I7")  # there are no bytes here
    assert [str(found) for found in check(services).violations if found.invariant in of_records] == []
    services.close()
