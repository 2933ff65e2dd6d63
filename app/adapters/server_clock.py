"""The time by Redis's clock, which is the same for all machines; asked at most once a second."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis

from app.adapters.redis_client import translated


class ServerClock:
    """In milliseconds. `given` replaces it: tests pass the time in."""

    def __init__(self, client: redis.Redis, given: Callable[[], int] | None = None) -> None:
        self._redis, self._given = client, given
        self._measured: tuple[float, int] | None = None

    def now(self) -> int:
        """Measured at most once a second, carried on by the monotonic clock. Raises QueueUnavailable."""
        if self._given:
            return self._given()
        if self._measured is None or time.monotonic() - self._measured[0] > 1:
            with translated():
                seconds, micros = self._redis.time()
            self.told(seconds * 1000 + micros // 1000)
        return self.known_now()

    def known_now(self) -> int:
        """The same without asking the server, however old the measurement is; asks if there is none."""
        if self._given or self._measured is None:
            return self.now()
        at, server = self._measured
        return server + int((time.monotonic() - at) * 1000)

    def told(self, now: int) -> None:
        """An answer of the server's told the time by the way."""
        self._measured = (time.monotonic(), now)

    def argument(self) -> int | str:
        """What scripts are given for the time: nothing, so that they ask the server, unless a test passes one in."""
        return self._given() if self._given else ""
