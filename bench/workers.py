"""One to eight workers on one Redis: what a job costs it, and an idle worker, and so how many of them it carries."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from bench.installation import Frozen, Installation
from bench.options import Options
from bench.processes import Meter, wait_for_quiet
from bench.report import Figure, Say

COUNTS = (1, 2, 4, 8)
JOBS, WARM_UP, IDLE_SECONDS = 2_000, 200, 10


@dataclass(frozen=True)
class Spent:
    """By one Redis between two looks: seconds of its processor, commands (those inside scripts too), requests read."""

    cpu: float
    commands: int
    scripts: int
    reads: int

    def since(self, before: Spent) -> Spent:
        return Spent(
            self.cpu - before.cpu,
            self.commands - before.commands,
            self.scripts - before.scripts,
            self.reads - before.reads,
        )


def _spent(at: Installation) -> Spent:
    redis: Any = at.services.redis
    told = redis.info("everything")
    calls = {name: int(told[f"cmdstat_{name}"]["calls"]) for name in _names(told)}
    return Spent(
        float(told["used_cpu_user"]) + float(told["used_cpu_sys"]),
        sum(calls.values()),
        calls.get("evalsha", 0),
        int(told["total_reads_processed"]),
    )


def _names(told: dict[str, Any]) -> list[str]:
    return [name.removeprefix("cmdstat_") for name in told if name.startswith("cmdstat_")]


def measure(options: Options, say: Say) -> list[Figure]:
    speeds: dict[int, float] = {}
    each: dict[int, Spent] = {}
    with Installation(options.where, LOG_LEVEL="warning") as at:
        workers: list[int] = []
        idle: dict[int, Spent] = {}
        for count in COUNTS:
            workers += [at.worker() for _ in range(count - len(workers))]
            put_texts(at, WARM_UP)
            wait_for_all(at)
            speeds[count], each[count] = _round(at, workers, say)
            idle[count] = _idle(at, say, count)
    one, most = each[COUNTS[0]], max(COUNTS)
    cpu = max(spent.cpu for spent in each.values()) / JOBS
    beat = idle[most].cpu / IDLE_SECONDS / most
    return [
        *(
            Figure(f"workers: short jobs a second, {count} workers", speed, note=_of_a_job(each[count]))
            for count, speed in speeds.items()
        ),
        Figure("workers: commands in Redis a job, scripts' own too", one.commands / JOBS, note=_of_a_job(one)),
        Figure(
            "workers: jobs a second that one Redis carries", 1 / cpu, note="by its processor time a job, the dearest"
        ),
        Figure(
            "workers: that is, workers with short jobs",
            1 / cpu / speeds[1],
            note="as fast as the only one on two cores",
        ),
        Figure(
            "workers: idle workers that one Redis carries", 1 / beat, note=f"each {1000 * beat:.2f} ms of it a second"
        ),
    ]


def wait_for_all(at: Installation) -> None:
    redis: Any = at.services.redis
    at.wait_ended(int(redis.zcard("ingest:jobs")))


def put_texts(at: Installation, jobs: int) -> None:
    for number in range(jobs):
        at.submit(b"a tiny text, number %d\n" % number, "text/plain", name="tiny.txt")


def _round(at: Installation, workers: list[int], say: Say) -> tuple[float, Spent]:
    """Jobs a second, and what they cost Redis."""
    with Frozen(workers) as frozen:
        put_texts(at, JOBS)
        wait_for_quiet()
        meter, before = Meter(workers=workers, server=at.server_pid), _spent(at)
        meter.start()
        began = time.time()
        frozen.go()
        wait_for_all(at)
        meter.stop()
        spent = _spent(at).since(before)
    speed = JOBS / (at.last_end() - began)
    parts = ", ".join(f"{role} {1000 * meter.spent[role] / JOBS:.2f}" for role in ("worker", "child", "server"))
    busy = sum(meter.spent.values()) / meter.wall
    say(
        f"  {len(workers)} workers: {speed:.0f} jobs/s; ms a job: {parts}; {_of_a_job(spent)}; "
        f"{busy:.2f} of {os.cpu_count()} cores busy with it, others {meter.others:.0%}"
    )
    return speed, spent


def _of_a_job(spent: Spent) -> str:
    return (
        f"Redis {1000 * spent.cpu / JOBS:.2f} ms, {spent.commands / JOBS:.0f} commands, of them "
        f"{spent.scripts / JOBS:.1f} scripts, {spent.reads / JOBS:.1f} requests read"
    )


def _idle(at: Installation, say: Say, count: int) -> Spent:
    time.sleep(3)
    before = _spent(at)
    time.sleep(IDLE_SECONDS)
    spent = _spent(at).since(before)
    a_second = IDLE_SECONDS * count
    say(
        f"  {count} idle: {spent.commands / a_second:.1f} commands, {1000 * spent.cpu / a_second:.2f} ms of Redis a second each"
    )
    return spent
