"""From a hundred job records to a million: what a request costs with each number of them, and how much memory they take."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from app.domain.ids import new_job_id
from app.domain.job import FileInfo, Job, Priority
from bench.http import Connection, head
from bench.installation import GaveUp, Installation, until
from bench.options import Options
from bench.processes import wait_for_quiet
from bench.records import fill, summary_of
from bench.report import Figure, Say, percentile

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
#: Up to here the logs of the last ten minutes are kept until they are measured; beyond they are dropped as the jobs are written.
FRESH = 10_000
REQUESTS, BATCHES, STEPS = 300, 30, 300
ADMIN, CRON = "the-admin-of-the-bench", "the-cron-of-the-bench"
LISTS = {
    "list, 50 jobs": "limit=50",
    "list of the failed, 5 jobs": "status=failed&limit=5",
    "list by code, 1 job": "code=encrypted_document&limit=1",
    "list of the completed, 50 jobs": "status=completed&limit=50",
    "list by a file's name, no match": "q=nobody-has-this-name",
}
Taken = dict[str, list[float]]


def measure(options: Options, say: Say) -> list[Figure]:
    sizes = [size for size in SIZES if size <= options.most]
    by_size: dict[int, Taken] = {}
    memory: list[Figure] = []
    with Installation(options.where, ADMIN_TOKEN=ADMIN, CRON_SECRET=CRON, LOG_LEVEL="warning") as at:
        empty = _used(at)
        for size in sizes:
            memory += _grown(at, size, empty, say)
            by_size[size] = {**_requests(at), **_steps(at)}
            for name, times in by_size[size].items():
                say(f"  {size:>9,} {name:<34} p50 {percentile(times, 0.5):7.2f} ms  p99 {percentile(times, 0.99):7.2f}")
    return [*(_figure(name, by_size) for name in by_size[sizes[0]]), *memory]


def _figure(name: str, by_size: dict[int, Taken]) -> Figure:
    """The largest against the smallest; in the note each size against the smallest."""
    p50 = {size: percentile(taken[name], 0.5) for size, taken in by_size.items()}
    p99 = {size: percentile(taken[name], 0.99) for size, taken in by_size.items()}
    first, last = min(p50), max(p50)
    shown = [" ".join(f"{values[size] / values[first]:.2f}" for size in p50) for values in (p50, p99)]
    return Figure(
        f"scale: {name}, {last:,} against {first}, p50",
        p50[last] / p50[first],
        "×",
        at_most=None if "no match" in name else 2,
        note=f"p50 {shown[0]}; p99 {shown[1]}{_beyond(p50)}",
    )


def _beyond(p50: dict[int, float]) -> str:
    """What looks at more records than a hundred, but at a bounded number of them, is flat from there on."""
    last = max(p50)
    return f"; against {FRESH:,}: {p50[last] / p50[FRESH]:.2f}" if last > FRESH else ""


# ---- the records ---------------------------------------------------------------------------------------------


def _used(at: Installation) -> int:
    redis: Any = at.services.redis
    return int(redis.info("memory")["used_memory"])


def _count(at: Installation) -> int:
    redis: Any = at.services.redis
    return int(redis.zcard("ingest:jobs"))


def _grown(at: Installation, size: int, empty: int, say: Say) -> list[Figure]:
    """So many records; the server's log is off while they are written, and rewritten before anything is measured."""
    redis: Any = at.services.redis
    redis.config_set("appendonly", "no")
    began, there = time.monotonic(), _count(at)
    services, with_logs = at.services, size <= FRESH
    numbers = range(there, size)
    fill(at.url, numbers, installation=services.binding(), now=services.jobs.now(), with_logs=with_logs)
    written, fresh = time.monotonic() - began, _used(at)
    figures = []
    if with_logs:
        for key in list(redis.scan_iter("ingest:log:*", count=1000)):
            redis.delete(key)
    if size == FRESH:
        figures.append(_per_record(f"{size:,} of the last ten minutes", fresh - empty, size))
    figures.append(_per_record(f"{size:,} that are kept", _used(at) - empty, size))
    redis.config_set("appendonly", "yes")
    until(lambda: _log_is_whole(redis), "the rewritten log", seconds=300, every=0.2)
    say(
        f"  {size:>9,} records, {written:.0f} s; waiting {services.line.length():,}; {figures[-1].value:,.0f} bytes each"
    )
    return figures


def _log_is_whole(redis: Any) -> bool:
    told = redis.info("persistence")
    return not (told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"])


def _per_record(name: str, used: int, size: int) -> Figure:
    return Figure(f"scale: Valkey's memory a record, {name}", used / size, "bytes", note=f"{used / 1024**2:,.0f} MiB")


# ---- what is asked -------------------------------------------------------------------------------------------


def _requests(at: Installation) -> Taken:
    """Over HTTP, on one connection; what waits is paused, so that the batch takes none of it."""
    redis: Any = at.services.redis
    ids = [job_id.decode() for job_id in redis.zrandmember("ingest:jobs", REQUESTS)]
    at.services.jobs.pause(Priority.MEDIUM)
    web, taken = at.web(), {}
    wait_for_quiet()
    with Connection(at.port) as connection:
        ask = _Asking(connection)
        for _ in range(2):  # the first time to warm up
            taken["status"] = [ask(f"/api/ingest/status/{ids[n % len(ids)]}") for n in range(REQUESTS)]
            taken["statistics"] = [ask("/api/admin/queue") for _ in range(REQUESTS)]
        for name, query in LISTS.items():
            many = 50 if "no match" in name else REQUESTS
            taken[name] = [ask(f"/api/ingest/jobs?{query}") for _ in range(many)]
        taken["batch"] = [ask("/api/cron/process-jobs", CRON) for _ in range(BATCHES)]
    at.end(web)
    at.services.jobs.resume(Priority.MEDIUM)
    return taken


class _Asking:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, path: str, secret: str = ADMIN) -> float:
        """Milliseconds until the whole answer is there."""
        request = head("GET", path, Authorization=f"Bearer {secret}")
        began = time.perf_counter()
        status, body = self._connection.ask(request)
        took = 1000 * (time.perf_counter() - began)
        if status != 200:
            raise GaveUp(f"{path} answered {status} {body[:200]!r}")
        return took


def _steps(at: Installation) -> Taken:
    """In the store itself: jobs are added to the line, and as many are claimed from its front and ended."""
    jobs, installation = at.services.jobs, at.services.binding()
    adds, claims = [], []
    for _ in range(STEPS):
        adds.append(_timed(partial(jobs.add, _new(at), installation=installation))[0])
    for _ in range(STEPS):
        took, job = _timed(_claim(at))
        claims.append(took)
        if job is None or not jobs.replace(job, job.completed(summary_of(job), now=jobs.now())):
            raise GaveUp("nothing could be claimed")
        jobs.forget_spent([job.id])
    return {"add": adds, "claim": claims}


def _new(at: Installation) -> Job:
    file = FileInfo("added.txt", 100, "text/plain", "0" * 64)
    return Job.new(new_job_id(), priority=Priority.MEDIUM, file=file, now=at.services.jobs.now(), user_id="added")


def _claim(at: Installation) -> Callable[[], Job | None]:
    return lambda: at.services.jobs.claim_next(
        Priority.MEDIUM, holder=at.services.name, token=secrets.token_hex(8), serves=tuple(Priority)
    )


def _timed(step: Callable[[], Job | None]) -> tuple[float, Job | None]:
    began = time.perf_counter()
    job = step()
    return 1000 * (time.perf_counter() - began), job
