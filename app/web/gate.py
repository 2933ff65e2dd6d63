"""How many threads of a web process may be held at once: a server whose threads all wait for jobs answers nobody."""

from __future__ import annotations

import threading
from collections import Counter
from types import TracebackType
from typing import cast

from flask import current_app
from typing_extensions import Self


class Place:
    """One of a budget's places; given back once, however often it is asked to."""

    def __init__(self, budget: Budget, kind: str) -> None:
        self._budget: Budget | None = budget
        self._kind = kind

    def release(self) -> None:
        budget, self._budget = self._budget, None
        if budget is not None:
            budget.give_back(self._kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Budget:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken_by: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        return self.taken_by.total()

    def take(self, kind: str = "other") -> Place | None:
        """A place, or None when all are taken; whoever takes one releases it. `kind` is a word for the metrics."""
        with self._lock:
            if self.taken >= self.limit:
                return None
            self.taken_by[kind] += 1
        return Place(self, kind)

    def give_back(self, kind: str) -> None:
        with self._lock:
            self.taken_by[kind] -= 1


class Gate:
    """`held`: streams, long polls, synchronous uploads and batches together; `uploads`: bodies being read."""

    def __init__(self, threads: int) -> None:
        self.held = Budget(threads * 3 // 4)
        self.uploads = Budget(threads // 2)


def gate() -> Gate:
    return cast(Gate, current_app.extensions["gate"])
