"""A Redis client whose round trips are timed. Only how long they took is kept, and of what kind they were."""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import Any

import redis
from redis.client import Pipeline

from app.adapters.meter import Meter

#: What counts as a failure of Redis; that it refuses one command is none.
FAILURES = (redis.ConnectionError, redis.TimeoutError)


class TimedRedis(redis.Redis):
    """As `redis.Redis`; `meter` is set by the maker of clients, and without one nothing is timed."""

    meter: Meter | None = None

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if self.meter is None:
            return super().execute_command(*args, **options)
        with self.meter.timing("redis", "script" if args[0] in ("EVALSHA", "EVAL") else "command", *FAILURES):
            return super().execute_command(*args, **options)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        made = _TimedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        made.meter = self.meter
        return made


class _TimedPipeline(Pipeline):
    meter: Meter | None = None

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        if self.meter is None:
            return super().execute(raise_on_error)
        with self.meter.timing("redis", "pipeline", *FAILURES):
            return super().execute(raise_on_error)
