"""Real processes for tests: an embedded Valkey, web, workers and a scheduler over one folder, and a client of them.

Everything that is started is stopped, whatever a test did to it. Nothing here sleeps for a time: what is waited for is
looked at every 20 ms until it holds, and a generous deadline only says when to give up.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pytest
import redis

from app.adapters.embedded import EmbeddedServer
from app.adapters.tether import tethered
from app.domain.job import Job
from app.services import Services, connect
from app.settings import ROOT, Settings, read_settings

#: What every test over real processes is marked with; they look into /proc.
LIVE = [
    pytest.mark.live,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux shows them"),
]

T = TypeVar("T")
Document = dict[str, Any]

GIVE_UP_SECONDS = 60.0
LOOK_SECONDS = 0.02
STOP_SECONDS = 15.0
SECRETS = {"ADMIN_TOKEN": "an-admin-of-tests-0815", "CRON_SECRET": "a-minute-of-tests-4711"}


def eventually(look: Callable[[], T], *, seconds: float = GIVE_UP_SECONDS, what: str = "") -> T:
    """What `look` gives as soon as that is true; AssertionError when the time is over."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what or look}: last {found!r}")
        threading.Event().wait(LOOK_SECONDS)
    return found


# ---- processes ----------------------------------------------------------------------------------------------------


class Process:
    """One program of ours, in a process group of its own; it ends with the tests, and what it says is in `log`."""

    def __init__(self, arguments: list[str], *, env: Mapping[str, str], log: Path, fds: Sequence[int] = ()) -> None:
        """`fds` are handed on to it, open."""
        self.log = log
        with log.open("wb") as out:
            self.popen = subprocess.Popen(
                tethered([sys.executable, *arguments]),
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=fds,
            )
        self.pid = self.popen.pid

    @property
    def is_alive(self) -> bool:
        return self.popen.poll() is None

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        """As a power cut would: nothing is told to it."""
        self.popen.kill()
        self.popen.wait(STOP_SECONDS)

    def wait(self, seconds: float = GIVE_UP_SECONDS) -> int:
        return self.popen.wait(seconds)

    def end(self) -> None:
        """Clear it away, with all that it started; how a program stops is for tests that ask for it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.kill()  # before it has a group, that alone reaches it
        self.popen.wait(STOP_SECONDS)

    def says(self) -> str:
        return self.log.read_text(errors="replace")


def children_of(pid: int) -> list[int]:
    """The processes whose parent is `pid`, zombies left out."""
    return sorted(child for child, (parent, state) in _family().items() if parent == pid and state != "Z")


def is_running(pid: int) -> bool:
    return _family().get(pid, (0, "Z"))[1] != "Z"


def _family() -> dict[int, tuple[int, str]]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
                found[int(entry.name)] = (int(parent), state)
    return found


# ---- HTTP ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Document:
        found: Document = json.loads(self.body)
        return found

    @property
    def code(self) -> str:
        """The error's code, of a problem or of a status document."""
        return str(self.document["error"]["code"])


