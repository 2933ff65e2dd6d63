"""A worker on one MinIO: how many requests a job makes, what it costs the store, and so how many workers it carries."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog

from app.domain.job import Priority
from app.ingestion.process import process_next
from bench.installation import Frozen, GaveUp, Installation
from bench.options import Options
from bench.processes import children_of, times_of, wait_for_quiet
from bench.report import Figure, Say, median, spread
from bench.workers import put_texts, wait_for_all
from tests.s3_servers import running_minio

IN_BUCKET, ROUNDS, COUNTED = 500, 5, 50


def measure(options: Options, say: Say) -> list[Figure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.where)))
        others = set(children_of(os.getpid()))
        try:
            server = stack.enter_context(running_minio(folder / "disk"))
        except pytest.skip.Exception as reason:
            raise GaveUp(str(reason)) from reason
        minio = (set(children_of(os.getpid())) - others).pop()
        given = {"LOG_LEVEL": "warning", **server.environment("bench")}
        at = stack.enter_context(Installation(options.where, **given))
        requests = _requests_of_a_job(at, say)
        return [
            Figure("bucket: requests to MinIO a job", sum(requests.values()), note=_told(requests)),
            *_cost_of_a_job(at, minio, say),
        ]


class _Count(logging.Handler):
    """The client library writes a line of debugging for each request that it has made."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.methods: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and len(record.args) > 5:
            self.methods[str(record.args[3])] += 1


def _requests_of_a_job(at: Installation, say: Say) -> dict[str, float]:
    """Upload, work and removal of the upload, all in this process, so that its requests can be counted."""
    library, count = logging.getLogger("urllib3.connectionpool"), _Count()
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)  # a line a job would stand between the figures
    structlog.configure(wrapper_class=quiet)
    _one(at)  # the first finds out more
    before = library.level, library.propagate
    library.addHandler(count)
    library.setLevel(logging.DEBUG)
    library.propagate = False
    for _ in range(COUNTED):
        _one(at)
    library.removeHandler(count)
    library.setLevel(before[0])
    library.propagate = before[1]
    each = {method: number / COUNTED for method, number in sorted(count.methods.items())}
    say(f"  requests to MinIO a job: {_told(each)}")
    return each


def _one(at: Installation) -> None:
    job_id = at.submit(b"a tiny text\n", "text/plain", name="tiny.txt")
    job = process_next(at.services, Priority.MEDIUM)
    if job is None or job.id != job_id:
        raise GaveUp("another job was there")
    at.services.blobs.delete_upload(job_id)


def _told(each: dict[str, float]) -> str:
    return ", ".join(f"{number:g} {method}" for method, number in each.items())


def _cost_of_a_job(at: Installation, minio: int, say: Say) -> list[Figure]:
    """Processor time of MinIO for an upload, and for what a worker asks of it."""
    worker = at.worker()
    put_texts(at, COUNTED)
    wait_for_all(at)
    rounds = [_round(at, worker, minio, say) for _ in range(ROUNDS)]
    puts, works, speeds = ([one[part] for one in rounds] for part in range(3))
    costs = [put + work for put, work in zip(puts, works, strict=True)]
    cost, speed = median(costs), median(speeds)
    note = (
        f"median of {ROUNDS}, {spread(costs)}; {median(puts):.2f} ms an upload, {median(works):.2f} what a worker asks"
    )
    return [
        Figure("bucket: MinIO's processor time a short job", cost, "ms", note=note),
        Figure("bucket: short jobs a second, 1 worker, in a bucket", speed, note=spread(speeds, 0)),
        Figure("bucket: jobs a second that a core of MinIO carries", 1000 / cost),
        Figure("bucket: that is, workers with short jobs", 1000 / cost / speed, note="for each core of MinIO's"),
    ]


def _round(at: Installation, worker: int, minio: int, say: Say) -> tuple[float, float, float]:
    """Milliseconds of MinIO for an upload and for the rest of a job, and jobs a second."""
    with Frozen([worker]) as frozen:
        before = times_of(minio).own
        put_texts(at, IN_BUCKET)
        put = 1000 * (times_of(minio).own - before) / IN_BUCKET
        wait_for_quiet()
        before, began = times_of(minio).own, time.time()
        frozen.go()
        wait_for_all(at)
        work = 1000 * (times_of(minio).own - before) / IN_BUCKET
    speed = IN_BUCKET / (at.last_end() - began)
    say(f"  MinIO: {put:.2f} ms an upload, {work:.2f} ms for the work; one worker {speed:.0f} jobs/s")
    return put, work, speed
