"""A neighbour that failed several times in a row is left alone for a while: who asks meanwhile is told so at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

FAILURES = 5
#: Seconds until one caller may try whether it answers again.
REST_SECONDS = 5.0


class Breaker:
    """Closed: everybody may ask. Open, after `FAILURES` in a row: nobody. Half open, after a rest: one may, as a probe."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next_probe = 0.0

    def lets_through(self) -> bool:
        """May the caller ask? Whoever was let through says how it ended."""
        with self._lock:
            if self._failures < FAILURES:
                return True
            if self._clock() < self._next_probe:
                return False
            self._next_probe = self._clock() + REST_SECONDS  # this one is the probe; the others wait for its outcome
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._next_probe = self._clock() + REST_SECONDS

    @property
    def seconds_left(self) -> float:
        """Until the next probe."""
        return max(0.0, self._next_probe - self._clock())
