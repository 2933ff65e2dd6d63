"""The queue in numbers: how many jobs, how long they wait, how fast they go. Counts are sizes of sorted sets, so that
they cost the same with a million records as with ten."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import redis

from app.adapters.history import Quantiles
from app.adapters.redis_client import PREFIX, translated
from app.domain.job import PRIORITIES, Priority
from app.errors import CATALOGUE

HOUR_MS = 3_600_000
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Counts:
    total: int
    pending: int
    processing: int
    retrying: int
    completed: int
    failed: int
    cancelled: int
    last_processed_at: int | None


@dataclass(frozen=True)
class Depth:
    """Of one priority: how many wait, and since when (ms) the longest of them has waited."""

    waiting: int
    oldest_since: int | None
    paused: bool


@dataclass(frozen=True)
class Performance:
    """Jobs ended in the last minute; share of failed ones (cancelled left out) among those ended in the last hour;
    how long the last 500 ran, and how long they had waited before their first attempt."""

    jobs_per_minute: int
    error_rate: float
    run_seconds: Quantiles
    wait_seconds: Quantiles


class QueueNumbers:
    """All methods raise QueueUnavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def counts(self) -> Counts:
        """At one moment, so that they add up."""
        places = ("jobs", "pending", "leases", "retrying", "ended:completed", "ended:failed", "ended:cancelled")
        with translated():
            pipe = self._redis.pipeline(transaction=True)
            for place in places:
                pipe.zcard(f"{PREFIX}{place}")
            pipe.lindex(f"{PREFIX}recent", 0)
            total, pending, processing, retrying, completed, failed, cancelled, last = pipe.execute()
        return Counts(
            total=total,
            pending=pending,
            processing=processing,
            retrying=retrying,
            completed=completed,
            failed=failed,
            cancelled=cancelled,
            last_processed_at=int(json.loads(last)[0]) if last else None,
        )

    def depths(self) -> dict[Priority, Depth]:
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for priority in PRIORITIES:
                pipe.zcard(f"{PREFIX}waiting:{priority.value}")
                pipe.zrange(f"{PREFIX}since:{priority.value}", 0, 0, withscores=True)
                pipe.sismember(f"{PREFIX}paused", priority.value)
            rows = pipe.execute()
        triples = [rows[3 * n : 3 * n + 3] for n in range(len(PRIORITIES))]
        return {
            priority: Depth(waiting, int(oldest[0][1]) if waiting and oldest else None, bool(paused))
            for priority, (waiting, oldest, paused) in zip(PRIORITIES, triples, strict=True)
        }

    def performance(self, now: int) -> Performance:
        """`now` in ms."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for since in (now - MINUTE_MS, now - HOUR_MS):
                for status in ("completed", "failed", "cancelled"):
                    pipe.zcount(f"{PREFIX}ended:{status}", since, "+inf")
            pipe.lrange(f"{PREFIX}recent", 0, -1)
            completed_now, failed_now, _, completed, failed, cancelled, recent = pipe.execute()
        rows = json.loads(b"[%s]" % b",".join(recent))
        errors = max(0, failed - cancelled)
        return Performance(
            jobs_per_minute=completed_now + failed_now,
            error_rate=round(errors / (completed + errors), 4) if completed + errors else 0.0,
            run_seconds=_quantiles([row[2] for row in rows]),
            wait_seconds=_quantiles([row[3] for row in rows if row[3] >= 0]),
        )

    def count_ended_before(self, when: int) -> int:
        """How many jobs ended at that time (ms) or earlier."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for status in ("completed", "failed"):
                pipe.zcount(f"{PREFIX}ended:{status}", "-inf", when)
            return sum(pipe.execute())

    def failures_by_code(self) -> dict[str, int]:
        """Of all failed jobs that are kept, the cancelled ones too; most frequent first, codes without any left out."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for code in CATALOGUE:
                pipe.zcard(f"{PREFIX}failed:{code}")
            counts = dict(zip(CATALOGUE, pipe.execute(), strict=True))
        return {code: counts[code] for code in sorted(counts, key=lambda code: (-counts[code], code)) if counts[code]}


def _quantiles(milliseconds: Sequence[float]) -> Quantiles:
    if not milliseconds:
        return Quantiles(None, None)
    ordered = sorted(milliseconds)
    at = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95)]
    return Quantiles(*(round(value / 1000, 3) for value in at))
