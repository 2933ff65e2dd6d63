"""Counts that only grow, in one hash in Redis, so that they outlive every process and are the same for all that ask.

What one step of a job adds is decided here and written by the script that takes the step, so that no end is counted
twice and none is missed; the calls of processes (`meter`) are added as they report them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis

from app.adapters.buckets import JOB_BOUNDS, observed
from app.adapters.history import outcome_of, run_that_ended
from app.adapters.redis_client import PREFIX, translated
from app.domain.job import Job, JobStatus

TOTALS = f"{PREFIX}totals"


def step_counts(old: Job, new: Job) -> dict[str, int]:
    """What the step from one record to the next adds; nothing for most."""
    if old.claim is not None and new.claim is not None:
        return {}  # progress
    counts: dict[str, int] = {}
    if new.status.is_final and not old.status.is_final:
        counts[f"ended:{outcome_of(new)}:{new.failure.code if new.failure else ''}"] = 1
        counts |= _times(old, new)
    if old.status is JobStatus.PROCESSING:
        if new.losses > old.losses:
            counts["losses"] = 1
        elif new.status is JobStatus.RETRYING and new.failure is not None:
            counts[f"retries:{new.failure.code}"] = 1
        elif new.give_backs > old.give_backs:
            counts["give_backs"] = 1
    return counts


def _times(old: Job, new: Job) -> dict[str, int]:
    run = run_that_ended(old, new)
    if run is None:
        return {}
    times = observed("run", max(0, run.ran) / 1000, JOB_BOUNDS)
    return times if run.waited is None else times | observed("wait", max(0, run.waited) / 1000, JOB_BOUNDS)


class Counters:
    """All methods raise QueueUnavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def add(self, counts: Mapping[str, int]) -> None:
        """One round trip; a count that is sent twice because its answer was lost is counted twice."""
        if not counts:
            return
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for name, amount in counts.items():
                pipe.hincrby(TOTALS, name, amount)
            pipe.execute()

    def read(self) -> dict[str, int]:
        with translated():
            found: Any = self._redis.hgetall(TOTALS)
        return {name.decode(): int(amount) for name, amount in found.items()}
