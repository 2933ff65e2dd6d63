"""Which workers are alive: one hash of 30 seconds' life for each, which it renews, and one sorted set of their names.

The claim script keeps `jobId` and `token` in the same hash; they are left alone here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

from app.adapters.redis_client import PREFIX, translated
from app.domain.job import PRIORITIES, Priority

ALIVE_SECONDS = 30


@dataclass(frozen=True)
class WorkerInfo:
    """A worker as the operator sees it; times are milliseconds since the epoch."""

    name: str
    host: str
    pid: int
    state: str
    priorities: tuple[Priority, ...]
    started_at: int
    last_seen_at: int
    version: str
    memory_bytes: int | None = None
    job_id: str | None = None


class WorkerRegistry:
    """All methods raise QueueUnavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def beat(self, worker: WorkerInfo) -> None:
        """It is alive, at its `last_seen_at`; one round trip. Its `job_id` is not written."""
        name, now = worker.name, worker.last_seen_at
        fields: dict[str, str | int] = {
            "name": name,
            "host": worker.host,
            "pid": worker.pid,
            "state": worker.state,
            "priorities": ",".join(worker.priorities),
            "startedAt": worker.started_at,
            "lastSeenAt": now,
            "version": worker.version,
            "memoryBytes": worker.memory_bytes or 0,
        }
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            pipe.hset(_hash(name), mapping=fields)  # type: ignore[arg-type]
            pipe.expire(_hash(name), ALIVE_SECONDS)
            pipe.zadd(_NAMES, {name: now})
            pipe.zremrangebyscore(_NAMES, "-inf", now - 10 * ALIVE_SECONDS * 1000)
            pipe.execute()

    def forget(self, name: str) -> None:
        """The worker has ended."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            pipe.delete(_hash(name))
            pipe.zrem(_NAMES, name)
            pipe.execute()

    def alive(self) -> list[WorkerInfo]:
        """By name; a worker whose hash has run out is dead, whatever the list of names says."""
        with translated():
            names: Any = self._redis.zrange(_NAMES, 0, -1)
            if not names:
                return []
            pipe = self._redis.pipeline(transaction=False)
            for name in sorted(names):
                pipe.hgetall(_hash(name.decode()))
            return [_info(fields) for fields in pipe.execute() if b"lastSeenAt" in fields]

    def serving(self, priority: Priority) -> int:
        """How many workers alive take jobs of that priority."""
        return sum(priority in worker.priorities for worker in self.alive())


_NAMES = f"{PREFIX}workers"


def _hash(name: str) -> str:
    return f"{PREFIX}workers:{name}"


def _info(fields: dict[bytes, bytes]) -> WorkerInfo:
    text = {key.decode(): value.decode("utf-8", "replace") for key, value in fields.items()}
    named = text.get("priorities", "").split(",")
    return WorkerInfo(
        name=text.get("name", ""),
        host=text.get("host", ""),
        pid=int(text.get("pid", 0)),
        state=text.get("state", ""),
        priorities=tuple(priority for priority in PRIORITIES if priority.value in named),
        job_id=text.get("jobId") or None,
        started_at=int(text.get("startedAt", 0)),
        last_seen_at=int(text["lastSeenAt"]),
        version=text.get("version", ""),
        memory_bytes=int(text.get("memoryBytes", 0)) or None,
    )
