"""The bucket is away, slow, or breaks off: at an upload it is said so at once, at a worker it is tried again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fakeredis
import pytest

from app import create_app
from app.adapters.breaker import FAILURES
from app.adapters.s3_blobs import S3Blobs, open_s3_blobs
from app.adapters.s3_client import S3Client
from app.adapters.s3_patience import Caller, Patience
from app.adapters.spool import Spool
from app.domain.job import Job, Priority
from app.ingestion.process import process_next
from app.ingestion.submit import Intake
from app.services import Services
from app.settings import Settings
from tests import proxy
from tests.processes import LIVE, Deployment, eventually
from tests.proxy import Proxy
from tests.s3_servers import S3Server

pytestmark = LIVE


def members(at: Deployment, place: str) -> set[str]:
    found: Any = at.redis.zrange(f"ingest:{place}", 0, -1)
    return {member.decode() for member in found}


@pytest.fixture
def line(minio: S3Server) -> Iterator[Proxy]:
    with Proxy(minio.endpoint) as line:
        yield line


@pytest.fixture
def at(deploy: Callable[..., Deployment], line: Proxy) -> Deployment:
    """An installation whose files are in a bucket behind the proxy."""
    at = deploy(**S3Server(line.endpoint).environment(f"faults-{secrets.token_hex(6)}"))
    at.services.binding()
    return at


def test_row_19_a_bucket_that_goes_and_comes(at: Deployment, line: Proxy) -> None:
    """Guards the order bytes, record; and the breaker, without which each client waits as long as the first did."""
    at.web()
    line.meets(proxy.away)
    with ThreadPoolExecutor() as pool:
        for refused in pool.map(lambda _: at.client.send(b"meanwhile", seconds=60), range(FAILURES)):
            assert (refused.status, refused.code) == (503, "storage_unavailable")
            assert int(refused.headers["Retry-After"]) > 0
    ready = at.client.ask("GET", "/readyz")
    assert (ready.status, ready.code) == (503, "storage_unavailable")
    assert members(at, "jobs") == set()

    line.heals()
    job_id = eventually(lambda: accepted(at), what="an upload that is accepted")
    at.worker()
    assert at.client.until(job_id)["status"] == "completed"
    assert at.client.text(job_id) == "after it"
    check_bucket(at)


def accepted(at: Deployment) -> str | None:
    answer = at.client.send(b"after it")
    return str(answer.document["jobId"]) if answer.status == 202 else None


def check_bucket(at: Deployment) -> None:
    """Nothing lies in it that no record knows, and nothing of it on this disk."""
    blobs, known = at.services.blobs, members(at, "jobs")
    assert {upload.job_id for upload in blobs.list_uploads()} <= known
    assert {result.job_id for result in blobs.list_results()} <= known
    assert list((at.data_dir / "spool").iterdir()) == []


@pytest.fixture
def in_process(settings: Settings, redis: fakeredis.FakeRedis, line: Proxy, tmp_path: Path) -> Iterator[Services]:
    """A worker's services without its process."""
    place = S3Server(line.endpoint).place()
    blobs = open_s3_blobs(place, tmp_path / "spool", hurried=False)
    made = Services(settings, client=redis, blobs=blobs)
    yield made
    made.close()


@pytest.mark.parametrize("fault", [proxy.away, proxy.silent, proxy.failing(503), proxy.cut_up(20), proxy.cut_down(0)])
def test_row_19_an_upload_that_is_not_stored_is_said_so_and_nothing_waits(
    settings: Settings, in_process: Services, line: Proxy, tmp_path: Path, fault: proxy.Fault
) -> None:
    """Guards the order bytes, record: a job whose bytes are nowhere would fail later, and nobody would send it again."""
    in_process.binding()
    client = S3Client(S3Server(line.endpoint).place(), Caller(Patience(seconds=0.2, answer_seconds=0.2)))
    in_process.blobs = S3Blobs(client, Spool(tmp_path / "spool"))
    web = create_app(settings, in_process).test_client()
    line.meets(fault)
    answer = web.put("/api/ingest/start/note.txt", data=b"words")
    assert answer.status_code == 503
    assert answer.json
    assert answer.json["error"]["code"] == "storage_unavailable"
    assert in_process.redis.keys("ingest:job:*") == []


@pytest.mark.parametrize("fault", [proxy.away, proxy.cut_up(20), proxy.cut_down(0), proxy.failing(503)])
def test_row_20_a_worker_tries_again_within_its_attempt(in_process: Services, line: Proxy, fault: proxy.Fault) -> None:
    """Guards the patience: without it each hiccup of the network costs the job a minute."""
    job = submitted(in_process)
    line.meets(fault, times=2)
    ended = process_next(in_process, job.priority)
    assert ended
    assert (ended.status.value, ended.attempt) == ("completed", 1)


@pytest.mark.parametrize("fault", [proxy.away, proxy.silent, proxy.failing(503)])
def test_row_20_where_it_stays_away_the_job_is_retried_later(
    in_process: Services, line: Proxy, tmp_path: Path, fault: proxy.Fault
) -> None:
    """Guards that an absent bucket is a failure that passes: otherwise the job fails for good."""
    job = submitted(in_process)
    client = S3Client(S3Server(line.endpoint).place(), Caller(Patience(seconds=0.2, answer_seconds=0.2)))
    in_process.blobs = S3Blobs(client, Spool(tmp_path / "spool"))
    line.meets(fault)
    ended = process_next(in_process, job.priority)
    assert ended
    assert ended.status.value == "retrying"
    assert [attempt.outcome for attempt in ended.history] == ["storage_unavailable"]


def submitted(services: Services) -> Job:
    intake = Intake(services)
    with intake.open(5) as writer:
        writer.write(b"words")
        return intake.accept(
            filename="a.txt", media_type="text/plain", priority=Priority.HIGH, user_id=None, writer=writer
        )
