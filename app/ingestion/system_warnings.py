"""What the operator should do something about before it hurts: a Redis that may forget, memory or disk that runs short."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.adapters.redis_memory import RedisMemory

#: Redis is short of memory above that share of its limit.
FULL_SHARE = 0.85
#: The disk is short of room below that many times MIN_FREE_BYTES.
LOW_TIMES = 2
_MIB = 1024 * 1024


@dataclass(frozen=True)
class SystemWarning:
    code: str
    message: str
    suggestion: str


def system_warnings(redis: RedisMemory, *, free_bytes: int | None, min_free_bytes: int) -> list[SystemWarning]:
    """Nothing is warned of where a neighbour does not tell."""
    return [*_of_redis(redis), *_of_storage(free_bytes, min_free_bytes)]


def _of_redis(redis: RedisMemory) -> Iterator[SystemWarning]:
    if redis.eviction_policy not in (None, "noeviction"):
        yield SystemWarning(
            "eviction_policy",
            "Redis may throw jobs away when its memory is full.",
            "Set maxmemory-policy to noeviction in the configuration of Redis.",
        )
    if redis.max_bytes and redis.used_bytes is not None and redis.used_bytes > FULL_SHARE * redis.max_bytes:
        yield SystemWarning(
            "redis_memory_low",
            f"Redis uses {100 * redis.used_bytes // redis.max_bytes} % of the memory it may use; "
            "when it is full nothing is accepted any more.",
            "Raise maxmemory, remove old jobs with a cleanup, or set RETENTION_DAYS lower.",
        )


def _of_storage(free_bytes: int | None, min_free_bytes: int) -> Iterator[SystemWarning]:
    if free_bytes is None or free_bytes >= LOW_TIMES * min_free_bytes:
        return
    refused = free_bytes < min_free_bytes
    yield SystemWarning(
        "storage_low",
        f"{free_bytes // _MIB} MiB are free where the files are kept; uploads are refused "
        + ("below" if not refused else "now, as that is below")
        + f" {min_free_bytes // _MIB} MiB.",
        "Make room on that disk, remove old jobs with a cleanup, or set RETENTION_DAYS lower.",
    )
