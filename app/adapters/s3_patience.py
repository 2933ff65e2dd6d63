"""How long a caller waits for the store, and how it asks again: with a growing pause and some chance in it, so that
many who were refused together do not come back together."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from app.adapters.breaker import Breaker
from app.adapters.s3_errors import Meaning
from app.errors import StorageUnavailable

_T = TypeVar("_T")
log = structlog.get_logger()
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class Refusal(Exception):
    """What the store, or the way to it, answered instead of an answer."""

    def __init__(self, code: str | int, meaning: Meaning) -> None:
        super().__init__(str(code))
        self.code, self.meaning = code, meaning


@dataclass(frozen=True)
class Patience:
    """`seconds` for everything that one step asks, of which a single request may take `answer_seconds` in silence; the
    first one may do so even where that is longer."""

    seconds: float
    answer_seconds: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def asks(self, step: Callable[[float], _T]) -> _T:
        """What `step` gives, which is told how many seconds it may wait for an answer; a `Refusal` that may pass is
        asked again until the patience is over, then raised."""
        give_up, longest, silence = self.clock() + self.seconds, _FIRST_PAUSE, self.answer_seconds
        while True:
            try:
                return step(silence)
            except Refusal as refusal:
                pause = self.chance() * longest
                if refusal.meaning.permanent or self.clock() + pause >= give_up:
                    raise
            self.sleep(pause)
            silence = min(self.answer_seconds, give_up - self.clock())
            longest = min(2 * longest, _LONGEST_PAUSE)


@dataclass(frozen=True)
class Caller:
    """Patience, and a breaker that spares it where the store has just failed others; errors come out as ours."""

    patience: Patience
    breaker: Breaker | None = None

    def ask(self, step: Callable[[float], _T]) -> _T:
        """Raises StorageUnavailable, StorageFailed."""
        if self.breaker and not self.breaker.lets_through():
            raise StorageUnavailable("storage_unavailable", retry_after=1 + int(self.breaker.seconds_left))
        try:
            found = self.patience.asks(step)
        except Refusal as refusal:
            self._note(refusal)
            raise refusal.meaning.error() from refusal
        if self.breaker:
            self.breaker.succeeded()
        return found

    def _note(self, refusal: Refusal) -> None:
        """What is refused for good was answered; and whether it is a failure at all, its asker knows."""
        if not refusal.meaning.permanent:
            log.warning("storage_failed", reason=str(refusal.code))
        elif refusal.meaning.suggestion:
            log.warning("storage_refused", reason=str(refusal.code))
        if self.breaker:
            self.breaker.succeeded() if refusal.meaning.permanent else self.breaker.failed()
