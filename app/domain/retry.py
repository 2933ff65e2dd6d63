"""When a failed attempt is tried again: 60, 120, 240 seconds later, at most three times in a run."""

from __future__ import annotations

from dataclasses import dataclass

#: A worker that died or froze with a job costs it one of these; the last one ends the run as `poison`.
MAX_LOSSES = 3
#: A worker that is told to stop may hand a job back this often in a run; beyond it counts as a loss,
#: so that a fleet that restarts for ever cannot keep a job for ever.
MAX_GIVE_BACKS = 10


@dataclass(frozen=True)
class RetryPolicy:
    """How often and after how many seconds a retryable failure is tried again (`MAX_RETRIES`, `RETRY_BASE_SECONDS`)."""

    max_retries: int = 3
    base_seconds: float = 60.0

    @property
    def max_attempts(self) -> int:
        return self.max_retries + 1

    def delay_after(self, attempt: int) -> int | None:
        """Milliseconds to wait after that attempt (counted from 1) failed; None when it was the last."""
        if attempt > self.max_retries:
            return None
        return round(self.base_seconds * 1000) * (1 << (attempt - 1))
