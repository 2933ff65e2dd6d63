"""How a process is told to stop, by a signal at any moment, and what comes of the job in its hands."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import Protocol

#: A job in hand when the process is told to stop may end by itself within that many seconds.
STOP_GRACE_SECONDS = 5.0


class Parsing(Protocol):
    """What is stopped: the process, of which a parser may be at work."""

    def kill_parser(self) -> None: ...


class Stopper:
    """Told to stop: what is in hand may end within a grace, then its parser is killed, and the job is given back."""

    def __init__(self, process: Parsing) -> None:
        self._process = process
        # an Event may be held by the very thread that a signal interrupts
        self._told: SimpleQueue[None] = SimpleQueue()
        self._kill_at = float("inf")

    @property
    def is_set(self) -> bool:
        return self._kill_at < float("inf")

    def stop(self, grace: float = STOP_GRACE_SECONDS) -> None:
        """Safe in a signal handler: it only notes the time."""
        self._kill_at = time.monotonic() + grace
        self._told.put(None)

    def wait(self, seconds: float) -> bool:
        """True at once when told to stop, False after that many seconds."""
        try:
            self._told.get(timeout=seconds)
        except Empty:
            return False
        self._told.put(None)  # for whoever else waits
        return True

    def tick(self) -> None:
        if time.monotonic() > self._kill_at:
            self._process.kill_parser()
