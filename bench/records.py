"""Job records in bulk: the store's own steps, but sent in pipelines and by two processes, as a million of them take minutes."""

from __future__ import annotations

import multiprocessing
import secrets
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import redis

from app.adapters.job_queues import JobQueues
from app.adapters.job_store import JobStore
from app.adapters.redis_client import quick_client
from app.domain.ids import new_job_id
from app.domain.job import Failure, FileInfo, Job, Priority
from app.domain.retry import RetryPolicy

#: Steps of that many jobs are sent at once.
TOGETHER = 500
#: Of a hundred jobs one waits and five have failed, each with another code; the others are completed.
WAITS, FAILED = 50, {7: "corrupt_document", 27: "encrypted_document", 47: "job_timeout", 67: "internal", 87: "poison"}
USERS, DAY = 1_000, 86_400_000
#: As long as the beginning of a text that the record of a document keeps.
PREVIEW = ("a line of an ordinary text, as a document begins " * 21)[:1000]
_POLICY = RetryPolicy(max_retries=0)


class _Later:
    """Where the store expects a client: a script goes into the pipeline, and is answered as if it had been carried out."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def evalsha(self, *args: Any) -> list[bytes]:
        self._pipe.evalsha(*args)
        return [b"added"]


@dataclass
class _Scribe:
    """Writes jobs through `store`, each step at the time it tells of."""

    client: redis.Redis
    installation: str
    now: int
    time: int = 0

    def store(self, client: object) -> JobStore:
        return JobStore(cast("redis.Redis", client), clock=lambda: self.time)

    def write(self, store: JobStore, number: int) -> Job:
        ended_ago = 3_600_000 + number * 7_919 * 61 % (6 * DAY)
        waits = number % 100 == WAITS
        self.time = self.now - (number // 100 % 600 * 1000 if waits else ended_ago)
        name, sha256 = f"report-{number}.pdf", secrets.token_hex(32)
        file = FileInfo(name, 80_000 + number % 9_000, "application/pdf", sha256)
        owner, request = f"user-{number % USERS}", secrets.token_hex(16)
        job = Job.new(
            new_job_id(), priority=Priority.MEDIUM, file=file, now=self.time, user_id=owner, request_id=request
        )
        store.add(job, installation=self.installation)
        if waits:
            return job
        self.time += 1_500
        held = job.claimed(holder="worker.host.4711.0a1b2c3d", token=secrets.token_hex(12), now=self.time)
        store.replace(job, held)
        self.time += 400
        ended = self._ended(held, number % 100)
        store.replace(held, ended)
        return ended

    def _ended(self, held: Job, kind: int) -> Job:
        if kind in FAILED:
            return held.failed(Failure.of(FAILED[kind]), now=self.time, policy=_POLICY)
        return held.completed(summary_of(held), now=self.time)


def summary_of(job: Job) -> dict[str, Any]:
    told: dict[str, Any] = {
        "title": None,
        "author": None,
        "preview": PREVIEW,
        "warnings": [],
        "sha256": job.file.sha256,
    }
    return {"pages": 3, "words": 1_200, "characters": 7_400, "engine": "pdfium", "durationMs": 380, **told}


def _write(url: str, numbers: Sequence[int], installation: str, now: int, with_logs: bool) -> None:
    client = quick_client(url, f"filler.{secrets.token_hex(4)}")
    scribe = _Scribe(client, installation, now)
    pipe: Any = client.pipeline(transaction=False)
    store, plain, queues = scribe.store(_Later(pipe)), JobStore(client), JobQueues(client)
    for start in range(0, len(numbers), TOGETHER):
        jobs = [scribe.write(store, number) for number in numbers[start : start + TOGETHER]]
        if not all(pipe.execute()):
            raise RuntimeError("a step was refused")
        plain.forget_spent([job.id for job in jobs])  # as the sweep has long done, a minute after each end
        for job in jobs:
            if not job.status.is_final:
                queues.deliver(job)
            elif not with_logs:
                pipe.delete(f"ingest:log:{job.id}")  # as time does, ten minutes after the end
        pipe.execute()
    client.close()


def fill(url: str, numbers: range, *, installation: str, now: int, with_logs: bool) -> None:
    """Jobs of those numbers; without logs as they are ten minutes after their end. `now` in ms."""
    client = quick_client(url, "filler.first")
    scribe = _Scribe(client, installation, now)
    scribe.write(scribe.store(client), numbers[0])  # by itself, so that the server knows the scripts
    client.close()
    rest = numbers[1:]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        halves = [rest[side::2] for side in (0, 1)]
        running = [pool.submit(_write, url, half, installation, now, with_logs) for half in halves]
        for one in running:
            one.result()
