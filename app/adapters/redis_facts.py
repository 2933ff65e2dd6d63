"""What a Redis tells about itself, for the doctor: everything is read, nothing is changed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import redis

from app.adapters.redis_client import sees, translated
from app.adapters.redis_memory import RedisMemory, redis_memory


@dataclass(frozen=True)
class RedisFacts:
    """`seconds` a round trip took; `ahead` by how many seconds its clock is before ours; None where it does not tell."""

    kind: str
    version: str
    seconds: float
    ahead: float
    memory: RedisMemory
    keeps_log: bool | None
    log_written: bool
    is_replica: bool
    is_cluster: bool
    shows_clients: bool
    runs_scripts: bool

    @property
    def version_numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split(".")[:2] if part.isdigit())


def redis_facts(client: redis.Redis, name: str) -> RedisFacts:
    """`name` is the client's own. Raises QueueUnavailable where it does not answer."""
    with translated():
        client.ping()
        began, here = time.perf_counter(), time.time()
        seconds, micros = client.time()
        took = time.perf_counter() - began
        told = _info(client)
    return RedisFacts(
        kind="Valkey" if "valkey_version" in told else "Redis",
        version=str(told.get("valkey_version") or told.get("redis_version") or ""),
        seconds=took,
        ahead=seconds + micros / 1e6 - (here + took / 2),
        memory=redis_memory(client),
        keeps_log=bool(told["aof_enabled"]) if "aof_enabled" in told else None,
        log_written=told.get("aof_last_write_status", "ok") == "ok",
        is_replica=told.get("role") == "slave",
        is_cluster=bool(told.get("cluster_enabled")),
        shows_clients=sees(client, name),
        runs_scripts=_runs_scripts(client),
    )


def _info(client: redis.Redis) -> dict[str, Any]:
    try:
        told: Any = client.info()
    except redis.ResponseError:
        return {}
    return dict(told)


def _runs_scripts(client: redis.Redis) -> bool:
    with translated():
        try:
            return bool(client.eval("return 1", 0) == 1)
        except redis.ResponseError:
            return False
