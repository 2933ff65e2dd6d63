"""`./run` as a whole: real processes on a folder of their own."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from app.adapters import embedded
from app.settings import ROOT, Settings
from app.supervision.readiness import ask
from clients.python.ingest_client import Client, Status
from tests.processes import free_port

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

LINUX = sys.platform == "linux"


class Run:
    """One `./run`; what it says is read line by line."""

    def __init__(self, data_dir: Path, port: int, **settings: str) -> None:
        bare = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        environment = {**bare, "DATA_DIR": str(data_dir), "PORT": str(port), "WORKERS": "1", **settings}
        self.url = f"http://127.0.0.1:{port}"
        self._errors = (data_dir.parent / f"{data_dir.name}-{port}.err").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app", "up"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def line(self, beginning: str) -> str:
        """The next line that begins so."""
        assert self.process.stdout
        for line in self.process.stdout:
            if line.lstrip().startswith(beginning):
                return line.strip()
        raise AssertionError(f"it ended without {beginning!r}: {self.errors()}")

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def close(self) -> None:
        try:
            self.end()
        finally:
            self._errors.close()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(data_dir: Path, port: int) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(**settings: str) -> Run:
        runs.append(Run(data_dir, port, **settings))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


def read(run: Run, path: Path) -> Status:
    """Upload a file and follow its job to the end."""
    client = Client(run.url)
    *_, end = client.follow(client.upload(path)["jobId"])
    return end


def descendants(pid: int) -> dict[int, str]:
    """Every process below `pid`, with its command line."""
    said = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in said.splitlines()]
    found: dict[int, str] = {}
    parents = {pid}
    while parents:
        children = {int(row[0]): row[2] for row in rows if int(row[1]) in parents}
        found |= children
        parents = set(children)
    return found


def pid_of(run: Run, words: str) -> int:
    return next(pid for pid, command in descendants(run.process.pid).items() if words in command)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "note.txt"
    path.write_text("one two three\n")
    return path


def test_it_says_where_it_is_and_takes_a_file(start: Callable[..., Run], file: Path, data_dir: Path) -> None:
    run = start()
    assert run.line("ready") == f"ready {run.url}"
    assert re.fullmatch(rf"operator page +{run.url}/admin/login#code=[\w-]+", run.line("operator page"))
    end = read(run, file)
    assert (end["status"], end["result"]["words"]) == ("completed", 3)
    assert (data_dir / "admin-token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(not LINUX, reason="waits for processes by their descriptors")
def test_it_stops_with_nothing_left_behind(start: Callable[..., Run], file: Path, number: signal.Signals) -> None:
    run = start()
    run.line("ready")
    read(run, file)
    family = [os.pidfd_open(pid) for pid in descendants(run.process.pid)]
    try:
        assert len(family) >= 6  # valkey, gunicorn and its worker, worker and its parser, scheduler
        assert run.end(number) == 0
        for member in family:
            assert select.select([member], [], [], 30)[0]
    finally:
        for member in family:
            os.close(member)


def test_it_finds_everything_again(start: Callable[..., Run], file: Path) -> None:
    first = start()
    first.line("ready")
    job = read(first, file)["jobId"]
    first.end()
    second = start()
    second.line("ready")
    (found,) = Client(second.url).follow(job)
    assert (found["status"], found["result"]["words"]) == ("completed", 3)


def test_a_second_one_on_the_same_folder_is_told_where_the_first_is(start: Callable[..., Run]) -> None:
    first = start()
    first.line("ready")
    second = start(PORT=str(free_port()))
    assert second.process.wait(60) == 1
    assert f"runs already, at {first.url}" in second.errors()


def test_a_taken_port_is_told_in_one_sentence(start: Callable[..., Run], port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        run = start()
        assert run.process.wait(60) == 1
    assert run.errors() == f"PORT {port} is taken by another program: set PORT to a free one.\n"


def test_a_wrong_setting_is_told_and_nothing_starts(start: Callable[..., Run], data_dir: Path) -> None:
    run = start(CRON_SECRET="changeme", WORKERS="many")
    assert run.process.wait(60) == 2
    assert sorted(line.split(":")[0] for line in run.errors().splitlines()) == [
        "setting CRON_SECRET",
        "setting WORKERS",
    ]
    assert not data_dir.exists()


@pytest.mark.parametrize("words", ["gunicorn", "worker.py", "scheduler.py", "valkey-server"])
def test_what_is_killed_comes_back(start: Callable[..., Run], file: Path, words: str, data_dir: Path) -> None:
    run = start()
    run.line("ready")
    killed = pid_of(run, words)
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: "was ended by SIGKILL; starting it again" in run.errors())
    assert eventually(lambda: any(words in command for command in descendants(run.process.pid).values()))
    assert eventually(lambda: answers(run))
    assert read(run, file)["status"] == "completed"
    assert killed not in descendants(run.process.pid)


def test_a_running_instance_is_found_by_its_folder(start: Callable[..., Run], data_dir: Path) -> None:
    run = start()
    run.line("ready")
    command = [sys.executable, "-m", "app", "login"]
    environment = {**os.environ, "DATA_DIR": str(data_dir)}
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"{run.url}/admin/login#code=")
    url = embedded.find(data_dir)
    assert url
    with redis.Redis.from_url(url) as client:
        assert client.ping()


def answers(run: Run) -> bool:
    return ask(Settings(port=int(run.url.rpartition(":")[2]))).ready


def eventually(holds: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether it comes to hold; a look every 50 ms, for these things announce themselves to nobody."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.05)
    return True


def test_the_doctor_finds_a_running_instance_well_and_leaves_it_alone(
    start: Callable[..., Run], file: Path, data_dir: Path, port: int
) -> None:
    run = start()
    run.line("ready")
    read(run, file)
    bare = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    done = subprocess.run(
        [sys.executable, "-m", "app", "doctor", "--json"],
        cwd=ROOT,
        env={**bare, "DATA_DIR": str(data_dir), "PORT": str(port), "MIN_FREE_BYTES": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (0, True), report
    uses = {use["name"]: use["what"] for use in report["uses"]}
    assert (uses["running"], uses["redis"]) == (run.url, "the embedded server that runs on DATA_DIR")
    found = {finding["what"] for finding in report["findings"] if finding["level"] == "fine"}
    assert {f"the service answers at 127.0.0.1:{port}", "1 are alive"} <= found
    assert "Redis and the storage belong together" in found
    assert run.process.poll() is None
