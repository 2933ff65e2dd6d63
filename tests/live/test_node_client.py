"""The design document's own client, in Node, against the running service: it comes to an end with every job."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import CATALOGUE
from tests.processes import LIVE, Deployment, eventually
from tests.samples.make_samples import locked_pdf

NODE = shutil.which("node")
pytestmark = [
    *LIVE,
    pytest.mark.skipif(NODE is None and os.environ.get("CI") != "true", reason="needs node on the PATH"),
]

SCRIPT = Path(__file__).with_name("design_client.mjs")
INTERVAL_MS = 50


class NodeClient:
    """One run of the client; what it writes goes into files, so that it never waits for a reader."""

    def __init__(self, folder: Path, base: str, *what: str) -> None:
        assert NODE, "node is not on the PATH"
        self._out, self._err = folder / "client.out", folder / "client.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            command = [NODE, str(SCRIPT), base, str(INTERVAL_MS), *what]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def told(self, name: str) -> list[str]:
        """What stands after `name:` in its lines."""
        lines = [line.partition(": ") for line in self._err.read_text().splitlines()]
        return [text for key, _, text in lines if key == name]

    def ends(self) -> tuple[int, str]:
        return self._process.wait(60), self._out.read_text()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Web, and no worker yet."""
    with Deployment(tmp_path_factory.mktemp("node")) as made:
        made.web()
        yield made


@pytest.fixture
def client(at: Deployment, tmp_path: Path) -> Iterator[NodeClient]:
    path = tmp_path / "script.txt"
    path.write_text("INT. HOUSE - NIGHT")
    started = NodeClient(tmp_path, at.client.url, str(path))
    yield started
    started.kill()


def test_it_asks_on_while_the_job_waits_and_returns_the_result(at: Deployment, client: NodeClient) -> None:
    """Guards the form, `jobId`, `statusUrl` and the five words for a status."""
    eventually(lambda: client.told("asked").count("pending") > 1, what="questions about a job that waits")
    at.worker()
    code, said = client.ends()
    assert (code, json.loads(said)["preview"]) == (0, "INT. HOUSE - NIGHT")
    assert set(client.told("asked")) <= {"pending", "processing", "completed"}
    (job_id,) = client.told("job")
    shown = at.client.status(job_id)
    assert (shown["priority"], shown["userId"]) == ("high", "user123")


@pytest.fixture
def worker(at: Deployment) -> None:
    if not at.services.workers.alive():
        at.worker()


@pytest.mark.usefixtures("worker")
def test_it_throws_the_message_of_a_job_that_failed(at: Deployment, tmp_path: Path) -> None:
    """Guards `error.message` in the status document."""
    path = tmp_path / "locked.pdf"
    path.write_bytes(locked_pdf())
    client = NodeClient(tmp_path, at.client.url, str(path))
    assert client.ends() == (3, "")
    assert client.told("thrown") == [CATALOGUE["encrypted_document"].message]


@pytest.mark.usefixtures("worker")
def test_it_comes_to_an_end_with_a_job_that_was_deleted(at: Deployment, tmp_path: Path) -> None:
    """Guards the status route's own 404: with a problem document it would ask for ever."""
    job_id = at.client.upload(b"not wanted any more")
    assert at.client.ask("DELETE", f"/api/ingest/jobs/{job_id}").status == 204
    client = NodeClient(tmp_path, at.client.url, "--status", f"/api/ingest/status/{job_id}")
    assert client.ends() == (3, "")
    assert client.told("thrown") == [CATALOGUE["not_found"].message]
