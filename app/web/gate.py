"""How many threads of a web process may be held at once: a server whose threads all wait for jobs answers nobody."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import cast

from flask import current_app
from typing_extensions import Self


class Place:
    """One of a budget's places; given back once, however often it is asked to."""

    def __init__(self, budget: Budget) -> None:
        self._budget: Budget | None = budget

    def release(self) -> None:
        budget, self._budget = self._budget, None
        if budget is not None:
            budget.give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Budget:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._lock = threading.Lock()

    def take(self) -> Place | None:
        """A place, or None when all are taken; whoever takes one releases it."""
        with self._lock:
            if self.taken >= self.limit:
                return None
            self.taken += 1
        return Place(self)

    def give_back(self) -> None:
        with self._lock:
            self.taken -= 1


class Gate:
    """`held`: streams, long polls, synchronous uploads and batches together; `uploads`: bodies being read."""

    def __init__(self, threads: int) -> None:
        self.held = Budget(threads * 3 // 4)
        self.uploads = Budget(threads // 2)


def gate() -> Gate:
    return cast(Gate, current_app.extensions["gate"])
