"""What travels over the API about one job, as models: the OpenAPI document is made of them, and tests hold every
real answer against them. What the operator sends and sees stands in `operator_schemas`,
`statistics_schemas` and `command_schemas`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from app.domain.job import JobStatus, Priority

Time = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", json_schema_extra={"format": "date-time"}),
]
JobId = Annotated[str, Field(pattern=r"^job_[a-z][0-9a-z]{23}$", description="Whoever knows it may see the job.")]
Count = Annotated[int, Field(ge=0)]
SUCCESS = Field(description="Whether it went well, for clients that look at nothing else.")
PATH = "A path of this service."


class Document(BaseModel):
    """A JSON document with camelCase members and no others than those named."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Error(Document):
    """Why something failed and what to do next; the same object in problems, status documents and events."""

    type: str = Field(description="The family of the code.")
    code: str = Field(description="Stable and meant for programs; message and suggestion are meant for people.")
    message: str = Field(description="What happened, in a sentence.")
    suggestion: str = Field(description="What to do next, in a sentence.")
    retryable: bool = Field(
        description="The system will try again by itself, or the same request may be repeated. False in a failed job."
    )
    retry_count: Count = Field(description="How often the job was tried again before.")
    field: str | None = Field(None, description="The request field to blame, where it is one.")
    reference: str | None = Field(None, description="Of an internal error: the id under which it is in the log.")
    stack_trace: str | None = Field(None, description="For admins only.")


class Problem(Document):
    """An error as an HTTP answer (RFC 9457)."""

    type: str = Field(description="Stands for the code: a name, not an address to open.")
    title: str = Field(description="What the code means.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time.")
    instance: str | None = Field(None, description="The id of the request, as in X-Request-ID.")
    success: Literal[False] = SUCCESS
    error: Error = Field(description="What programs should look at.")


class UploadForm(Document):
    """The fields of an upload; others have no meaning."""

    model_config = ConfigDict(extra="ignore")

    file: Annotated[bytes, Field(json_schema_extra={"format": "binary"}, description="The file, with its name.")]
    priority: Priority = Field(Priority.MEDIUM, description="How soon it is read; `medium` if left out.")
    user_id: str | None = Field(None, max_length=128, description="A label, never an identity.")


class Accepted(Document):
    """The file is stored and its job waits."""

    success: Literal[True] = SUCCESS
    job_id: JobId
    message: str = Field(description="For people.")
    estimated_processing_time: str = Field(description="For people, as in `2-3 minutes`.")
    status_url: str = Field(description=PATH)
    events_url: str = Field(description=PATH)
    result_url: str = Field(description=PATH)
    status: JobStatus = Field(description="Of the job; a repeat with the same Idempotency-Key may find it done.")
    estimated_seconds: Count = Field(description="Until the text should be there.")


class Progress(Document):
    """How far a job is."""

    current_step: str = Field(description="For people.")
    percentage: Annotated[int, Field(ge=0, le=100)] = Field(
        description="Never goes back within a run; 100 only when completed."
    )
    details: str = Field(description="For people.")
    pages_done: Count = Field(description="Pages that were read.")
    pages_total: Count | None = Field(description="Pages that there are; null until that is known.")


class File(Document):
    """The file that was uploaded."""

    name: str = Field(description="The cleaned name that is shown to people.")
    size: Count = Field(description="Bytes.")
    type: str = Field(description="The media type of the content.")


class Timestamps(Document):
    """When things happened to a job."""

    created_at: Time = Field(description="It was accepted.")
    started_at: Time | None = Field(description="Its last attempt began.")
    completed_at: Time | None = Field(description="It ended, well or not.")
    updated_at: Time = Field(description="It changed last.")


class Waiting(Document):
    """Why a pending or retrying job waits."""

    reason: Literal["next", "behind_jobs", "no_worker", "paused", "backoff"] = Field(
        description="`no_worker`: none alive for this priority; `backoff`: until the next attempt is due."
    )
    jobs_ahead: Count = Field(description="Jobs that will be read before.")
    estimated_seconds: Count | None = Field(description="Until it is read; null where nobody can tell.")


class Warning(Document):
    """Something that the reader of the text should know."""

    code: Literal["no_text", "truncated", "pages_unreadable", "other_engine"] = Field(
        description="`no_text`: nothing to read, probably scanned; `truncated`: a limit was reached; "
        "`other_engine`: the second opinion was better."
    )
    message: str = Field(description="For people.")
    pages: list[int] | None = Field(None, description="The pages it is about.")


