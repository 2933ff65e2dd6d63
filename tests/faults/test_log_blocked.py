"""Nobody reads what the processes log, or there is nobody left who could: the service goes on (row 33)."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from app.adapters.tether import tethered
from app.settings import ROOT
from tests.processes import LIVE, SECRETS, Deployment, eventually

pytestmark = LIVE


class Loggers:
    """A web server and a worker whose stderr is a pipe of ours."""

    def __init__(self, at: Deployment, pipe: int) -> None:
        self.at = at
        self.started = [self._start(pipe, "-m", "gunicorn", "app:create_app()"), self._start(pipe, "worker.py")]

    def wait(self) -> None:
        eventually(self._answers, what="the web server")

    def _start(self, pipe: int, *arguments: str) -> subprocess.Popen[bytes]:
        command = tethered([sys.executable, *arguments])
        return subprocess.Popen(command, cwd=ROOT, env=self.at.environment(), stdout=pipe, stderr=pipe)

    def _answers(self) -> bool:
        try:
            return self.at.client.ask("GET", "/healthz", seconds=5).status == 200
        except OSError:
            return False

    def dropped(self, process: str) -> float:
        headers = {"Authorization": f"Bearer {SECRETS['ADMIN_TOKEN']}"}
        text = self.at.client.ask("GET", "/metrics", headers=headers).body.decode()
        found = re.search(rf'^ingest_log_lines_dropped_total{{process="{process}"}} (\S+)$', text, re.MULTILINE)
        assert found
        return float(found[1])

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait(30)


def fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x" * 4096)
    os.set_blocking(pipe, True)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(writer)


@pytest.fixture
def loggers(deploy: Callable[..., Deployment]) -> Iterator[Callable[[int], Loggers]]:
    made: list[Loggers] = []

    def make(pipe: int) -> Loggers:
        made.append(Loggers(deploy(LOG_LEVEL="info"), pipe))
        made[-1].wait()
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_row_33_a_full_pipe_stops_nobody_and_what_it_held_up_comes_out_later(
    loggers: Callable[[int], Loggers], pipe: tuple[int, int]
) -> None:
    """Guards the thread that writes: a process that wrote by itself would stand at its first line."""
    reader, writer = pipe
    fill(writer)
    at = loggers(writer).at
    job_id = at.client.upload(b"while nobody reads")
    at.client.until(job_id, "completed")
    entries: dict[str, dict[str, str]] = {}
    with os.fdopen(reader, "rb") as lines:
        while not {"upload_accepted", "attempt_ended"} <= entries.keys():
            entry = json.loads(lines.readline().lstrip(b"x"))
            entries[entry["event"]] = entry
    of_web, of_worker = entries["upload_accepted"], entries["attempt_ended"]
    assert of_web["job_id"] == of_worker["job_id"] == job_id
    assert of_web["request_id"] == of_worker["request_id"]


def test_row_33_where_nobody_can_read_any_more_lines_are_dropped_and_counted(
    loggers: Callable[[int], Loggers], pipe: tuple[int, int]
) -> None:
    reader, writer = pipe
    os.close(reader)
    made = loggers(writer)
    job_id = made.at.client.upload(b"while nobody can read")
    made.at.client.until(job_id, "completed")
    eventually(lambda: made.dropped("web") > 0, what="the drops of the web process")
