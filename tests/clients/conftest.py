"""One deployment for the clients: web and a worker, small limits, and a proxy in front that can break what goes by."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import SECRETS, Deployment
from tests.proxy import Proxy

MOST_BYTES = 4 * 1024 * 1024


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with Deployment(tmp_path_factory.mktemp("clients"), {"MAX_UPLOAD_BYTES": str(MOST_BYTES)}) as made:
        made.worker()
        yield made


@pytest.fixture
def at(deployment: Deployment) -> Deployment:
    """It, with a web server that answers, wherever the last test stopped in restarting it."""
    web = deployment.web_process
    if web and web.is_alive:
        deployment.until_answered(web)
    else:
        deployment.web()
    return deployment


@pytest.fixture
def proxy(at: Deployment) -> Iterator[Proxy]:
    with Proxy(at.client.url) as made:
        yield made


@pytest.fixture
def low_is_paused(at: Deployment) -> Iterator[None]:
    """Jobs of low priority wait until `resume` is called."""
    command(at, action="pause", priority="low")
    yield
    resume(at)


def resume(at: Deployment) -> None:
    command(at, action="resume", priority="low")


def command(at: Deployment, **asked: str) -> None:
    headers = {"Authorization": f"Bearer {SECRETS['ADMIN_TOKEN']}", "Content-Type": "application/json"}
    assert at.client.ask("POST", "/api/admin/queue", json.dumps(asked).encode(), headers=headers).status == 200


def restart_web(at: Deployment) -> None:
    assert at.web_process
    at.web_process.send(signal.SIGTERM)
    assert at.web_process.wait() == 0
    at.web()


def jobs_of(at: Deployment, user: str) -> list[str]:
    headers = {"Authorization": f"Bearer {SECRETS['ADMIN_TOKEN']}"}
    document = at.client.ask("GET", f"/api/ingest/jobs?userId={user}", headers=headers).document
    return [job["jobId"] for job in document["jobs"]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A text of two megabytes that reads in a moment."""
    path = tmp_path / "long & wide.txt"
    path.write_text(f"{'word ' * 199}\n" * 2_000)
    return path
