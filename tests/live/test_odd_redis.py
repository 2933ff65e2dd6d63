"""A Redis that is full, and one that does not tell who its clients are: against the real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.adapters.blob_store import LocalBlobs
from app.adapters.embedded import EmbeddedServer
from app.adapters.redis_client import quick_client
from app.domain.job import JobStatus, Priority
from app.errors import QueueUnavailable
from app.ingestion.rescue import Sweep
from app.services import Services
from app.settings import read_settings
from tests import jobs_in_states as jobs

pytestmark = pytest.mark.live


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    server = EmbeddedServer(tmp_path)
    yield server.start()
    server.stop()


@pytest.fixture
def admin(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url) as client:
        yield client


def connected(url: str, folder: Path) -> Services:
    settings = read_settings(env_file=None, data_dir=folder, min_free_bytes=0)
    client = quick_client(url, "worker.test")
    return Services(settings, client=client, blobs=LocalBlobs(folder / "blobs"), url=url, name="worker.test")


def test_a_redis_that_is_full_takes_no_job_and_lets_those_that_run_end(
    url: str, admin: redis.Redis, tmp_path: Path
) -> None:
    services = connected(url, tmp_path)
    job = jobs.processing(services)
    jobs.pending(services)
    admin.config_set("maxmemory", 1)
    with pytest.raises(QueueUnavailable):
        jobs.pending(services)
    claimed = services.jobs.claim_next(Priority.MEDIUM, holder="web.test", token="u")  # as the batch does
    assert claimed is not None
    assert services.jobs.replace(job, job.completed(jobs.RESULT, now=services.jobs.now()))
    ended = services.jobs.get(job.id)
    assert ended is not None
    assert ended.status is JobStatus.COMPLETED
    services.close()


def test_where_redis_does_not_tell_its_clients_the_lease_alone_decides(
    url: str, admin: redis.Redis, tmp_path: Path
) -> None:
    admin.execute_command("ACL", "SETUSER", "guest", "on", ">word", "~*", "&*", "+@all", "-client|list")
    services = connected(url.replace("://", "://guest:word@"), tmp_path)
    assert not services.is_visible
    jobs.pending(services)
    claimed = services.jobs.claim_next(Priority.MEDIUM, holder="worker.test", token="t", visible=services.is_visible)
    assert claimed is not None
    assert Sweep(services).run().rescued == 0
    seen_by_others = jobs.processing(services)
    assert Sweep(services).run().rescued == 0
    admin.zadd("ingest:leases", {seen_by_others.id: 1})
    assert Sweep(services).run().rescued == 1
    services.close()
