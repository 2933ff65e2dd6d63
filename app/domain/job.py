"""The job: its record, its five states and every allowed way from one to another. Pure: time and tokens are passed in.

    pending ──claim──▶ processing ──complete──▶ completed
       ▲  ▲               │ │ └────fail─────▶ failed ──retry──▶ pending (a new run)
       │  └──give back────┘ └──fail, lose──▶ retrying ──claim (once due)──▶ processing
       └─ submit              cancel: from pending, processing and retrying to failed/cancelled

*pending*     accepted, its bytes stored; set by submit, by a give-back and by a retry of a failed job; left by a claim.
*processing*  a worker holds it under a claim; set by a claim; left by whoever holds the claim, by the sweep, by a cancel.
*retrying*    an attempt failed and another is due at `due_at`; set by a failure or a loss; left by a claim once due.
*completed*   the result is stored (from which a rebuild can set it too); nothing leaves it. Kept for RETENTION_DAYS.
*failed*      no further attempt is made, also after a cancel; left only by a retry somebody asks for. Kept likewise.

Its priority may change while it is pending or retrying. `queued_at` is since when it waits, where that is not since its
last change. Times are integer milliseconds since the epoch. Every transition gives a new record whose version is one higher.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from app.domain.retry import MAX_GIVE_BACKS, MAX_LOSSES, RetryPolicy
from app.errors import CATALOGUE

#: The shape of the stored record. A record with a higher number was written by a newer version and is left alone.
SCHEMA = 1
#: The percentage that a job shows at most as long as it is not completed.
MOST_BEFORE_THE_END = 99
#: How many past attempts a record remembers.
MAX_HISTORY = 50


class JobStatus(str, Enum):
    PENDING = "pending"
    PROCESSING = "processing"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        return self in (JobStatus.COMPLETED, JobStatus.FAILED)


class Priority(str, Enum):
    """In the order in which they are served."""

    URGENT = "urgent"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        return PRIORITIES.index(self)


PRIORITIES: tuple[Priority, ...] = tuple(Priority)


class WrongState(Exception):
    """The transition is not one that leads out of the job's present state."""


@dataclass(frozen=True)
class FileInfo:
    """The uploaded file: its display name, size in bytes, media type and SHA-256 (hex)."""

    name: str
    size: int
    type: str
    sha256: str


@dataclass(frozen=True)
class Progress:
    """What is being done, and the mark reached; within a run neither percentage nor pages go back."""

    step: str = "Waiting for a worker"
    percentage: int = 0
    details: str = ""
    pages_done: int = 0
    pages_total: int | None = None


@dataclass(frozen=True)
class Failure:
    """Why an attempt ended; `stack_trace` is for admins only."""

    code: str
    message: str
    suggestion: str
    retryable: bool
    stack_trace: str | None = None

    @property
    def type(self) -> str:
        return CATALOGUE[self.code].type

    @classmethod
    def of(cls, code: str, *, stack_trace: str | None = None) -> Failure:
        """The catalogue's own words for that code."""
        entry = CATALOGUE[code]
        return cls(code, entry.message, entry.suggestion, entry.retryable, stack_trace)


@dataclass(frozen=True)
class Claim:
    """Who holds the job: a token never used again (the fence), the holder's name and since when."""

    token: str
    holder: str
    since: int


@dataclass(frozen=True)
class Attempt:
    """One finished attempt; `outcome` is `completed`, `given_back`, `restored` (completed, as its result tells) or the
    code of the failure."""

    run: int
    number: int
    began: int
    ended: int
    outcome: str
    worker: str


