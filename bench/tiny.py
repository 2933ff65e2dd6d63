"""What a job costs beside its parsing: thousands of tiny texts, one worker, each process's time as the kernel counts it."""

from __future__ import annotations

import time

from bench.installation import Frozen, Installation
from bench.options import Options
from bench.processes import Meter, wait_for_quiet
from bench.report import Figure, Say, median, spread

JOBS, WARM_UP = 2_000, 50


def measure(options: Options, say: Say) -> list[Figure]:
    return _with_level("warning", max(3, options.rounds), options, say) + _with_level("info", 3, options, say)


def _with_level(level: str, rounds: int, options: Options, say: Say) -> list[Figure]:
    speeds, costs, parts = [], [], []
    with Installation(options.where) as at:
        worker = at.worker(LOG_LEVEL=level)
        _put(at, WARM_UP)
        at.wait_ended(WARM_UP)
        for number in range(rounds):
            meter = Meter(workers=[worker], server=at.server_pid)
            seconds = _round(at, worker, meter, before=WARM_UP + number * JOBS)
            spent = {role: 1000 * meter.spent[role] / JOBS for role in ("worker", "child", "server")}
            speeds.append(JOBS / seconds)
            costs.append(sum(spent.values()))
            parts.append(spent)
            shown = ", ".join(f"{role} {ms:.2f}" for role, ms in spent.items())
            say(f"  {level}: {speeds[-1]:.0f} jobs/s, {costs[-1]:.2f} ms ({shown}), others {meter.others:.0%}")
    best = parts[costs.index(min(costs))]
    judged = level == "warning"
    detail = "best of {}, median {:.2f}; worker {worker:.2f}, child {child:.2f}, Valkey {server:.2f}"
    return [
        Figure(
            f"tiny: CPU a job, LOG_LEVEL={level}",
            min(costs),
            "ms",
            at_most=1.6 if judged else None,
            note=detail.format(rounds, median(costs), **best),
        ),
        Figure(
            f"tiny: jobs a second of one worker, LOG_LEVEL={level}",
            max(speeds),
            at_least=500 if judged else None,
            note=f"best of {rounds}, {spread(speeds, 0)}",
        ),
    ]


def _put(at: Installation, jobs: int) -> None:
    for number in range(jobs):
        at.submit(b"a tiny text, number %d\n" % number, "text/plain", name="tiny.txt")


def _round(at: Installation, worker: int, meter: Meter, *, before: int) -> float:
    """Seconds from the first claim's chance to the last job's end."""
    with Frozen([worker]) as frozen:
        _put(at, JOBS)
        wait_for_quiet()
        meter.start()
        began = time.time()
        frozen.go()
        at.wait_ended(before + JOBS)
        meter.stop()
    return at.last_end() - began
