"""What the operator wants to see at a glance: the queue, its speed, its workers, and what it runs on.

One reading serves `/api/admin/queue` and `/metrics`; how it looks in JSON is the web's business.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.adapters.history import History, Period
from app.adapters.queue_numbers import Counts, Depth, Performance, QueueNumbers
from app.adapters.redis_client import PREFIX, translated
from app.adapters.redis_memory import RedisMemory, redis_memory
from app.adapters.worker_registry import WorkerInfo
from app.domain.job import Priority
from app.errors import StorageUnavailable
from app.services import Services


@dataclass(frozen=True)
class System:
    """Memory of this process, memory and rules of Redis, room of the blob store (bytes; None where it is not told)."""

    rss_bytes: int
    redis: RedisMemory
    storage_kind: str
    storage_free_bytes: int | None


@dataclass(frozen=True)
class BatchState:
    """The minute batch: when it last ended (ms), what it did, and whether one runs now."""

    last_run_at: int | None
    last_result: Mapping[str, Any] | None
    lock_held: bool


@dataclass(frozen=True)
class Statistics:
    now: int
    counts: Counts
    depths: Mapping[Priority, Depth]
    failures: Mapping[str, int]
    performance: Performance
    windows: Mapping[int, Period]
    workers: list[WorkerInfo]
    system: System
    batch: BatchState


def queue_statistics(services: Services) -> Statistics:
    """Raises QueueUnavailable when Redis does not answer."""
    now, numbers = services.jobs.now(), QueueNumbers(services.redis)
    return Statistics(
        now=now,
        counts=numbers.counts(),
        depths=numbers.depths(),
        failures=numbers.failures_by_code(),
        performance=numbers.performance(now),
        windows=History(services.redis).windows(now=now),
        workers=services.workers.alive(),
        system=_system(services),
        batch=_batch(services),
    )


def _system(services: Services) -> System:
    return System(
        rss_bytes=resident_bytes(),
        redis=redis_memory(services.redis),
        storage_kind=services.blobs.kind,
        storage_free_bytes=_free_bytes(services),
    )


def _free_bytes(services: Services) -> int | None:
    """A store that does not answer is no reason to show nothing of the queue."""
    try:
        return services.blobs.free_bytes()
    except StorageUnavailable:
        return None


def resident_bytes() -> int:
    """Memory of this process now; where the system does not tell that, the most it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def _batch(services: Services) -> BatchState:
    with translated():
        pipe = services.redis.pipeline(transaction=False)
        pipe.hmget(f"{PREFIX}batch", "lastRunAt", "lastResult")
        pipe.exists(f"{PREFIX}batch:lock")
        (last_run_at, last_result), held = pipe.execute()
    return BatchState(
        last_run_at=int(last_run_at) if last_run_at else None,
        last_result=json.loads(last_result) if last_result else None,
        lock_held=bool(held),
    )
