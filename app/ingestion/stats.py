"""What the operator wants to see at a glance: the queue, its speed, its workers, and what it runs on.

One reading serves `/api/admin/queue` and `/metrics`; how it looks in JSON is the web's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.adapters.batch_notes import BatchState
from app.adapters.history import Period
from app.adapters.process_memory import resident_bytes
from app.adapters.queue_numbers import Counts, Depth, Performance, QueueNumbers
from app.adapters.redis_memory import RedisMemory, redis_memory
from app.adapters.worker_registry import WorkerInfo
from app.domain.job import Job, Priority
from app.errors import StorageUnavailable
from app.ingestion.system_warnings import SystemWarning, system_warnings
from app.services import Services


@dataclass(frozen=True)
class System:
    """Memory of this process, memory and rules of Redis, room of the blob store (bytes; None where it is not told)."""

    rss_bytes: int
    redis: RedisMemory
    storage_kind: str
    storage_free_bytes: int | None
    warnings: Sequence[SystemWarning] = ()


@dataclass(frozen=True)
class Statistics:
    """`in_hand` is the job that a worker holds, by the worker's name."""

    now: int
    counts: Counts
    depths: Mapping[Priority, Depth]
    failures: Mapping[str, int]
    performance: Performance
    windows: Mapping[int, Period]
    workers: list[WorkerInfo]
    in_hand: Mapping[str, Job]
    system: System
    batch: BatchState
    read_only: bool


def queue_statistics(services: Services) -> Statistics:
    """Raises QueueUnavailable when Redis does not answer."""
    now, numbers, workers = services.jobs.now(), QueueNumbers(services.redis), services.workers.alive()
    return Statistics(
        now=now,
        counts=numbers.counts(),
        depths=numbers.depths(),
        failures=numbers.failures_by_code(),
        performance=numbers.performance(now),
        windows=services.history.windows(now=now),
        workers=workers,
        in_hand=_in_hand(services, workers),
        system=_system(services),
        batch=services.batches.state(now),
        read_only=services.settings.admin_read_only,
    )


def _in_hand(services: Services, workers: Sequence[WorkerInfo]) -> dict[str, Job]:
    """A worker's own note of its job may be a moment older than the job's."""
    jobs = services.jobs.get_many([worker.job_id for worker in workers if worker.job_id])
    return {job.claim.holder: job for job in jobs if job and job.claim}


def _system(services: Services) -> System:
    memory, free = redis_memory(services.redis), _free_bytes(services)
    return System(
        rss_bytes=resident_bytes(),
        redis=memory,
        storage_kind=services.blobs.kind,
        storage_free_bytes=free,
        warnings=system_warnings(memory, free_bytes=free, min_free_bytes=services.settings.min_free_bytes),
    )


def _free_bytes(services: Services) -> int | None:
    """A store that does not answer is no reason to show nothing of the queue."""
    try:
        return services.blobs.free_bytes()
    except StorageUnavailable:
        return None
