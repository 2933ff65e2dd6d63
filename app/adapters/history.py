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

    def points(self, hours: int, *, now: int) -> list[Period]:
        """Every step of the last 1, 24 or 72 hours, oldest first; the last one is not over yet. `now` in ms."""
        step = STEPS[hours]
        width = MINUTE if step == MINUTE else QUARTER
        last, many = now // 1000 // step, hours * 3600 // step
        starts = range(last - many + 1, last + 1)
        each = step // width
        buckets = self._buckets(width, starts[0] * each, many * each)
        return [_period(start * step, buckets[n * each : (n + 1) * each]) for n, start in enumerate(starts)]

    def windows(self, *, now: int) -> dict[int, Period]:
        """By hours: what happened in the last 1, 24 and 72 of them."""
        seconds = now // 1000
        minutes = self._buckets(MINUTE, seconds // MINUTE - 59, 60)
        quarters = self._buckets(QUARTER, seconds // QUARTER - 72 * 4 + 1, 72 * 4)
        day = quarters[-24 * 4 :]
        return {hours: _period(seconds - hours * 3600, of) for hours, of in ((1, minutes), (24, day), (72, quarters))}

    def _buckets(self, width: int, first: int, many: int) -> list[bytes]:
        keys = [f"{PREFIX}history:{width}:{number}" for number in range(first, first + many)]
        with translated():
            found: Any = self._redis.mget(keys)
        return [data or b"" for data in found]


def _period(at: int, buckets: Iterable[bytes]) -> Period:
    """`at` in seconds."""
    counts = _sums([data for data in buckets if data])
    completed, failed, cancelled, lost = counts[:_RUNS]
    runs, waits = _quantiles(counts[_RUNS:_WAITS]), _quantiles(counts[_WAITS:])
    return Period(at * 1000, completed, failed, cancelled, lost, runs, waits)


def _sums(buckets: Sequence[bytes]) -> list[int]:
    """A string ends with the last counter that was ever touched."""
    rows = [struct.unpack(f">{_COUNTERS}I", data.ljust(4 * _COUNTERS, b"\0")) for data in buckets]
    return [sum(column) for column in zip(*rows, strict=True)] if rows else [0] * _COUNTERS


def _quantiles(bins: Sequence[int]) -> Quantiles:
    total = sum(bins)
    return (
        Quantiles(_quantile(bins, total // 2), _quantile(bins, total * 95 // 100)) if total else Quantiles(None, None)
    )


def _quantile(bins: Sequence[int], rank: int) -> float:
    """The middle of the bin that holds the value of that rank (from 0), in seconds."""
    number = bisect_right(list(itertools.accumulate(bins)), rank)
    return float(round(2 ** ((number + 0.5) / 4) / 1000, 3))
