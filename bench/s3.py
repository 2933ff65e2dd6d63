"""A large upload and a large result through a web server whose files are in a bucket, and what memory they take.

The store is the MinIO that `.ci/minio` builds, on the same machine and disk: what is compared is ours, what is fast is not.
"""

from __future__ import annotations

import http.client
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.adapters.result_file import ResultWriter
from app.domain.job import Priority
from bench.http import Connection, form, head, job_of
from bench.installation import GaveUp, Installation
from bench.options import Options
from bench.processes import most_memory
from bench.report import Figure, Say, median
from tests.s3_servers import running_minio

SIZE = 512 * 1024**2
_BLOCK = memoryview(b"a line of a very long text file, 63 characters and a line end..\n" * (1024**2 // 64))
_SMALL = 100_000
_SUMMARY = {"pages": 1, "words": 0, "characters": SIZE, "title": None, "author": None, "preview": "", "warnings": []}


def measure(options: Options, say: Say) -> list[Figure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.where)))
        try:
            server = stack.enter_context(running_minio(folder / "disk"))
        except pytest.skip.Exception as reason:
            raise GaveUp(str(reason)) from reason
        given = {"MAX_UPLOAD_BYTES": str(SIZE), "LOG_LEVEL": "warning", **server.environment("bench")}
        return _taken(stack.enter_context(Installation(options.where, **given)), max(3, options.rounds), say)


def _taken(at: Installation, rounds: int, say: Say) -> list[Figure]:
    serving = at.serving(at.web())
    small = [_small(at, number) for number in range(100)]
    before = most_memory(serving)
    up = []
    for _ in range(rounds):
        up.append(_up(at))
        say(f"  up {SIZE / 1024**2 / up[-1]:.0f} MiB/s")
    grown_up = most_memory(serving) - before
    job_id = _with_large_result(at)
    before = most_memory(serving)
    down = []
    for _ in range(rounds):
        down.append(_down(at, job_id))
        say(f"  down {SIZE / 1024**2 / down[-1]:.0f} MiB/s")
    grown_down = most_memory(serving) - before
    return [
        Figure("s3: 202 for a 100 kB file, p50", median(small) * 1000, "ms", note="100 uploads, no worker"),
        Figure("s3: 512 MiB up", SIZE / 1024**2 / median(up), "MiB/s"),
        Figure("s3: growth of the web process by them", grown_up / 1024**2, "MiB", at_most=30),
        Figure("s3: a result of 512 MiB down", SIZE / 1024**2 / median(down), "MiB/s"),
        Figure("s3: growth beyond that by those results", grown_down / 1024**2, "MiB", at_most=30),
    ]


def _small(at: Installation, number: int) -> float:
    with Connection(at.port) as connection:
        request = form(b"upload %09d\n" % number * (_SMALL // 17), f"note-{number}.txt")
        began = time.perf_counter()
        job_of(connection.ask(request))
        return time.perf_counter() - began


def _up(at: Installation) -> float:
    with Connection(at.port, seconds=600) as connection:
        began = time.perf_counter()
        connection.send(head("PUT", "/api/ingest/start/large.txt", Content_Length=SIZE))
        for _ in range(SIZE // len(_BLOCK)):
            connection.send(_BLOCK)
        job_id = job_of(connection.answer())
        took = time.perf_counter() - began
    at.services.blobs.delete_upload(job_id)
    return took


def _with_large_result(at: Installation) -> str:
    """A job as a worker would have completed it, with a text that no parser would be allowed to make."""
    job_id, page = at.submit(b"large", "text/plain", priority=Priority.URGENT), bytes(_BLOCK)
    with at.services.blobs.new_result(job_id, "bench") as sink:
        writer = ResultWriter(sink)
        for number in range(SIZE // len(page)):
            writer.add_page(page, number + 1)
        writer.finish({**_SUMMARY, "metadata": {}})
    job = at.services.jobs.claim_next(Priority.URGENT, holder="bench", token="bench")
    summary = {**_SUMMARY, "engine": "text", "durationMs": 0, "sha256": ""}
    if job is None or not at.services.jobs.replace(job, job.completed(summary, now=at.services.jobs.now())):
        raise GaveUp("the job with a large result could not be completed")
    return job_id


def _down(at: Installation, job_id: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", at.port, timeout=600)
    began, seen = time.perf_counter(), 0
    connection.request("GET", f"/api/ingest/result/{job_id}?format=text")
    response = connection.getresponse()
    while data := response.read(1024**2):
        seen += len(data)
    took = time.perf_counter() - began
    connection.close()
    if response.status != 200 or seen < SIZE:
        raise GaveUp(f"the result came as {response.status} with {seen} bytes")
    return took