class Client:
    """One service over HTTP. A connection for each request, so that none outlives a restart."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float = GIVE_UP_SECONDS,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            with contextlib.suppress(BrokenPipeError):  # refused before all was sent: the answer may be there already
                connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def send(self, data: bytes, name: str = "note.txt", *, key: str | None = None, seconds: float = 60) -> Answer:
        headers = {"Idempotency-Key": key} if key else {}
        return self.ask("PUT", f"/api/ingest/start/{quote(name, safe='')}", data, headers=headers, seconds=seconds)

    def upload(self, data: bytes, name: str = "note.txt", *, key: str | None = None) -> str:
        """An upload that is accepted; the job's id."""
        answer = self.send(data, name, key=key)
        assert answer.status == 202, answer
        return str(answer.document["jobId"])

    def status(self, job_id: str) -> Document:
        answer = self.ask("GET", f"/api/ingest/status/{job_id}")
        assert answer.status == 200, answer
        return answer.document

    def until(self, job_id: str, *statuses: str, seconds: float = GIVE_UP_SECONDS) -> Document:
        """The status document once it shows one of these."""
        wanted = statuses or ("completed", "failed")

        def look() -> Document | None:
            document = self.status(job_id)
            return document if document["status"] in wanted else None

        found = eventually(look, seconds=seconds, what=f"{job_id} to be {' or '.join(wanted)}")
        assert found
        return found

    def text(self, job_id: str) -> str:
        answer = self.ask("GET", f"/api/ingest/result/{job_id}?format=text")
        assert answer.status == 200, answer
        return answer.body.decode()

    def batch(self) -> Answer:
        """The minute batch, now."""
        return self.ask("GET", "/api/cron/process-jobs", headers={"Authorization": f"Bearer {SECRETS['CRON_SECRET']}"})

    def stream(self, job_id: str, *, last_id: str = "") -> Stream:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=GIVE_UP_SECONDS)
        return Stream(connection, job_id, last_id)


class Stream:
    """Server-sent events of one job, read as they come."""

    def __init__(self, connection: http.client.HTTPConnection, job_id: str, last_id: str = "") -> None:
        self._connection = connection
        headers = {"Last-Event-ID": last_id} if last_id else {}
        self._connection.request("GET", f"/api/ingest/events/{job_id}", headers=headers)
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self.last_id = last_id
        self.retry_ms: int | None = None

    def events(self) -> Iterator[tuple[str, Document]]:
        """Each event's name and data until the server ends the stream; a torn one raises IncompleteRead."""
        name = data = ""
        for line in self._lines():
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if key == "event":
                name = value
            elif key == "id":
                self.last_id = value
            elif key == "retry":
                self.retry_ms = int(value)
            elif key == "data":
                data = value
            elif not key and not value and data:
                yield name, json.loads(data)
                name = data = ""

    def _lines(self) -> Iterator[str]:
        """Line by line; `readline` would take a stream that was torn off for one that ended."""
        rest = b""
        while piece := self._response.read1(65_536):
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode() for line in lines)

    def states(self) -> Iterator[Document]:
        return (document for name, document in self.events() if name == "status")

    def close(self) -> None:
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


