"""The families of `/metrics`: names, units and labels as Prometheus expects them. Pure; docs/metrics.md tells them all.

Every family is there from the first scrape on, so that a rule over it never finds nothing because nothing happened yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from app.adapters.buckets import CALL_BOUNDS, JOB_BOUNDS, histogram
from app.adapters.timed_blobs import OPERATIONS
from app.domain.job import PRIORITIES
from app.ingestion.stats import Statistics

HELD_KINDS = ("stream", "long_poll", "synchronous", "batch", "archive")
WORKER_STATES = ("idle", "busy")
REDIS_CALLS = ("command", "script", "pipeline")


@dataclass(frozen=True)
class Seen:
    """What one scrape shows: the queue, the totals that grow in Redis, and what this web process knows of itself."""

    statistics: Statistics
    totals: Mapping[str, int]
    calls: Mapping[str, int]
    held: Mapping[str, int]
    held_limit: int
    uploads: int
    uploads_limit: int


def families(seen: Seen) -> Iterator[Metric]:
    yield from _jobs(seen)
    yield from _attempts(seen.totals)
    yield from _queues(seen.statistics)
    yield from _workers(seen.statistics)
    yield from _batch(seen)
    yield from _neighbours(seen)
    yield from _web(seen)


# ---- jobs ----------------------------------------------------------------------------------------------------


def _jobs(seen: Seen) -> Iterator[Metric]:
    counts = seen.statistics.counts
    kept = GaugeMetricFamily("ingest_jobs", "Job records kept, by status.", labels=["status"])
    for status in ("pending", "processing", "retrying", "completed", "failed"):
        kept.add_metric([status], getattr(counts, status))
    yield kept
    failed = GaugeMetricFamily("ingest_failed_jobs", "Failed jobs kept, by code.", labels=["code"])
    for code, number in sorted(seen.statistics.failures.items()):
        failed.add_metric([code], number)
    yield failed
    accepted = CounterMetricFamily("ingest_jobs_accepted", "Jobs accepted or restored.", labels=["priority"])
    for priority in PRIORITIES:
        accepted.add_metric([priority.value], seen.totals.get(f"accepted:{priority.value}", 0))
    yield accepted
    ended = CounterMetricFamily(
        "ingest_jobs_ended", "Jobs that came to an end, by end and error code.", labels=["outcome", "code"]
    )
    always = {"ended:completed:": 0, "ended:failed:internal": 0, "ended:cancelled:cancelled": 0}
    for name, number in sorted({**always, **_named(seen.totals, "ended:")}.items()):
        ended.add_metric(name.split(":")[1:3], number)
    yield ended


def _attempts(totals: Mapping[str, int]) -> Iterator[Metric]:
    for name, what in (("run", "How long the last attempt of ended jobs ran."), ("wait", "How long jobs waited.")):
        family = HistogramMetricFamily(f"ingest_{name}_seconds", what)
        told = histogram(totals, name, JOB_BOUNDS)
        family.add_metric([], list(told.buckets), told.total)
        yield family
    retries = CounterMetricFamily("ingest_retries", "Attempts that failed and were put off.", labels=["code"])
    for name, number in sorted({"retries:job_timeout": 0, **_named(totals, "retries:")}.items()):
        retries.add_metric([name.partition(":")[2]], number)
    yield retries
    yield CounterMetricFamily("ingest_losses", "Attempts whose worker died or froze.", value=totals.get("losses", 0))
    yield CounterMetricFamily(
        "ingest_give_backs", "Attempts given back by workers told to stop.", value=totals.get("give_backs", 0)
    )


def _named(totals: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {name: number for name, number in totals.items() if name.startswith(prefix)}


# ---- the queue and who serves it -------------------------------------------------------------------------------


def _queues(statistics: Statistics) -> Iterator[Metric]:
    depth = GaugeMetricFamily("ingest_queue_depth", "Jobs that wait.", labels=["priority"])
    oldest = GaugeMetricFamily(
        "ingest_queue_oldest_wait_seconds", "How long the front has waited.", labels=["priority"]
    )
    paused = GaugeMetricFamily("ingest_queue_paused", "1 while the priority is paused.", labels=["priority"])
    for priority, state in statistics.depths.items():
        waited = 0 if state.oldest_since is None else max(0, statistics.now - state.oldest_since) / 1000
        depth.add_metric([priority.value], state.waiting)
        oldest.add_metric([priority.value], waited)
        paused.add_metric([priority.value], state.paused)
    yield from (depth, oldest, paused)


def _workers(statistics: Statistics) -> Iterator[Metric]:
    serving = GaugeMetricFamily("ingest_workers", "Workers alive that serve it.", labels=["priority"])
    for priority in PRIORITIES:
        serving.add_metric([priority.value], sum(priority in worker.priorities for worker in statistics.workers))
    states = GaugeMetricFamily("ingest_worker_processes", "Workers alive, by what they do.", labels=["state"])
    for state in WORKER_STATES:
        states.add_metric([state], sum(worker.state == state for worker in statistics.workers))
    yield from (serving, states)


def _batch(seen: Seen) -> Iterator[Metric]:
    """The age of the last batch tells whether the scheduler, or whoever calls the cron address, is alive."""
    batch = seen.statistics.batch
    age = GaugeMetricFamily("ingest_batch_age_seconds", "Since the last batch ended; missing before the first.")
    good = GaugeMetricFamily("ingest_batch_ok", "1 if the last batch ended well, 0 if not; missing before the first.")
    took = GaugeMetricFamily("ingest_batch_seconds", "How long the last batch took; missing before the first.")
    if batch.last_run_at is not None:
        age.add_metric([], max(0, seen.statistics.now - batch.last_run_at) / 1000)
        last = batch.last_result or {}
        good.add_metric([], last.get("outcome") == "ok")
        took.add_metric([], last.get("duration_ms", 0) / 1000)
    yield from (age, good, took)
    yield GaugeMetricFamily("ingest_batch_running", "1 while a batch runs.", value=batch.lock_held)
    batches = CounterMetricFamily("ingest_batches", "Batches ended, by outcome.", labels=["outcome"])
    for name, number in sorted({"batches:ok": 0, **_named(seen.totals, "batches:")}.items()):
        batches.add_metric([name.partition(":")[2]], number)
    yield batches


# ---- neighbours ------------------------------------------------------------------------------------------------


def _neighbours(seen: Seen) -> Iterator[Metric]:
    """Of this web process as it counted them, and of all workers as they report them with their beats."""
    counts = {f"web:{name}": number for name, number in seen.calls.items()} | dict(seen.totals)
    yield _calls("redis", "Round trips to Redis.", REDIS_CALLS, counts)
    yield _calls("storage", "Operations of the file storage.", sorted(set(OPERATIONS.values())), counts)
    for neighbour, what in (("redis", "Redis"), ("storage", "the file storage")):
        failures = CounterMetricFamily(
            f"ingest_{neighbour}_failures", f"Calls that {what} did not answer.", labels=["process"]
        )
        for process in ("web", "worker"):
            failures.add_metric([process], counts.get(f"{process}:{neighbour}:failures", 0))
        yield failures
    dropped = CounterMetricFamily("ingest_log_lines_dropped", "Lines of the log that nobody took.", labels=["process"])
    for process in ("web", "worker"):
        dropped.add_metric([process], counts.get(f"{process}:log:dropped", 0))
    yield dropped
    yield from _room(seen.statistics)


def _calls(neighbour: str, what: str, operations: tuple[str, ...] | list[str], counts: Mapping[str, int]) -> Metric:
    family = HistogramMetricFamily(f"ingest_{neighbour}_operation_seconds", what, labels=["process", "operation"])
    for process in ("web", "worker"):
        for operation in operations:
            told = histogram(counts, f"{process}:{neighbour}:{operation}", CALL_BOUNDS)
            family.add_metric([process, operation], list(told.buckets), told.total)
    return family


def _room(statistics: Statistics) -> Iterator[Metric]:
    """What is not told has a family without a value."""
    system = statistics.system
    told = (
        ("ingest_redis_memory_bytes", "Memory that Redis uses.", system.redis.used_bytes),
        ("ingest_redis_memory_limit_bytes", "Memory that Redis may use; 0 without limit.", system.redis.max_bytes),
        ("ingest_storage_free_bytes", "Room left where files are kept.", system.storage_free_bytes),
    )
    for name, what, value in told:
        yield GaugeMetricFamily(name, what, value=value)


# ---- this process ----------------------------------------------------------------------------------------------


def _web(seen: Seen) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "ingest_web_memory_bytes", "Memory of the web process that answered.", value=seen.statistics.system.rss_bytes
    )
    held = GaugeMetricFamily(
        "ingest_held_requests", "Requests that hold a thread of the web process that answered.", labels=["kind"]
    )
    for kind, number in {**dict.fromkeys(HELD_KINDS, 0), **seen.held}.items():
        held.add_metric([kind], number)
    yield held
    yield GaugeMetricFamily("ingest_held_requests_limit", "How many it lets hold one.", value=seen.held_limit)
    yield GaugeMetricFamily(
        "ingest_uploads_in_flight", "Uploads being read by the web process that answered.", value=seen.uploads
    )
    yield GaugeMetricFamily("ingest_uploads_in_flight_limit", "How many it reads at once.", value=seen.uploads_limit)
