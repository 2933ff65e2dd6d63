"""What the service says, as types; every member is told in docs/api.md of the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypedDict

Priority = Literal["urgent", "high", "medium", "low"]
State = Literal["pending", "processing", "retrying", "completed", "failed"]


class Error(TypedDict):
    type: str
    code: str
    message: str
    suggestion: str
    retryable: bool
    retryCount: int


class Accepted(TypedDict):
    success: bool
    jobId: str
    message: str
    estimatedProcessingTime: str
    statusUrl: str
    eventsUrl: str
    resultUrl: str
    status: State
    estimatedSeconds: int


class Progress(TypedDict):
    currentStep: str
    percentage: int
    details: str
    pagesDone: int
    pagesTotal: int | None


class File(TypedDict):
    name: str
    size: int
    type: str


class Timestamps(TypedDict):
    createdAt: str
    startedAt: str | None
    completedAt: str | None
    updatedAt: str


class Waiting(TypedDict):
    reason: Literal["next", "behind_jobs", "no_worker", "paused", "backoff"]
    jobsAhead: int
    estimatedSeconds: int | None


class Warning(TypedDict, total=False):
    code: str
    message: str
    pages: list[int]


class _Read(TypedDict):
    words: int
    characters: int
    title: str | None
    author: str | None
    preview: str
    warnings: list[Warning]
    textUrl: str
    engine: str | None
    durationMs: int
    sha256: str


class Summary(_Read):
    pages: int


class Page(TypedDict):
    number: int
    text: str


class Result(_Read):
    success: bool
    jobId: str
    file: File
    pageCount: int
    metadata: dict[str, Any]
    pages: list[Page]


class _Status(TypedDict):
    success: bool
    jobId: str
    status: State
    progress: Progress
    file: File
    timestamps: Timestamps
    priority: Priority
    userId: str | None
    attempt: int
    maxAttempts: int
    losses: int
    nextRetryAt: str | None
    version: int


class Status(_Status, total=False):
    """`waiting` while pending or retrying, `result` when completed, `error` when failed or retrying."""

    waiting: Waiting
    result: Summary
    error: Error


@dataclass(frozen=True)
class Event:
    """`name` is `status` (then `data` is a `Status`), `waiting` or `gone`; `id` is what a stream can go on after."""

    name: str
    data: Any
    id: str

    @property
    def is_last(self) -> bool:
        """Whether its job has ended."""
        return self.name == "gone" or (self.name == "status" and self.data["status"] in ("completed", "failed"))