#: Below those that systems give to outgoing connections (from 32768, or 49152): nothing takes one between the moment it
#: was found free and the moment a server that was given it listens, or while that server is away.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A port for a server that can't be told to take any."""
    while True:
        number = secrets.choice(PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", number)):
            return number


# ---- one installation ---------------------------------------------------------------------------------------------


@dataclass
class Deployment:
    """The processes of one folder. Start what the test needs; `stop` ends whatever runs then."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data_dir = self.folder / "data"
        self.server = EmbeddedServer(self.data_dir)
        self.url = self.server.start()
        self.client = Client(free_port())
        self.processes: list[Process] = []
        self.redis = redis.Redis.from_url(self.url, socket_timeout=10)
        self.services: Services = connect(self._own_settings(), role="test")
        self.web_process: Process | None = None

    # -- starting

    def environment(self, **more: str) -> dict[str, str]:
        bare = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        return {
            **bare,
            **SECRETS,
            "DATA_DIR": str(self.data_dir),
            "REDIS_URL": self.url,
            "PORT": str(self.client.port),
            "MIN_FREE_BYTES": "0",
            "WEB_THREADS": "64",
            "TZ": "UTC",
            "PYTHONUNBUFFERED": "1",
            **self.settings,
            **more,
        }

    def _own_settings(self) -> Settings:
        s3 = {name.lower(): value for name, value in self.settings.items() if name.startswith("S3_")}
        return read_settings(env_file=None, data_dir=self.data_dir, redis_url=self.url, min_free_bytes=0, **s3)

    def start(self, *arguments: str, crash: Mapping[str, str] | None = None, fds: Sequence[int] = ()) -> Process:
        """A program of ours; with a `crash` it kills itself at that step (see tests/faults/crashing.py)."""
        number = len(self.processes)
        log = self.folder / f"{number}-{Path(arguments[-1]).stem}.log"
        more = {"CRASH": json.dumps({"note": str(self.folder / f"{number}.crashed"), **crash})} if crash else {}
        prefix = ["tests/faults/crashing.py"] if crash else []
        process = Process([*prefix, *arguments], env=self.environment(**more), log=log, fds=fds)
        self.processes.append(process)
        return process

    def web(self, *, crash: Mapping[str, str] | None = None) -> Process:
        """A web server that answers; `server_pid` is the process that serves."""
        process = self.start("-m", "gunicorn", "app:create_app()", crash=crash)
        self.web_process = process
        self.until_answered(process)
        return process

    def until_answered(self, process: Process) -> None:
        """That web server, which was just started, serves."""
        eventually(lambda: self._answers(process), what="the web server")

    def _answers(self, process: Process) -> bool:
        assert process.is_alive, process.says()
        try:
            return self.client.ask("GET", "/healthz", seconds=5).status == 200
        except OSError:
            return False

    def worker(self, *priorities: str, crash: Mapping[str, str] | None = None) -> Process:
        """A worker that listens."""
        process = self.start("worker.py", *priorities, crash=crash)
        eventually(lambda: self._listens(process), what="the worker")
        return process

    def _listens(self, process: Process) -> bool:
        assert process.is_alive, process.says()
        return process.pid in [worker.pid for worker in self.services.workers.alive()]

    def warm_worker(self, *priorities: str) -> tuple[Process, int]:
        """A worker that has read a file, and the process id of its parser child. It has to be the only one."""
        worker = self.worker(*priorities)
        self.client.until(self.client.upload(b"to warm up"), "completed")
        return worker, self.parser_of(worker)

    @staticmethod
    def parser_of(worker: Process, *, other_than: int = 0) -> int:
        """The process id of the worker's parser child, once there is one."""
        found = eventually(
            lambda: [child for child in children_of(worker.pid) if child != other_than], what="a parser child"
        )
        return found[0]

    def scheduler(self) -> Process:
        return self.start("scheduler.py")

    # -- what a test does to it

    def restart_server(self) -> None:
        self.server.stop()
        self.server.start()

    def kill_server(self) -> None:
        pid = self.server.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: self.server.poll() is not None, what="the end of Valkey")

    def age_files(self, seconds: float) -> None:
        """Everything in the store looks as if it had been written that long ago."""
        then = time.time() - seconds
        for path in (self.data_dir / "blobs").rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    os.utime(path, (then, then))

    def job(self, job_id: str) -> Job:
        job = self.services.jobs.get(job_id)
        assert job
        return job

    def history(self, job_id: str) -> list[Job]:
        """Every state the job has been in, from its log."""
        entries: Any = self.redis.xrange(f"ingest:log:{job_id}")
        return [self.services.jobs.load(fields[b"record"]) for _, fields in entries]

    def sweeps_on(self, milliseconds: int) -> None:
        """Comes back when the sweeps have gone on for that long: time that the system itself has noted."""

        def swept_at() -> int:
            noted: Any = self.redis.hget("ingest:sweep", "at")
            return int(noted or 0)

        first = eventually(swept_at, what="a sweep")
        eventually(lambda: swept_at() >= first + milliseconds, what="more sweeps")

    def waits_for(self, condition: Callable[[Job], object], job_id: str) -> Job:
        """The job's record once the condition holds for it."""
        eventually(lambda: condition(self.job(job_id)), what=f"a record of {job_id}")
        return self.job(job_id)

    # -- ending

    def stop(self) -> None:
        if self.server.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.server.pid, signal.SIGCONT)
        for process in self.processes:
            process.end()
        self.services.close()
        self.redis.close()
        self.server.stop()
        for process in self.processes:  # pytest shows it where the test failed
            print(f"---- {process.log.name} ended with {process.popen.returncode}\n{process.says()[-4000:]}")

    def __enter__(self) -> Deployment:
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()
