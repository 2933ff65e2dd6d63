"""The minute batch: under one lock, the sweep, then a few jobs in the workers' own order, then housekeeping.

With workers idle it finds nothing to process; with none alive it alone carries the service.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field

import structlog

from app.adapters.batch_lock import BatchLock
from app.adapters.batch_notes import BatchRun
from app.domain.job import PRIORITIES, Job
from app.errors import IngestError, RequestRefused
from app.ingestion.housekeeping import keep_house
from app.ingestion.process import process_next
from app.ingestion.rescue import Sweep
from app.services import Services

log = structlog.get_logger()


@dataclass
class BatchReport:
    """What one batch did; `remaining` jobs wait still."""

    processed: int = 0
    job_ids: list[str] = field(default_factory=list)
    rescued: int = 0
    expired: int = 0
    remaining: int = 0
    duration_ms: int = 0


def run_batch(services: Services, *, by: str = "schedule") -> BatchReport:
    """One batch now; `by` says who asked for it, `schedule` or `cron`. Raises RequestRefused `batch_running` with the holder's age, QueueUnavailable."""
    lock = services.batch_lock()
    if not services.batching.acquire(blocking=False):
        raise _running(services, lock)
    try:
        return _run(services, lock, by)
    finally:
        services.batching.release()


def _run(services: Services, lock: BatchLock, by: str) -> BatchReport:
    if not lock.acquire(now=services.jobs.now()):
        raise _running(services, lock)
    began = time.monotonic()
    report = BatchReport()
    try:
        with services.keeper.keeping(lock):
            report.rescued = Sweep(services).run().rescued
            _process(services, lock, report, last_start=began + services.settings.last_start_seconds)
            if not (lock.lost or services.stopper.is_set):
                report.expired = keep_house(services)
        report.remaining = services.line.length()
        report.duration_ms = _since(began)
        _note(services, report, "ok", by)
    except IngestError as error:
        report.duration_ms = _since(began)
        _note(services, report, error.code, by)
        raise
    finally:
        lock.release()
    return report


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _process(services: Services, lock: BatchLock, report: BatchReport, *, last_start: float) -> None:
    while report.processed < services.settings.batch_size:
        if lock.lost or services.stopper.is_set or time.monotonic() > last_start:
            return
        job = _next(services)
        if job is None:
            return
        report.processed += 1
        report.job_ids.append(job.id)


def _next(services: Services) -> Job | None:
    """Chosen anew each time: a job of higher priority that came meanwhile goes first."""
    for priority in PRIORITIES:
        job = process_next(services, priority, serves=PRIORITIES)
        if job is not None:
            services.queues.take_one(job.priority)
            return job
    return None


def _running(services: Services, lock: BatchLock) -> RequestRefused:
    since = lock.since()
    age = 0 if since is None else max(0, services.jobs.now() - since) // 1000
    return RequestRefused("batch_running", f"A batch has been running for {age} seconds.", retry_after=30)


def _note(services: Services, report: BatchReport, outcome: str, by: str) -> None:
    """What `batch` of the statistics shows."""
    numbers = {name: value for name, value in asdict(report).items() if name != "job_ids"}
    log.info("batch_ended", outcome=outcome, **numbers)
    services.batches.note(BatchRun(services.jobs.now(), outcome, by, numbers))
