"""One installation of its own for each figure: a folder, an embedded Valkey, and whatever processes the figure needs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.adapters.embedded import EmbeddedServer
from app.adapters.tether import tethered
from app.domain.job import Job, Priority
from app.ingestion.submit import Intake
from app.services import Services, connect
from app.settings import ROOT, Settings, read_settings
from bench.http import Connection
from bench.processes import children_of

STOP_SECONDS = 15.0
#: One that is told to end is waited for that long where the figure goes on after it.
PATIENCE_SECONDS = 60.0


class GaveUp(Exception):
    """Something did not happen in time; the figure cannot be taken."""


def until(holds: Callable[[], bool], what: str, *, seconds: float = 60, every: float = 0.005) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise GaveUp(f"waited {seconds:g} s for {what}")
        time.sleep(every)


class Installation:
    """Its processes see no settings but those given here; everything is stopped and removed at the end."""

    def __init__(self, where: Path | None = None, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=where))
        self._given = settings
        self._running: list[subprocess.Popen[bytes]] = []
        self.port = free_port()
        self.data_dir = self.folder / "data"
        self._server = EmbeddedServer(self.data_dir)
        try:
            self.url = self._server.start()
            s3 = {name.lower(): value for name, value in settings.items() if name.startswith("S3_")}
            own = read_settings(env_file=None, data_dir=self.data_dir, redis_url=self.url, **s3)
            self.services: Services = connect(own, role="bench")
            self.services.binding()
        except BaseException:
            self.stop()
            raise

    # ---- processes ------------------------------------------------------------------------------------------

    @property
    def server_pid(self) -> int:
        assert self._server.pid
        return self._server.pid

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        bare = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        ours = {"DATA_DIR": str(self.data_dir), "REDIS_URL": self.url, "PORT": str(self.port), "TZ": "UTC"}
        with (self.folder / f"{len(self._running)}.log").open("wb") as log:
            process = subprocess.Popen(
                tethered([sys.executable, *arguments]),
                cwd=ROOT,
                env={**bare, **ours, **self._given, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._running.append(process)
        return process

    def web(self, app: str = "app:create_app()", port: int | None = None) -> int:
        """A web server that answers; gives its process id."""
        port = port or self.port
        process = self.start("-m", "gunicorn", app, PORT=str(port))
        until(lambda: _answers(process, port), "the web server", every=0.05)
        return process.pid

    @staticmethod
    def serving(web: int) -> int:
        """The process id of the one that serves."""
        return children_of(web)[0]

    def worker(self, **settings: str) -> int:
        """A worker that listens and has read a file, so that its child is warm; gives its process id."""
        process = self.start("worker.py", **settings)
        until(lambda: self._listens(process), "a worker", every=0.05)
        return process.pid

    def _listens(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            raise GaveUp("a worker ended at its start")
        return process.pid in [worker.pid for worker in self.services.workers.alive()]

    def end(self, pid: int, how: signal.Signals = signal.SIGTERM) -> None:
        """One of the processes, seen to its end; its children end with it."""
        os.kill(pid, how)
        for process in self._running:
            if process.pid == pid:
                process.wait(PATIENCE_SECONDS)

    def says(self) -> str:
        """The last words of each process, for when something went wrong."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"-- {log.name}: {log.read_text(errors='replace')[-1000:]}" for log in logs)

    # ---- jobs -----------------------------------------------------------------------------------------------

    def submit(self, data: bytes, media_type: str, *, name: str = "file", priority: Priority = Priority.MEDIUM) -> str:
        """A job as the web process would accept it, without HTTP."""
        intake = Intake(self.services)
        with intake.open(len(data)) as writer:
            writer.write(data)
            job = intake.accept(filename=name, media_type=media_type, priority=priority, user_id=None, writer=writer)
        return job.id

    def ended(self) -> int:
        pipe = self.services.redis.pipeline(transaction=False)
        pipe.zcard("ingest:ended:completed")
        pipe.zcard("ingest:ended:failed")
        return sum(pipe.execute())

    def last_end(self) -> float:
        """When the last job ended, in seconds since the epoch."""
        redis: Any = self.services.redis
        ends = [
            found[0][1] / 1000
            for place in ("completed", "failed")
            if (found := redis.zrange(f"ingest:ended:{place}", -1, -1, withscores=True))
        ]
        return float(max(ends))

    def job(self, job_id: str) -> Job:
        job = self.services.jobs.get(job_id)
        if job is None:
            raise GaveUp(f"{job_id} is not there")
        return job

    def wait_ended(self, jobs: int, *, seconds: float = 300) -> None:
        until(lambda: self.ended() >= jobs, f"the end of {jobs} jobs", seconds=seconds, every=0.05)

    # ---- ending ---------------------------------------------------------------------------------------------

    def stop(self) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGCONT)
            process.terminate()
        for process in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_SECONDS)
        if hasattr(self, "services"):
            self.services.close()
        self._server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Installation:
        return self

    def __exit__(self, *failure: object) -> None:
        if failure[0] is not None:
            sys.stderr.write(self.says() + "\n")
        self.stop()


class Frozen:
    """Workers that stand still while jobs are put in, and then all begin in the same moment."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids

    def __enter__(self) -> Frozen:
        for pid in self._pids:
            os.kill(pid, signal.SIGSTOP)
        return self

    def go(self) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGCONT)

    def __exit__(self, *failure: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.go()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
        return number


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    if process.poll() is not None:
        raise GaveUp("the web server ended at its start")
    try:
        with Connection(port, seconds=5) as connection:
            return connection.get("/healthz")[0] == 200
    except OSError:
        return False
