"""Redis connections: one maker for all of them, with the timeouts that each kind of caller can bear."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from app.adapters.meter import Meter
from app.adapters.redis_url import client_of
from app.adapters.timed_redis import TimedRedis
from app.errors import QueueUnavailable

#: All keys of ours begin with it; RQ's begin with `rq:`.
PREFIX = "ingest:"


def process_name(role: str) -> str:
    """A name that is new at each start: `worker.<host>.<pid>.<random>`; it stands on all connections and in claims."""
    host = "".join(c if c.isalnum() or c == "-" else "-" for c in socket.gethostname())[:40]
    return f"{role}.{host}.{os.getpid()}.{secrets.token_hex(4)}"


def quick_client(url: str, name: str, *, single: bool = False, meter: Meter | None = None) -> redis.Redis:
    """For requests and for the lease thread: gives up within seconds (0.3 s when down, 4 s when frozen).

    `single`: one connection behind a lock instead of a pool, which polls its connection before each command. For a
    process whose two threads seldom speak at once that is a tenth of a short job's time. `meter` times the round trips.
    """
    client = client_of(
        TimedRedis,
        url,
        single=single,
        client_name=name,
        socket_timeout=2,
        socket_connect_timeout=1,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.1), 1),
        health_check_interval=0,
    )
    client.meter = meter
    return client


def once_client(url: str, name: str) -> redis.Redis:
    """For the sweep: no command is ever sent twice behind its back."""
    retry = Retry(ExponentialBackoff(), 0)
    return client_of(redis.Redis, url, client_name=name, socket_timeout=2, socket_connect_timeout=1, retry=retry)


class _UntilStopped(ExponentialBackoff):
    """Longer each time, and over when the process is told to stop: it must not outlive that by a minute."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        super().__init__(cap=2, base=0.05)
        self._stopped = stopped

    def compute(self, failures: int) -> float:
        if self._stopped():
            raise redis.ConnectionError
        return super().compute(failures)


def patient_client(url: str, name: str, *, stopped: Callable[[], bool] = lambda: False) -> redis.Redis:
    """For RQ's own loop: survives a restart of Redis in the middle of a job (some 80 s of trying, less once stopped)."""
    return client_of(
        redis.Redis,
        url,
        single=True,
        client_name=name,
        socket_connect_timeout=2,
        retry=Retry(_UntilStopped(stopped), 40),
    )


@contextmanager
def translated() -> Iterator[None]:
    """Whatever Redis answers instead of the answer is `queue_unavailable` to everybody above."""
    try:
        yield
    except redis.RedisError as error:
        raise QueueUnavailable("queue_unavailable", retry_after=5) from error


class Script:
    """A Lua script of ours, run by its digest, and sent whole where the server does not know it yet."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        folder = Path(__file__).parent / "lua"
        self._source = (folder / "common.lua").read_text() + (folder / f"{name}.lua").read_text()
        self._digest = hashlib.sha1(self._source.encode(), usedforsecurity=False).hexdigest()
        self._client: Any = client

    def __call__(self, *args: str | int | float | bytes) -> Any:
        with translated():
            try:
                return self._client.evalsha(self._digest, 0, PREFIX, *args)
            except redis.exceptions.NoScriptError:
                return self._client.eval(self._source, 0, PREFIX, *args)


def sees(client: redis.Redis, name: str) -> bool:
    """Does this Redis tell the client of that name among its clients? Raises QueueUnavailable."""
    with translated():
        try:
            return any(one.get("name") == name for one in client.client_list())
        except redis.ResponseError:  # it does not tell us who its clients are
            return False