@dataclass(frozen=True)
class Job:
    id: str
    priority: Priority
    file: FileInfo
    created_at: int
    updated_at: int
    status: JobStatus = JobStatus.PENDING
    user_id: str | None = None
    idempotency_key: str | None = None
    request_id: str | None = None
    version: int = 1
    run: int = 1
    attempt: int = 1
    losses: int = 0
    give_backs: int = 0
    progress: Progress = field(default_factory=Progress)
    started_at: int | None = None
    completed_at: int | None = None
    due_at: int | None = None
    queued_at: int | None = None
    claim: Claim | None = None
    failure: Failure | None = None
    result: Mapping[str, Any] | None = None
    result_token: str | None = None
    history: tuple[Attempt, ...] = ()
    schema: int = SCHEMA

    @classmethod
    def new(
        cls,
        job_id: str,
        *,
        priority: Priority,
        file: FileInfo,
        now: int,
        user_id: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
    ) -> Job:
        """`request_id` is the upload's own, so that what is logged of the job later can be found by it."""
        return cls(
            job_id, priority, file, now, now, user_id=user_id, idempotency_key=idempotency_key, request_id=request_id
        )

    @property
    def is_cancelled(self) -> bool:
        return self.status is JobStatus.FAILED and self.failure is not None and self.failure.code == "cancelled"

    @property
    def waits_since(self) -> int:
        """A retried job has waited since then only, one that changed its line for longer."""
        return self.due_at or self.queued_at or self.updated_at

    def is_held_under(self, token: str) -> bool:
        return self.status is JobStatus.PROCESSING and self.claim is not None and self.claim.token == token

    # ---- transitions ----------------------------------------------------------------------------------------

    def claimed(self, *, holder: str, token: str, now: int) -> Job:
        """A worker takes it. The attempt grows when the one before had failed by itself, not when it was lost."""
        self._must_be(JobStatus.PENDING, JobStatus.RETRYING)
        failed_before = self.status is JobStatus.RETRYING and (
            self.failure is None or self.failure.code != "worker_lost"
        )
        return self._next(
            now,
            status=JobStatus.PROCESSING,
            attempt=self.attempt + 1 if failed_before else self.attempt,
            claim=Claim(token, holder, now),
            started_at=now,
            due_at=None,
            failure=None,
            progress=replace(
                self.progress,
                step="Processing file",
                details=self.progress.details if self.progress.pages_done else "Opening the file",
            ),
        )

    def progressed(self, progress: Progress, *, now: int) -> Job:
        """A step further; the mark reached stands until it is passed."""
        self._must_be(JobStatus.PROCESSING)
        mark = self.progress
        ahead = progress.pages_done >= mark.pages_done
        kept = replace(
            progress,
            percentage=max(mark.percentage, min(progress.percentage, MOST_BEFORE_THE_END)),
            pages_done=max(mark.pages_done, progress.pages_done),
            pages_total=progress.pages_total or mark.pages_total,
            details=progress.details if ahead else mark.details,
        )
        return self._next(now, progress=kept)

    def completed(self, result: Mapping[str, Any], *, now: int) -> Job:
        """The result is stored under the claim's token."""
        self._must_be(JobStatus.PROCESSING)
        pages = int(result["pages"])
        return self._ended(
            now,
            "completed",
            status=JobStatus.COMPLETED,
            completed_at=now,
            result=result,
            result_token=self._token,
            progress=Progress("Completed", 100, "The text is ready", pages, pages),
        )

    def failed(self, failure: Failure, *, now: int, policy: RetryPolicy) -> Job:
        """The attempt reported a failure: another is due later if it is worth one and attempts are left."""
        self._must_be(JobStatus.PROCESSING)
        delay = policy.delay_after(self.attempt) if failure.retryable else None
        if delay is None:
            return self._given_up(failure, now=now)
        return self._ended(
            now,
            failure.code,
            status=JobStatus.RETRYING,
            due_at=now + delay,
            failure=failure,
            progress=replace(self.progress, step="Waiting to try again"),
        )

    def lost(self, *, now: int) -> Job:
        """Its worker died or froze: due again at once, and the third time in a run the file is to blame."""
        self._must_be(JobStatus.PROCESSING)
        losses = self.losses + 1
        if losses >= MAX_LOSSES:
            return replace(self._given_up(Failure.of("poison"), now=now, outcome="worker_lost"), losses=losses)
        return self._ended(
            now,
            "worker_lost",
            status=JobStatus.RETRYING,
            losses=losses,
            due_at=now,
            failure=Failure.of("worker_lost"),
            progress=replace(self.progress, step="Waiting to try again"),
        )

    def given_back(self, *, now: int) -> Job:
        """Its worker was told to stop: back to waiting, nothing counted, unless that happened too often."""
        self._must_be(JobStatus.PROCESSING)
        if self.give_backs >= MAX_GIVE_BACKS:
            return self.lost(now=now)
        return self._ended(
            now,
            "given_back",
            status=JobStatus.PENDING,
            give_backs=self.give_backs + 1,
            started_at=None,
            progress=replace(self.progress, step="Waiting for a worker"),
        )

    def cancelled(self, *, now: int) -> Job:
        self._must_be(JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.RETRYING)
        return self._given_up(Failure.of("cancelled"), now=now)

    def retried(self, *, now: int) -> Job:
        """Somebody asks for another try: of a failed job as a new run, of a retrying one now, in the same run."""
        if self.status is JobStatus.RETRYING:
            return self._next(now, due_at=now)
        self._must_be(JobStatus.FAILED)
        return self._next(
            now,
            status=JobStatus.PENDING,
            run=self.run + 1,
            attempt=1,
            losses=0,
            give_backs=0,
            progress=Progress(),
            started_at=None,
            completed_at=None,
            due_at=None,
            failure=None,
        )

    def reprioritized(self, priority: Priority, *, now: int) -> Job:
        """It waits in another line from now on, behind those of its owner; it has waited as long."""
        self._must_be(JobStatus.PENDING, JobStatus.RETRYING)
        return self._next(now, priority=priority, queued_at=self.queued_at or self.updated_at)

    # ---- shared steps ---------------------------------------------------------------------------------------

    @property
    def _token(self) -> str:
        assert self.claim is not None  # noqa: S101 - a processing job always has one
        return self.claim.token

    def _must_be(self, *allowed: JobStatus) -> None:
        if self.status not in allowed:
            raise WrongState(f"{self.id} is {self.status.value}")

    def _next(self, now: int, **changes: Any) -> Job:
        return replace(self, version=self.version + 1, updated_at=now, **{"queued_at": None, **changes})

    def _ended(self, now: int, outcome: str, **changes: Any) -> Job:
        """The claim, if there is one, goes into the history."""
        history = self.history
        if self.claim is not None:
            ended = Attempt(self.run, self.attempt, self.claim.since, now, outcome, self.claim.holder)
            history = (*history, ended)[-MAX_HISTORY:]
        return self._next(now, claim=None, history=history, **changes)

    def _given_up(self, failure: Failure, *, now: int, outcome: str | None = None) -> Job:
        """Failed for good. `retryable` speaks of what the system will do by itself: nothing any more."""
        return self._ended(
            now,
            outcome or failure.code,
            status=JobStatus.FAILED,
            completed_at=now,
            due_at=None,
            failure=replace(failure, retryable=False),
            progress=replace(
                self.progress, step="Cancelled" if failure.code == "cancelled" else "Failed", details=failure.message
            ),
        )
