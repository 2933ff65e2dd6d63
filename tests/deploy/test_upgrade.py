"""A new version is brought out, one process after the other, while files come in: nothing is refused, lost or done twice,
and what the new version writes holds up no process of the old one."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.faults.check import check
from tests.processes import LIVE, Client, Deployment, Process, eventually

pytestmark = LIVE

#: Files come in without a pause for anybody, but leave the machine some time to start what is started meanwhile.
PACE_SECONDS = 0.05
LAUNCHER = "tests/deploy/newer.py"


class Load:
    """Uploads one file after the other until it is told to stop; what was accepted is in `texts`."""

    def __init__(self, client: Client) -> None:
        self.texts: dict[str, str] = {}
        self.failure: BaseException | None = None
        self._client, self._end = client, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            number = 0
            while not self._end.wait(PACE_SECONDS):
                number += 1
                self.texts[self._upload(f"file {number}")] = f"file {number}"
        except BaseException as error:
            self.failure = error

    def _upload(self, text: str) -> str:
        """A connection that a restart broke is tried again with the same key, as docs/api.md tells clients to."""
        while True:
            try:
                return self._client.upload(text.encode(), key=text.replace(" ", "-"))
            except ConnectionRefusedError:
                raise
            except (ConnectionError, http.client.HTTPException):
                continue

    def goes_on(self) -> None:
        """Comes back when ten more were accepted."""
        wanted = len(self.texts) + 10
        eventually(lambda: self.failure or len(self.texts) >= wanted, what="more uploads")
        assert self.failure is None, self.failure

    def stop(self) -> None:
        self._end.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """The listening socket that outlives the web servers, as `ingest-web.socket` does."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        yield listening


def web(at: Deployment, door: socket.socket, *later: str) -> Process:
    fd = door.fileno()
    return at.start(LAUNCHER, "--door", str(fd), *later, "-m", "gunicorn", "app:create_app()", fds=[fd])


def worker(at: Deployment, *later: str) -> Process:
    process = at.start(LAUNCHER, *later, "worker.py")
    eventually(lambda: process.pid in [found.pid for found in at.services.workers.alive()], what="a worker")
    return process


def ended(process: Process) -> None:
    process.send(signal.SIGTERM)
    assert process.wait() == 0


def test_row_31_two_versions_side_by_side_lose_nothing(deploy: Callable[..., Deployment], door: socket.socket) -> None:
    at = deploy()
    at.client = Client(door.getsockname()[1])
    first_web, first_worker, second_worker = web(at, door), worker(at), worker(at)
    at.until_answered(first_web)
    load = Load(at.client)
    try:
        load.goes_on()
        ended(first_worker)
        later_worker = worker(at, "--later")
        load.goes_on()
        ended(first_web)
        later_web = web(at, door, "--later")
        load.goes_on()
        eventually(lambda: "newer_record_left_alone" in second_worker.says(), what="a newer record at an older worker")
        load.goes_on()
        ended(second_worker)
        load.goes_on()
    finally:
        load.stop()
    assert load.failure is None, load.failure
    for job_id in load.texts:
        at.client.until(job_id, "completed")
    check(at, load.texts)
    assert second_worker.says().count("newer_record_left_alone") == 1
    assert {at.job(job_id).schema for job_id in load.texts} == {1, 2}
    assert later_web.is_alive
    assert later_worker.is_alive
