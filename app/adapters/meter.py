"""How long this process's calls to its neighbours take, and how many fail: a few hundred numbers in memory at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from app.adapters.buckets import CALL_BOUNDS, observed


class Meter:
    """Threads share one. Names are ours and few: `<neighbour>:<operation>`."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def timing(self, neighbour: str, operation: str, *failures: type[Exception]) -> Iterator[None]:
        """Times what is inside; an exception of one of those classes is counted as the neighbour's failure."""
        began = time.perf_counter()
        try:
            yield
        except failures:
            self.add({f"{neighbour}:failures": 1})
            raise
        finally:
            self.add(observed(f"{neighbour}:{operation}", time.perf_counter() - began, CALL_BOUNDS))

    def add(self, counts: Mapping[str, int]) -> None:
        with self._lock:
            for name, amount in counts.items():
                self._counts[name] = self._counts.get(name, 0) + amount

    def counts(self) -> dict[str, int]:
        """Since the start, or since the last `take`."""
        with self._lock:
            return dict(self._counts)

    def take(self) -> dict[str, int]:
        """The counts, which begin anew: whoever takes them hands them on, or adds them again."""
        with self._lock:
            taken, self._counts = self._counts, {}
        return taken
