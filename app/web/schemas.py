"""What travels over the API about one job, as models: the OpenAPI document is made of them, and tests hold every
real answer against them. What the operator sends and sees stands in `operator_schemas`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from app.domain.job import JobStatus, Priority

Time = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", json_schema_extra={"format": "date-time"}),
]
JobId = Annotated[str, Field(pattern=r"^job_[a-z][0-9a-z]{23}$")]
Count = Annotated[int, Field(ge=0)]


class Document(BaseModel):
    """A JSON document with camelCase members and no others than those named."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Error(Document):
    """Why something failed and what to do next; the same object in problems, status documents and events."""

    type: str
    code: str = Field(description="Stable and meant for programs; message and suggestion are meant for people.")
    message: str
    suggestion: str
    retryable: bool = Field(
        description="The system will try again by itself, or the same request may be repeated. False in a failed job."
    )
    retry_count: Count
    field: str | None = Field(None, description="The request field to blame, where it is one.")
    reference: str | None = Field(None, description="Of an internal error: the id under which it is in the log.")
    stack_trace: str | None = Field(None, description="For admins only.")


class Problem(Document):
    """An error as an HTTP answer (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    success: Literal[False]
    error: Error


class UploadForm(Document):
    """The fields of an upload."""

    file: Annotated[bytes, Field(json_schema_extra={"format": "binary"})]
    priority: Priority = Priority.MEDIUM
    user_id: str | None = Field(None, max_length=128, description="A label, never an identity.")


class Accepted(Document):
    """The file is stored and its job waits."""

    success: Literal[True]
    job_id: JobId
    message: str
    estimated_processing_time: str = Field(examples=["2-3 minutes"])
    status_url: str = Field(description="A path.")
    events_url: str = Field(description="A path.")
    result_url: str = Field(description="A path.")
    status: JobStatus
    estimated_seconds: Count


class Progress(Document):
    current_step: str
    percentage: Annotated[int, Field(ge=0, le=100)] = Field(
        description="Never goes back within a run; 100 only when completed."
    )
    details: str
    pages_done: Count
    pages_total: Count | None


class File(Document):
    name: str = Field(description="The cleaned name that is shown to people.")
    size: Count = Field(description="Bytes.")
    type: str = Field(description="The media type of the content.")


class Timestamps(Document):
    created_at: Time
    started_at: Time | None
    completed_at: Time | None
    updated_at: Time


class Waiting(Document):
    """Why a pending or retrying job waits."""

    reason: Literal["next", "behind_jobs", "no_worker", "paused", "backoff"]
    jobs_ahead: Count
    estimated_seconds: Count | None


class Warning(Document):
    """Something that the reader of the text should know."""

    code: Literal["no_text", "truncated", "pages_unreadable", "other_engine"]
    message: str
    pages: list[int] | None = Field(None, description="The pages it is about.")


class Summary(Document):
    """What came out of the file, without its text."""

    pages: Count = Field(description="How many.")
    words: Count
    characters: Count
    title: str | None
    author: str | None
    preview: str = Field(max_length=1_000, description="The beginning of the text.")
    warnings: list[Warning]
    text_url: str
    engine: str | None = Field(description="What read the file.")
    duration_ms: Count
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the uploaded bytes.")


class Status(Document):
    """Everything about one job."""

    success: Literal[True]
    job_id: JobId
    status: JobStatus
    progress: Progress
    file: File
    timestamps: Timestamps
    priority: Priority
    user_id: str | None
    attempt: Annotated[int, Field(ge=1)] = Field(description="Grows by one with each failure that is retried.")
    max_attempts: Annotated[int, Field(ge=1)]
    losses: Count = Field(description="How often in this run a worker died or froze with it.")
    next_retry_at: Time | None
    version: Annotated[int, Field(ge=1)] = Field(description="The number of its last log entry.")
    waiting: Waiting | None = Field(None, description="While pending or retrying.")
    result: Summary | None = Field(None, description="When completed.")
    error: Error | None = Field(None, description="When failed or retrying.")


class Gone(Document):
    """There is no such job: a document that ends a client which looks at nothing but `status`."""

    success: Literal[False]
    job_id: str
    status: Literal["failed"]
    error: Error


class Text(Document):
    """The answer of the synchronous endpoint."""

    success: Literal[True]
    job_id: JobId
    status: Literal["completed"]
    result: Summary
    text: str


class Page(Document):
    number: Annotated[int, Field(ge=1)]
    text: str


class Result(Document):
    """The whole result."""

    success: Literal[True] = True
    job_id: JobId
    file: File
    page_count: Count
    words: Count
    characters: Count
    title: str | None
    author: str | None
    preview: str
    warnings: list[Warning]
    text_url: str
    engine: str | None
    duration_ms: Count
    sha256: str
    metadata: dict[str, Any]
    pages: list[Page]
