"""How many jobs ended, and how long they ran and had waited, over the last three days: counters of a fixed size in Redis.

A bucket is one string of 32-bit counters: the outcomes, then two histograms. A bin is a quarter of a doubling wide, so
that a quantile is off by a tenth at most. There is one bucket for each minute and one for each quarter of an hour,
written by the script that ends a job or loses it; they run out by themselves, so that all of it stays below a megabyte.
"""

from __future__ import annotations

import itertools
import math
import struct
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from app.adapters.redis_client import PREFIX, translated
from app.domain.job import Job

OUTCOMES = ("completed", "failed", "cancelled", "lost")
#: The last bin holds everything above 2 ** 28 ms, three days.
BINS = 112
_RUNS, _WAITS = len(OUTCOMES), len(OUTCOMES) + BINS
_COUNTERS = len(OUTCOMES) + 2 * BINS
#: Seconds that a bucket stands for; `replace.lua` says how long each kind is kept.
MINUTE, QUARTER = 60, 900
#: A quarter is over for good that many ms after its end, and is then kept in a process for at most that many.
SETTLED_MS, KEPT_MS = 60_000, 60_000
#: What may be asked for, in hours, and the seconds of one step of it.
STEPS = {1: MINUTE, 24: QUARTER, 72: 4 * QUARTER}


@dataclass(frozen=True)
class Quantiles:
    """In seconds; None where nothing was measured yet."""

    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class Run:
    """The attempt with which a job ended (ms). Only a job's first claim tells how long it had waited: before a later
    one it was held, or lay failed for days."""

    ran: int
    waited: int | None


@dataclass(frozen=True)
class Period:
    """What happened from `at` (ms) on. `failed` leaves the cancelled ones out; `lost` counts attempts, not jobs."""

    at: int
    completed: int
    failed: int
    cancelled: int
    lost: int
    run_seconds: Quantiles
    wait_seconds: Quantiles

    @property
    def error_rate(self) -> float:
        """Share of failed ones, cancelled ones left out."""
        ended = self.completed + self.failed
        return round(self.failed / ended, 4) if ended else 0.0


# ---- what a transition counts ----------------------------------------------------------------------------------


def outcome_of(job: Job) -> str:
    """How a job ended: `completed`, `failed` or `cancelled`."""
    return "cancelled" if job.is_cancelled else job.status.value


def run_that_ended(old: Job, new: Job) -> Run | None:
    """None where the transition does not end the job, or nobody held it."""
    if not new.status.is_final or old.claim is None:
        return None
    return Run(new.updated_at - old.claim.since, None if old.history else old.claim.since - old.created_at)


def marks(old: Job, new: Job) -> list[int]:
    """The counters that go up by one with that transition."""
    counted = []
    if new.status.is_final and not old.status.is_final:
        counted.append(OUTCOMES.index(outcome_of(new)))
    if new.losses > old.losses:
        counted.append(OUTCOMES.index("lost"))
    run = run_that_ended(old, new)
    if run is not None:
        counted.append(_RUNS + _bin(run.ran))
        if run.waited is not None:
            counted.append(_WAITS + _bin(run.waited))
    return counted


def _bin(milliseconds: int) -> int:
    return min(int(4 * math.log2(max(milliseconds, 1))), BINS - 1)


# ---- what is read ----------------------------------------------------------------------------------------------


class History:
    """All methods raise QueueUnavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._over: tuple[int, dict[int, int]] = (0, {})

    def points(self, hours: int, *, now: int) -> list[Period]:
        """Every step of the last 1, 24 or 72 hours, oldest first; the last one is not over yet. `now` in ms."""
        step = STEPS[hours]
        last, many = now // 1000 // step, hours * 3600 // step
        starts = range(last - many + 1, last + 1)
        each = 1 if step == MINUTE else step // QUARTER
        numbers = range(starts[0] * each, (last + 1) * each)
        buckets = self._buckets(MINUTE, numbers) if step == MINUTE else self._quarters(numbers, now=now)
        return [_period(start * step, buckets[n * each : (n + 1) * each]) for n, start in enumerate(starts)]

    def windows(self, *, now: int) -> dict[int, Period]:
        """By hours: what happened in the last 1, 24 and 72 of them."""
        seconds = now // 1000
        this_minute, this_quarter = seconds // MINUTE, seconds // QUARTER
        minutes = self._buckets(MINUTE, range(this_minute - 59, this_minute + 1))
        quarters = self._quarters(range(this_quarter - 72 * 4 + 1, this_quarter + 1), now=now)
        day = quarters[-24 * 4 :]
        return {hours: _period(seconds - hours * 3600, of) for hours, of in ((1, minutes), (24, day), (72, quarters))}

    def _quarters(self, numbers: range, *, now: int) -> list[int]:
        """Those that are over change no more and are read once a minute: the Redis may be wiped, or be another one."""
        read_at, known = self._over
        if not 0 <= now - read_at <= KEPT_MS:
            read_at, known = now, {}
        missing = [number for number in numbers if number not in known]
        known = known | dict(zip(missing, self._buckets(QUARTER, missing), strict=True))
        first_open = (now - SETTLED_MS) // 1000 // QUARTER
        self._over = (read_at, {number: counts for number, counts in known.items() if number < first_open})
        return [known[number] for number in numbers]

    def _buckets(self, width: int, numbers: Sequence[int]) -> list[int]:
        with translated():
            found: Any = self._redis.mget([f"{PREFIX}history:{width}:{number}" for number in numbers])
        return [_as_number(data or b"") for data in found]


def _as_number(bucket: bytes) -> int:
    """All counters of a bucket in one, 32 bits for each, so that adding two numbers adds each of their counters: no sum
    comes near 2 ** 32, which is sixteen thousand jobs a second for three days. A string ends with the last that was touched."""
    return int.from_bytes(bucket.ljust(4 * _COUNTERS, b"\0"), "big")


def _period(at: int, buckets: Iterable[int]) -> Period:
    """`at` in seconds."""
    counts = struct.unpack(f">{_COUNTERS}I", sum(buckets).to_bytes(4 * _COUNTERS, "big"))
    completed, failed, cancelled, lost = counts[:_RUNS]
    runs, waits = _quantiles(counts[_RUNS:_WAITS]), _quantiles(counts[_WAITS:])
    return Period(at * 1000, completed, failed, cancelled, lost, runs, waits)


def _quantiles(bins: Sequence[int]) -> Quantiles:
    total = sum(bins)
    return (
        Quantiles(_quantile(bins, total // 2), _quantile(bins, total * 95 // 100)) if total else Quantiles(None, None)
    )


def _quantile(bins: Sequence[int], rank: int) -> float:
    """The middle of the bin that holds the value of that rank (from 0), in seconds."""
    number = bisect_right(list(itertools.accumulate(bins)), rank)
    return float(round(2 ** ((number + 0.5) / 4) / 1000, 3))
