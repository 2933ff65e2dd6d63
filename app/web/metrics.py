"""Prometheus metrics, read from Redis at the moment of the scrape: nothing is counted in this process, so it does not
matter which of several web processes is asked."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Flask, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app.ingestion.stats import Statistics, queue_statistics
from app.web.auth import admin_required
from app.web.context import services

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@admin_required
def metrics() -> ResponseReturnValue:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reading(queue_statistics(services())))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Reading:
    """One reading of the statistics in the shape that prometheus-client collects."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        yield from _jobs(self._statistics)
        yield from _priorities(self._statistics)
        yield from _speed(self._statistics)
        yield from _batch(self._statistics)
        yield from _system(self._statistics)


def _jobs(statistics: Statistics) -> Iterator[Metric]:
    counts = statistics.counts
    jobs = GaugeMetricFamily("ingest_jobs", "Job records kept, by status.", labels=["status"])
    for status in ("pending", "processing", "retrying", "completed", "failed"):
        jobs.add_metric([status], getattr(counts, status))
    yield jobs
    failed = GaugeMetricFamily("ingest_failed_jobs", "Failed jobs kept, by code.", labels=["code"])
    for code, number in sorted(statistics.failures.items()):
        failed.add_metric([code], number)
    yield failed


def _priorities(statistics: Statistics) -> Iterator[Metric]:
    depth = GaugeMetricFamily("ingest_queue_depth", "Jobs that wait.", labels=["priority"])
    oldest = GaugeMetricFamily(
        "ingest_queue_oldest_wait_seconds", "How long the front has waited.", labels=["priority"]
    )
    paused = GaugeMetricFamily("ingest_queue_paused", "1 while the priority is paused.", labels=["priority"])
    workers = GaugeMetricFamily("ingest_workers", "Workers alive that serve it.", labels=["priority"])
    for priority, state in statistics.depths.items():
        waited = 0 if state.oldest_since is None else max(0, statistics.now - state.oldest_since) / 1000
        depth.add_metric([priority.value], state.waiting)
        oldest.add_metric([priority.value], waited)
        paused.add_metric([priority.value], state.paused)
        workers.add_metric([priority.value], sum(priority in worker.priorities for worker in statistics.workers))
    yield from (depth, oldest, paused, workers)


def _speed(statistics: Statistics) -> Iterator[Metric]:
    performance = statistics.performance
    timed = (
        ("run", "Run time", performance.run_seconds),
        ("wait", "Time before the first attempt", performance.wait_seconds),
    )
    for name, what, quantiles in timed:
        family = GaugeMetricFamily(f"ingest_{name}_seconds", f"{what} of the last 500 jobs.", labels=["quantile"])
        for label, value in (("0.5", quantiles.p50), ("0.95", quantiles.p95)):
            if value is not None:
                family.add_metric([label], value)
        yield family
    yield GaugeMetricFamily(
        "ingest_jobs_per_minute", "Jobs ended in the last minute.", value=performance.jobs_per_minute
    )
    yield GaugeMetricFamily("ingest_error_rate", "Share of failed jobs in the last hour.", value=performance.error_rate)


def _batch(statistics: Statistics) -> Iterator[Metric]:
    """The age of the last batch tells whether the scheduler, or whoever calls the cron address, is alive."""
    batch = statistics.batch
    if batch.last_run_at is not None:
        age = max(0, statistics.now - batch.last_run_at) / 1000
        yield GaugeMetricFamily("ingest_batch_age_seconds", "Since the last batch ended.", value=age)
    yield GaugeMetricFamily("ingest_batch_running", "1 while a batch runs.", value=batch.lock_held)


def _system(statistics: Statistics) -> Iterator[Metric]:
    """What is not told is left out."""
    system = statistics.system
    told = (
        ("ingest_web_memory_bytes", "Memory of the web process that answered.", system.rss_bytes),
        ("ingest_redis_memory_bytes", "Memory that Redis uses.", system.redis.used_bytes),
        ("ingest_redis_memory_limit_bytes", "Memory that Redis may use; 0 without limit.", system.redis.max_bytes),
        ("ingest_storage_free_bytes", "Room left where files are kept.", system.storage_free_bytes),
    )
    for name, what, value in told:
        if value is not None:
            yield GaugeMetricFamily(name, what, value=value)


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
