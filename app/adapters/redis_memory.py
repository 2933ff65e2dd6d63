"""How much memory Redis has and uses, and what it does when there is none left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

from app.adapters.redis_client import translated


@dataclass(frozen=True)
class RedisMemory:
    """Bytes; `max_bytes` is 0 where there is no limit. None where the server does not tell."""

    used_bytes: int | None = None
    max_bytes: int | None = None
    eviction_policy: str | None = None


def redis_memory(client: redis.Redis) -> RedisMemory:
    """Raises QueueUnavailable when Redis does not answer; one that forbids the question is no failure."""
    with translated():
        try:
            told: Any = client.info("memory")
        except redis.ResponseError:
            return RedisMemory()
    return RedisMemory(
        used_bytes=_whole(told.get("used_memory")),
        max_bytes=_whole(told.get("maxmemory")),
        eviction_policy=told.get("maxmemory_policy"),
    )


def _whole(value: object) -> int | None:
    return None if value is None else int(float(str(value)))
