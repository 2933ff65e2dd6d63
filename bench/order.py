"""Whose turn is it: ten jobs of one user come when ten thousand of another wait. The scripts are the service's own, on a
Valkey of their own; time is passed in, a second a job."""

from __future__ import annotations

from collections.abc import Iterator

import redis

from app.adapters.job_store import JobStore
from app.domain.job import PRIORITIES, FileInfo, Job, Priority
from app.services import Services
from bench.installation import Installation
from bench.options import Options
from bench.report import Figure, Say

MANY, FEW, SERVED_BEFORE = 10_000, 10, 1_000
AGING_MS, SECOND = 900_000, 1_000


class _Line:
    """Jobs come and are served, each for a second of the time that is passed in."""

    def __init__(self, services: Services) -> None:
        self._redis, self._installation = services.redis, services.binding()
        self.now, self._claims = services.jobs.now(), 0
        self._store = JobStore(services.redis, clock=lambda: self.now, aging_ms=AGING_MS)

    def add(self, owner: str, jobs: int, priority: Priority = Priority.MEDIUM) -> None:
        for number in range(jobs):
            file = FileInfo("a.txt", 1, "text/plain", "0" * 64)
            job_id = f"job_{owner}{number:06}{self.now}"
            job = Job.new(job_id, priority=priority, file=file, now=self.now, user_id=owner)
            self._store.add(job, installation=self._installation)

    def serve(self, workers: int) -> Iterator[str | None]:
        """The owners of what the workers take in one second, which then is over."""
        for _ in range(workers):
            yield self._take()
        self.now += SECOND

    def _take(self) -> str | None:
        for priority in PRIORITIES:
            self._claims += 1
            job = self._store.claim_next(priority, holder="bench", token=f"{self._claims}", serves=PRIORITIES)
            if job is not None:
                return job.user_id
        return None


def _ends(line: _Line, owner: str, workers: int) -> list[int]:
    """After how many seconds each of the few jobs of that owner is done."""
    ends: list[int] = []
    second = 0
    while len(ends) < FEW:
        second += 1
        ends += [second for taken in line.serve(workers) if taken == owner]
    return ends


def measure(options: Options, say: Say) -> list[Figure]:
    return [_beside_many(options, say, workers) for workers in (1, 4)] + _claims(options)


def _beside_many(options: Options, say: Say, workers: int) -> Figure:
    with Installation(options.where) as at:
        line = _Line(at.services)
        line.add("few", FEW)
        alone = _ends(line, "few", workers)
        line.add("many", MANY)
        for _ in range(SERVED_BEFORE // workers):
            list(line.serve(workers))
        line.add("few", FEW)
        beside = _ends(line, "few", workers)
    say(f"  {workers} workers: alone done after {alone} s, beside {MANY - SERVED_BEFORE} jobs of another {beside} s")
    worst = max(late / early for late, early in zip(beside, alone, strict=True))
    return Figure(
        f"order: ten jobs beside {MANY:,} of another, {workers} worker{'s' if workers > 1 else ''}",
        worst,
        "× alone",
        at_most=2.0,
        note=f"the last after {beside[-1]} s, alone {alone[-1]} s; first come, first served: {(MANY - SERVED_BEFORE + FEW) // workers:,} s",
    )


def _claims(options: Options) -> list[Figure]:
    """What a claim costs the server, with few and with many that wait."""
    figures = []
    for jobs in (500, 10_000):
        with Installation(options.where) as at:
            line = _Line(at.services)
            line.add("many", jobs, Priority.URGENT)
            line.add("low", 1, Priority.LOW)
            before = _spent(at.services.redis)
            for _ in range(400):
                list(line.serve(1))
            after = _spent(at.services.redis)
            spent = (after[1] - before[1]) / (after[0] - before[0])
            figures.append(Figure(f"order: a claim in Valkey, {jobs:,} jobs wait", spent, "µs"))
    return figures


def _spent(client: redis.Redis) -> tuple[int, int]:
    """How many scripts were run by their digest, and for how many µs."""
    told = client.info("commandstats")["cmdstat_evalsha"]  # type: ignore[index]
    return int(told["calls"]), int(told["usec"])
