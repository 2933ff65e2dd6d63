"""The waiting jobs as one line: how many, where one stands in it, how fast it moves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import redis

from app.adapters.redis_client import PREFIX, translated
from app.domain.job import PRIORITIES, Job, Priority

#: The mean of a run is taken over that many of the latest.
LATEST_RUNS = 50


class WaitingLine:
    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def depths(self) -> dict[Priority, int]:
        """How many jobs of each priority wait."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for priority in PRIORITIES:
                pipe.zcard(f"{PREFIX}waiting:{priority.value}")
            return dict(zip(PRIORITIES, pipe.execute(), strict=True))

    def length(self) -> int:
        return sum(self.depths().values())

    def rank(self, job: Job) -> int | None:
        """How many of its own priority stand before it; None if it does not stand in the line."""
        with translated():
            rank: Any = self._redis.zrank(f"{PREFIX}waiting:{job.priority.value}", job.id)
        return None if rank is None else int(rank)

    def ranks(self, jobs: Sequence[Job]) -> list[int | None]:
        """The same of many, in the order asked for, in one round trip."""
        if not jobs:
            return []
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for job in jobs:
                pipe.zrank(f"{PREFIX}waiting:{job.priority.value}", job.id)
            return [None if rank is None else int(rank) for rank in pipe.execute()]

    def risen(self, *, now: int, aging_ms: int) -> dict[tuple[Priority, Priority], int]:
        """How many of the lower priority (first) have waited so long that they count for the higher one (second) or
        one above it; `now` in ms."""
        pairs = [(low, high) for low in PRIORITIES for high in PRIORITIES if high.rank < low.rank]
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for low, high in pairs:
                pipe.zcount(f"{PREFIX}since:{low.value}", "-inf", now - aging_ms * (low.rank - high.rank))
            return dict(zip(pairs, pipe.execute(), strict=True))

    def mean_run_seconds(self) -> float | None:
        """How long the latest runs took, in seconds; None while there is none."""
        with translated():
            rows: Any = self._redis.lrange(f"{PREFIX}recent", 0, LATEST_RUNS - 1)
        runs = [json.loads(row)[2] for row in rows]
        return sum(runs) / len(runs) / 1000 if runs else None