class Summary(Document):
    """What came out of the file, without its text."""

    pages: Count = Field(description="How many.")
    words: Count = Field(description="How many.")
    characters: Count = Field(description="How many.")
    title: str | None = Field(description="As the file says.")
    author: str | None = Field(description="As the file says.")
    preview: str = Field(max_length=1_000, description="The beginning of the text.")
    warnings: list[Warning] = Field(description="What the reader of the text should know.")
    text_url: str = Field(description=PATH)
    engine: str | None = Field(description="What read the file.")
    duration_ms: Count = Field(description="How long the reading took.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the uploaded bytes.")


class Status(Document):
    """Everything about one job."""

    success: Literal[True] = SUCCESS
    job_id: JobId
    status: JobStatus = Field(description="A job ends as `completed` or `failed`.")
    progress: Progress
    file: File
    timestamps: Timestamps
    priority: Priority
    user_id: str | None = Field(description="The label that the upload came with.")
    attempt: Annotated[int, Field(ge=1)] = Field(description="Grows by one with each failure that is retried.")
    max_attempts: Annotated[int, Field(ge=1)] = Field(description="After so many it has failed.")
    losses: Count = Field(description="How often in this run a worker died or froze with it.")
    next_retry_at: Time | None = Field(description="While retrying: when the next attempt is due.")
    version: Annotated[int, Field(ge=1)] = Field(description="The number of its last log entry.")
    waiting: Waiting | None = Field(None, description="While pending or retrying.")
    result: Summary | None = Field(None, description="When completed.")
    error: Error | None = Field(None, description="When failed or retrying.")


class Gone(Document):
    """There is no such job: a document that ends a client which looks at nothing but `status`."""

    success: Literal[False] = SUCCESS
    job_id: str = Field(description="The id that was asked for.")
    status: Literal["failed"] = Field(description="A status that ends whoever polls.")
    error: Error


class Event(Document):
    """One event of a stream: the fields of server-sent events, with the JSON of their data as text."""

    event: Literal["status", "waiting", "gone"] = Field(description="What is told.", examples=["gone"])
    data: str = Field(
        description="A Status, a WaitingEvent or a GoneEvent, in one line.",
        examples=['{"jobId":"job_nxulyyzc64noh4ihlsibsz4p"}'],
        json_schema_extra={
            "contentMediaType": "application/json",
            "contentSchema": {
                "oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("Status", "WaitingEvent", "GoneEvent")]
            },
        },
    )
    id: str = Field(
        "",
        description="For `Last-Event-ID`; an event without one cannot be gone on after.",
        examples=["fdd10d96dab7.X"],
    )


class WaitingEvent(Document):
    """The data of an event named `waiting`: a job's place in the queue is another."""

    job_id: JobId
    waiting: Waiting


class GoneEvent(Document):
    """The data of an event named `gone`: there is no such job, or no longer."""

    job_id: str = Field(description="The id that was asked for.")


class Text(Document):
    """The answer of the synchronous endpoint."""

    success: Literal[True] = SUCCESS
    job_id: JobId
    status: Literal["completed"] = Field(description="Anything else is answered otherwise.")
    result: Summary
    text: str = Field(description="The whole text, its pages joined with form feeds.")


class Page(Document):
    """One page of the text."""

    number: Annotated[int, Field(ge=1)] = Field(description="Counted from 1.")
    text: str = Field(description="What stands on it.")


class Result(Document):
    """The whole result."""

    success: Literal[True] = SUCCESS
    job_id: JobId
    file: File
    page_count: Count = Field(description="How many there are, whichever were asked for.")
    words: Count = Field(description="How many.")
    characters: Count = Field(description="How many.")
    title: str | None = Field(description="As the file says.")
    author: str | None = Field(description="As the file says.")
    preview: str = Field(max_length=1_000, description="The beginning of the text.")
    warnings: list[Warning] = Field(description="What the reader of the text should know.")
    text_url: str = Field(description=PATH)
    engine: str | None = Field(description="What read the file.")
    duration_ms: Count = Field(description="How long the reading took.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the uploaded bytes.")
    metadata: dict[str, Any] = Field(description="What else the file says of itself.")
    pages: list[Page] = Field(description="All of them, or the one that was asked for.")
