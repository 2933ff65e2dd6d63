"""The minute batch as the operator sees it: how the last ones ended, whether one runs, and when the next is due."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from app.adapters.job_queues import BATCH_DELIVERY_ID
from app.adapters.redis_client import PREFIX, Script, translated

#: How many past batches are remembered.
RUNS = 10
#: Where rq-scheduler keeps what is due (seconds since the epoch); a test compares it with the one that is installed.
SCHEDULED = "rq:scheduler:scheduled_jobs"
#: A batch that is due for longer than that (ms) is not about to run: no scheduler is alive.
OVERDUE_MS = 10_000
_RUNS_KEY = f"{PREFIX}batch:runs"


@dataclass(frozen=True)
class BatchRun:
    """A batch that ended at `at` (ms) as `ok` or with an error's code; `by` is `cron` or `schedule`."""

    at: int
    outcome: str
    by: str
    numbers: Mapping[str, int]


@dataclass(frozen=True)
class BatchState:
    """When the last batch ended (ms), what it did, and whether one runs now; `runs` newest first. `next_run_at` (ms) is
    None where none is scheduled, or nobody is there to run it."""

    last_run_at: int | None
    last_result: Mapping[str, Any] | None
    lock_held: bool
    runs: tuple[BatchRun, ...]
    next_run_at: int | None


class BatchNotes:
    """All methods raise QueueUnavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._note = Script(client, "note_batch")

    def note(self, run: BatchRun) -> None:
        result = json.dumps({"outcome": run.outcome, **run.numbers})
        self._note("", run.at, result, run.outcome, json.dumps([run.at, run.outcome, run.by, dict(run.numbers)]), RUNS)

    def state(self, now: int) -> BatchState:
        """`now` in ms."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            pipe.hmget(f"{PREFIX}batch", "lastRunAt", "lastResult")
            pipe.exists(f"{PREFIX}batch:lock")
            pipe.lrange(_RUNS_KEY, 0, RUNS - 1)
            pipe.zscore(SCHEDULED, BATCH_DELIVERY_ID)
            (last_run_at, last_result), held, runs, due = pipe.execute()
        return BatchState(
            last_run_at=int(last_run_at) if last_run_at else None,
            last_result=json.loads(last_result) if last_result else None,
            lock_held=bool(held),
            runs=tuple(BatchRun(*json.loads(run)) for run in runs),
            next_run_at=_next_run_at(due, now),
        )


def _next_run_at(due: float | None, now: int) -> int | None:
    at = None if due is None else round(due * 1000)
    return None if at is None or at < now - OVERDUE_MS else at
