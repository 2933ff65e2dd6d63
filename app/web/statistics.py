"""The statistics as the document of `GET /api/admin/queue`: camelCase, ISO times, seconds. Pure."""

from __future__ import annotations

from typing import Any

from app.adapters.batch_notes import BatchRun, BatchState
from app.adapters.history import Period, Quantiles
from app.adapters.queue_numbers import Counts, Depth, Performance
from app.adapters.worker_registry import WorkerInfo
from app.domain.job import Job
from app.ingestion.stats import Statistics, System
from app.web.documents import iso


def statistics_document(statistics: Statistics) -> dict[str, Any]:
    depths = statistics.depths.items()
    return {
        "success": True,
        "queue": _queue(statistics.counts),
        "priorities": {priority.value: _depth(depth, statistics.now) for priority, depth in depths},
        "failures": [{"code": code, "count": count} for code, count in statistics.failures.items()],
        "system": _system(statistics.system),
        "performance": {
            **_performance(statistics.performance),
            "windows": {f"{hours}h": _window(period) for hours, period in statistics.windows.items()},
        },
        "workers": [_worker(worker, statistics.in_hand.get(worker.name)) for worker in statistics.workers],
        "batch": _batch(statistics.batch),
        "readOnly": statistics.read_only,
    }


def _queue(counts: Counts) -> dict[str, Any]:
    return {
        "totalJobs": counts.total,
        "completedJobs": counts.completed,
        "failedJobs": counts.failed,
        "pendingJobs": counts.pending,
        "lastProcessedAt": iso(counts.last_processed_at),
        "processingJobs": counts.processing,
        "retryingJobs": counts.retrying,
        "cancelledJobs": counts.cancelled,
    }


def _depth(depth: Depth, now: int) -> dict[str, Any]:
    waits = None if depth.oldest_since is None else max(0, now - depth.oldest_since) / 1000
    return {"depth": depth.waiting, "oldestWaitSeconds": waits, "paused": depth.paused}


def _system(system: System) -> dict[str, Any]:
    redis = system.redis
    return {
        "memory": {"rssBytes": system.rss_bytes},
        "redis": {
            "usedBytes": redis.used_bytes,
            "maxBytes": redis.max_bytes,
            "evictionPolicy": redis.eviction_policy,
        },
        "storage": {"kind": system.storage_kind, "freeBytes": system.storage_free_bytes},
        "warnings": [vars(warning) for warning in system.warnings],
    }


def _performance(performance: Performance) -> dict[str, Any]:
    return {
        "jobsPerMinute": performance.jobs_per_minute,
        "errorRate": performance.error_rate,
        "runSeconds": _seconds(performance.run_seconds),
        "waitSeconds": _seconds(performance.wait_seconds),
    }


def _window(period: Period) -> dict[str, Any]:
    return {
        "completed": period.completed,
        "failed": period.failed,
        "cancelled": period.cancelled,
        "errorRate": period.error_rate,
        "runSeconds": _seconds(period.run_seconds),
        "waitSeconds": _seconds(period.wait_seconds),
    }


def history_document(points: list[Period], *, hours: int, step_seconds: int) -> dict[str, Any]:
    """The document of `GET /api/admin/history`."""
    return {
        "success": True,
        "hours": hours,
        "stepSeconds": step_seconds,
        "points": [_point(period) for period in points],
    }


def _point(period: Period) -> dict[str, Any]:
    return {
        "at": iso(period.at),
        "completed": period.completed,
        "failed": period.failed,
        "cancelled": period.cancelled,
        "lost": period.lost,
        "runSeconds": _seconds(period.run_seconds),
        "waitSeconds": _seconds(period.wait_seconds),
    }


def _seconds(quantiles: Quantiles) -> dict[str, float | None]:
    return {"p50": quantiles.p50, "p95": quantiles.p95}


def _worker(worker: WorkerInfo, job: Job | None) -> dict[str, Any]:
    return {
        "name": worker.name,
        "host": worker.host,
        "pid": worker.pid,
        "state": worker.state,
        "priorities": [priority.value for priority in worker.priorities],
        "jobId": worker.job_id,
        "startedAt": iso(worker.started_at),
        "lastSeenAt": iso(worker.last_seen_at),
        "version": worker.version,
        "memoryBytes": worker.memory_bytes,
        "job": _job_in_hand(job) if job else None,
    }


def _job_in_hand(job: Job) -> dict[str, Any]:
    return {"jobId": job.id, "name": job.file.name, "since": iso(job.claim.since if job.claim else None)}


def _batch(batch: BatchState) -> dict[str, Any]:
    result = batch.last_result
    return {
        "lastRunAt": iso(batch.last_run_at),
        "lastResult": None if result is None else {_camel(name): value for name, value in result.items()},
        "lockHeld": batch.lock_held,
        "runs": [_batch_run(run) for run in batch.runs],
        "nextRunAt": iso(batch.next_run_at),
        "schedule": None if batch.next_run_at is None else "every minute",
    }


def _batch_run(run: BatchRun) -> dict[str, Any]:
    numbers = {_camel(name): run.numbers.get(name, 0) for name in ("processed", "rescued", "expired", "duration_ms")}
    return {"at": iso(run.at), "outcome": run.outcome, **numbers, "by": run.by}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
