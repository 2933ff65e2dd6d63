"""Redis is wiped: how long until `./run rebuild` has adopted a folder, and a bucket, of 10,000 jobs, a tenth of them unfinished."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from app.adapters.result_file import ResultWriter
from app.domain.ids import new_job_id
from app.domain.job import Claim, FileInfo, Job, Priority
from app.ingestion.check import check
from app.ingestion.relist import FACTS, METADATA, facts_of
from app.ingestion.submit import manifest_of
from bench.installation import GaveUp, Installation
from bench.options import Options
from bench.report import Figure, Say
from tests.s3_servers import running_minio

JOBS, UNFINISHED = 10_000, 1_000
_TEXT = b"a tiny text\n"


def measure(options: Options, say: Say) -> list[Figure]:
    figures = []
    for kind in ("folder", "bucket"):
        with _installation(kind, options) as at:
            say(f"  {kind}: storing {JOBS} jobs")
            _store(at)
            figures.append(_adopted(at, kind, say))
    return figures


@contextmanager
def _installation(kind: str, options: Options) -> Iterator[Installation]:
    with ExitStack() as stack:
        given = {}
        if kind == "bucket":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.where)))
            try:
                given = stack.enter_context(running_minio(folder / "disk")).environment("bench")
            except pytest.skip.Exception as reason:
                raise GaveUp(str(reason)) from reason
        yield stack.enter_context(Installation(options.where, **given))


def _store(at: Installation) -> None:
    """The files that jobs would have left: of finished ones the result, of the others the upload."""
    for number in range(JOBS):
        with at.services.blobs.new_upload() as writer:
            writer.write(_TEXT)
            file = FileInfo(f"{number}.txt", writer.size, "text/plain", writer.sha256)
            job = Job.new(new_job_id(), priority=Priority.MEDIUM, file=file, now=at.services.jobs.now(), user_id="ada")
            if number < UNFINISHED:
                writer.commit(manifest_of(job))
            else:
                _finish(at, job)


def _finish(at: Installation, job: Job) -> None:
    token, now = secrets.token_hex(12), at.services.jobs.now()
    summary = {"pages": 1, "words": 3, "characters": 11, "engine": "plain", "sha256": job.file.sha256}
    with at.services.blobs.new_result(job.id, token) as sink:
        writer = ResultWriter(sink)
        writer.add_page(_TEXT, 1)
        facts = facts_of(replace(job, claim=Claim(token, "worker.bench", now)), now=now)
        writer.finish({**summary, METADATA: {}, FACTS: facts})


def _adopted(at: Installation, kind: str, say: Say) -> Figure:
    at.services.redis.flushall()
    began = time.monotonic()
    process = at.start("-m", "app", "rebuild")
    if process.wait(600) != 0:
        raise GaveUp("the rebuild failed")
    seconds = time.monotonic() - began
    report = check(at.services)
    say(f"  {kind}: {seconds:.1f} s; {report.jobs} jobs, {report.results} results, {len(report.violations)} violations")
    if (report.jobs, report.results, report.violations) != (JOBS, JOBS - UNFINISHED, []):
        raise GaveUp("not all jobs are back")
    return Figure(f"rebuild: {JOBS:,} jobs from a {kind}", seconds, "s", at_most=60, note=f"{UNFINISHED} unfinished")
