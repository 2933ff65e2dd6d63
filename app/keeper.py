"""The second clock of a process that works on jobs: one thread that ticks, ten times a second, what is being kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog

from app.errors import QueueUnavailable

TICK_SECONDS = 0.1

log = structlog.get_logger()


class Kept(Protocol):
    def tick(self) -> None: ...


class Keeper:
    """The thread. What is kept is ticked until it is let go of; an error of one does not stop the others."""

    def __init__(self) -> None:
        self._kept: list[Kept] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @contextmanager
    def keeping(self, *things: Kept) -> Iterator[None]:
        self._start()
        self._kept = [*self._kept, *things]
        try:
            yield
        finally:
            gone = {id(thing) for thing in things}
            self._kept = [thing for thing in self._kept if id(thing) not in gone]

    def keep(self, thing: Kept) -> None:
        """For as long as the process lives."""
        self._start()
        self._kept = [*self._kept, thing]

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            self.tick()

    def tick(self) -> None:
        """Once over everything kept; what the thread does ten times a second."""
        for thing in self._kept:
            try:
                thing.tick()
            except QueueUnavailable:
                pass  # the next tick tries again
            except Exception:
                log.exception("keeper_failed", kept=type(thing).__name__)
