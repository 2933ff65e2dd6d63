"""Machines that share nothing but one Valkey and one MinIO: each has a folder and an environment of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import redis
import trustme
from typing_extensions import Self

from app.adapters.server_binaries import server_binaries
from app.adapters.tether import tethered
from app.domain.job import Job
from app.services import Services, connect
from app.settings import read_settings
from tests.processes import SECRETS, Client, Process, children_of, eventually, free_port
from tests.s3_servers import running_minio

WORD = "a-word-of-tests-0815"


# ---- what they share ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def running_valkey(folder: Path) -> Iterator[int]:
    """By TCP, with a password; its port."""
    folder.mkdir()
    options = ["--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--requirepass", WORD]
    for _ in range(5):  # a port that was free may not be so any more
        port = free_port()
        place = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--logfile", str(folder / "log")]
        command = tethered([next(server_binaries()), *place, *options])
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            try:
                eventually(lambda: process.poll() is not None or _answers(port), what="Valkey")  # noqa: B023
                if process.poll() is None:
                    yield port
                    return
            finally:
                process.kill()
    raise AssertionError("Valkey does not start")


def _answers(port: int) -> bool:
    try:
        with redis.Redis(port=port, password=WORD) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


class TlsFront:
    """TLS in front of a server that speaks none (the Valkey for tests is built without)."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._target, self._context = port, context
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> int:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(60)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()
        target.close()

    def __exit__(self, *failure: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True)
class Certificates:
    """One authority, and what it says of this machine; `folder` is laid out as MinIO wants it."""

    folder: Path
    context: ssl.SSLContext

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    @classmethod
    def made_in(cls, folder: Path) -> Certificates:
        folder.mkdir()
        authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = authority.issue_cert("127.0.0.1")
        certificate.configure_cert(context)
        authority.cert_pem.write_to_path(folder / "ca.pem")
        certificate.private_key_pem.write_to_path(folder / "private.key")
        for part in certificate.cert_chain_pems:
            part.write_to_path(folder / "public.crt", append=True)
        return cls(folder, context)


@contextlib.contextmanager
def shared(folder: Path, *, tls: bool) -> Iterator[dict[str, str]]:
    """The settings that lead to the two neighbours that all machines share."""
    with ExitStack() as stack:
        port = stack.enter_context(running_valkey(folder / "valkey"))
        certificates = Certificates.made_in(folder / "certificates") if tls else None
        minio = stack.enter_context(
            running_minio(folder / "disk", certificates=certificates.folder if certificates else None)
        )
        names = minio.environment("spread")
        if certificates is None:
            yield {**names, "REDIS_URL": f"redis://:{WORD}@127.0.0.1:{port}/0"}
            return
        front = stack.enter_context(TlsFront(port, certificates.context))
        yield {
            **names,
            "REDIS_URL": f"rediss://:{WORD}@127.0.0.1:{front}/0",
            "REDIS_CA_FILE": str(certificates.authority),
        }


# ---- the machines ---------------------------------------------------------------------------------------------------


@dataclass
class Machine:
    """A folder, an environment, and what runs there."""

    folder: Path
    shared: Mapping[str, str]
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.client = Client(free_port())

    def start(self, *arguments: str) -> Process:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "DATA_DIR": str(self.folder / "data"),
            "PORT": str(self.client.port),
            "JOB_TIMEOUT": "120",
            "MIN_FREE_BYTES": "0",
            "WEB_THREADS": "64",
            **SECRETS,
            **self.shared,
        }
        process = Process(list(arguments), env=environment, log=self.folder / f"{len(self.processes)}.log")
        self.processes.append(process)
        return process

    def web(self) -> Process:
        """As the README starts it."""
        return self.start("-m", "gunicorn", "app:create_app()")

    def is_ready(self, process: Process) -> bool:
        assert process.is_alive, process.says()
        try:
            return self.client.ask("GET", "/readyz").status == 200
        except OSError:
            return False

    def stop(self) -> None:
        for process in self.processes:
            process.end()
        for process in self.processes:  # pytest shows it where the test failed
            print(f"---- {process.log} ended with {process.popen.returncode}\n{process.says()[-3000:]}")


class Spread:
    """Two machines with a web server and three with a worker; the scheduler stands beside the first one's web."""

    def __init__(self, folder: Path, names: Mapping[str, str]) -> None:
        self._folder, self._names = folder, names
        self._machines = 0
        self._all: list[Machine] = []
        given = {name.lower(): value for name, value in names.items()}
        self.services: Services = connect(
            read_settings(env_file=None, data_dir=folder / "watcher", min_free_bytes=0, **given), role="test"
        )
        self.one, self.other = self.machine(), self.machine()
        self.one.start("scheduler.py")
        self.first_web, self.second_web = self.one.web(), self.other.web()
        self.workers = [self.worker(), self.worker()]
        self.urgent = self.worker("urgent")

    def mend(self) -> None:
        """Whatever a test did to it: all of it is there, and nothing stands still."""
        for worker in (*self.workers, self.urgent):
            for pid in (worker.pid, *children_of(worker.pid)) if worker.is_alive else ():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        self.workers = [worker if worker.is_alive else self.worker() for worker in self.workers]
        self.urgent = self.urgent if self.urgent.is_alive else self.worker("urgent")
        self.first_web = self.first_web if self.first_web.is_alive else self.one.web()
        self.second_web = self.second_web if self.second_web.is_alive else self.other.web()
        self.wait()

    def wait(self) -> None:
        """Comes back when all of it is up."""
        for machine, web in ((self.one, self.first_web), (self.other, self.second_web)):
            eventually(lambda: machine.is_ready(web), what="a web server that is ready")  # noqa: B023
        for worker in (*self.workers, self.urgent):
            eventually(lambda: self._listens(worker), what="a worker")  # noqa: B023

    def machine(self) -> Machine:
        self._machines += 1
        made = Machine(self._folder / f"machine-{self._machines}", self._names)
        self._all.append(made)
        return made

    def worker(self, *priorities: str) -> Process:
        """On a machine of its own."""
        return self.machine().start("worker.py", *priorities)

    def _listens(self, process: Process) -> bool:
        assert process.is_alive, process.says()
        return process.pid in [worker.pid for worker in self.services.workers.alive()]

    def parsers(self) -> dict[int, int]:
        """Each worker for all priorities by its process id, with its parser child; there is one once a file was read."""

        def look() -> dict[int, int]:
            found = {worker.pid: children_of(worker.pid) for worker in self.workers}
            if all(found.values()):
                return {pid: children[0] for pid, children in found.items()}
            self.one.client.upload(b"to warm up")
            return {}

        found = eventually(look, what="a parser child of each worker")
        eventually(lambda: not self._unfinished(), what="the end of all jobs")
        return found

    def _unfinished(self) -> int:
        counts: list[int] = [
            self.services.redis.zcard(f"ingest:{place}") for place in ("pending", "leases", "retrying")
        ]
        return sum(counts)

    def job(self, job_id: str) -> Job:
        job = self.services.jobs.get(job_id)
        assert job
        return job

    def stop(self) -> None:
        self.services.sweep_client.close()
        self.services.close()
        for machine in self._all:
            machine.stop()

    def __enter__(self) -> Self:
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()
