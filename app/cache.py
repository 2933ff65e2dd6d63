"""Answers that are good for a moment: taken once for all threads that ask meanwhile, failures too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")


class _Answer:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.at = float("-inf")
        self.value: Any = None
        self.error: Exception | None = None

    def take(self, ask: Callable[[], Any]) -> None:
        try:
            self.value, self.error = ask(), None
        except Exception as error:  # whoever waited for this answer gets the same, and does not wait as long again
            self.error = error
        self.at = time.monotonic()


class Cache:
    """By name. A neighbour that takes seconds to fail fails once for all, not for one thread after the other."""

    def __init__(self) -> None:
        self._answers: dict[str, _Answer] = {}

    def get(self, name: str, seconds: float, ask: Callable[[], _T]) -> _T:
        """The last answer if it is younger than that, else a new one. Raises what asking raised."""
        answer = self._answers.setdefault(name, _Answer())
        with answer.lock:
            if time.monotonic() - answer.at > seconds:
                answer.take(ask)
            if answer.error is not None:
                raise answer.error
            value: _T = answer.value
            return value

    def clear(self) -> None:
        self._answers.clear()
