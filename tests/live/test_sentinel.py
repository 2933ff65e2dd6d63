"""Redis by Sentinel: the server in charge dies, another takes over, and the same clients go on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from app.adapters.redis_client import patient_client
from app.adapters.server_binaries import server_binaries
from app.adapters.tether import tethered
from app.domain.job import Priority
from app.errors import QueueUnavailable
from app.services import Services, connect
from app.settings import read_settings
from tests import jobs_in_states as jobs
from tests.processes import eventually, free_port

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

WORD = "a-word-of-tests"


@dataclass
class Group:
    """Two servers and one Sentinel that may decide alone."""

    folder: Path
    ports: list[int] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        first = self._server()
        self._server("--replicaof", f"127.0.0.1 {first}")
        eventually(self._replica_follows, what="the replica")
        config = self.folder / "sentinel.conf"
        config.write_text(  # a busy machine may stand still for a second: that is no reason to take over
            f"sentinel monitor main 127.0.0.1 {first} 1\n"
            f"sentinel auth-pass main {WORD}\n"
            "sentinel down-after-milliseconds main 5000\n"
            "sentinel failover-timeout main 5000\n"
        )
        port = self._run(str(config), "--sentinel")
        with redis.Redis(port=port) as sentinel:
            eventually(lambda: answers(sentinel) and self._knows_the_replica(sentinel), what="the Sentinel")
        self.url = f"redis+sentinel://:{WORD}@127.0.0.1:{port}/main/0"

    def _server(self, *more: str) -> int:
        secret = ["--requirepass", WORD, "--masterauth", WORD]
        port = self._run("--save", "", "--repl-diskless-sync-delay", "0", *secret, *more)
        with redis.Redis(port=port, password=WORD) as client:
            eventually(lambda: answers(client), what="a server")
        return port

    def _run(self, *arguments: str) -> int:
        port, folder = free_port(), self.folder / str(len(self.ports))
        folder.mkdir()
        binary = next(server_binaries())
        place = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--logfile", str(folder / "log")]
        self.processes.append(subprocess.Popen(tethered([binary, *arguments, *place]), stdin=subprocess.DEVNULL))
        self.ports.append(port)
        return port

    def _replica_follows(self) -> bool:
        with redis.Redis(port=self.ports[1], password=WORD) as replica:
            state: Any = replica.info("replication")
            return bool(state["master_link_status"] == "up")

    @staticmethod
    def _knows_the_replica(sentinel: redis.Redis) -> bool:
        known: Any = sentinel.sentinel_slaves("main")
        return [replica["is_disconnected"] for replica in known] == [False]

    def kill_the_first(self) -> None:
        self.processes[0].kill()
        self.processes[0].wait(30)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(30)


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    group = Group(tmp_path)
    try:
        group.start()
        yield group
    finally:
        group.stop()


def submitted(services: Services) -> bool:
    try:
        jobs.pending(services)
    except QueueUnavailable:
        return False
    return True


def test_a_failover_is_an_outage_and_no_end(group: Group, tmp_path: Path) -> None:
    """Guards that each client asks the Sentinels anew when it connects: RQ's, and those of requests and of workers."""
    settings = read_settings(env_file=None, data_dir=tmp_path / "data", redis_url=group.url, min_free_bytes=0)
    web, worker = connect(settings, role="web"), connect(settings, role="worker")
    rqs = patient_client(group.url, worker.name)
    try:
        assert submitted(web)
        assert worker.is_visible
        assert rqs.ping()
        before = run_id(rqs)
        web.redis.wait(1, 30_000)
        group.kill_the_first()
        eventually(lambda: submitted(web), what="another server in charge")
        assert run_id(rqs) != before
        claimed = worker.jobs.claim_next(Priority.MEDIUM, holder=worker.name, token="t", visible=True)
        assert claimed
    finally:
        for services in (web, worker):
            services.sweep_client.close()
            services.close()
        rqs.close()


def run_id(client: redis.Redis) -> str:
    info: Any = client.info("server")
    return str(info["run_id"])
