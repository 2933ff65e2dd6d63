"""What the operator sees, as models: jobs, statistics, the history. What he commands stands in `command_schemas`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from app.domain.job import JobStatus, Priority
from app.errors import CATALOGUE
from app.web.schemas import Count, Document, JobId, Status, Time


def _known_code(code: str) -> str:
    if code not in CATALOGUE:
        raise ValueError("It should be one of the error codes of this API.")
    return code


def plain_digits(text: object) -> object:
    """A query's number is written in digits; the model's own reading would take ` 7 `, `7.0` and `1_0` too."""
    if isinstance(text, str) and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError("It should be a whole number.")
    return text


Code = Annotated[str, Field(max_length=64), AfterValidator(_known_code)]
Label = Annotated[str, Field(min_length=1, max_length=128)]


# ---- the list of jobs ------------------------------------------------------------------------------------------


class JobQuery(Document):
    """The query of the job list."""

    model_config = ConfigDict(extra="ignore")

    status: JobStatus | None = Field(None, description="Jobs in that state.", examples=["failed"])
    user_id: Label | None = Field(None, description="Jobs with that label.", examples=["user123"])
    priority: Priority | None = Field(None, description="Jobs of that priority.", examples=["high"])
    code: Code | None = Field(None, description="The code of the job's error.", examples=["encrypted_document"])
    q: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="Part of the file's name.", examples=["script"]
    )
    limit: Annotated[int, BeforeValidator(plain_digits), Field(ge=1, le=200)] = Field(
        50, description="Jobs on a page.", examples=[100]
    )
    cursor: Annotated[str, Field(max_length=200)] | None = Field(
        None,
        description="The `nextCursor` of the page before.",
        examples=["MTc5NTUzMDI4MzUwOC5qb2Jfbnh1bHl5emM2NG5vaDRpaGxzaWJzejRw"],
    )


class JobList(Document):
    success: Literal[True]
    jobs: list[Status] = Field(description="Newest first by creation.")
    next_cursor: str | None = Field(
        description="Goes on after the last; null at the end. A page may hold fewer than asked for and still have one."
    )


class PastAttempt(Document):
    """One that ended; a job whose worker was told to stop has more of them than `attempt` says."""

    run: Annotated[int, Field(ge=1)] = Field(description="Begins anew when a failed job is retried.")
    attempt: Annotated[int, Field(ge=1)]
    started_at: Time
    ended_at: Time
    outcome: str = Field(description="completed, given_back, or the code of the failure.")
    worker: str
    seconds: Annotated[float, Field(ge=0)]


class Claim(Document):
    worker: str
    since: Time


class JobHistory(Document):
    """One job with everything that is kept of it."""

    success: Literal[True]
    job: Status
    sha256: str = Field(description="Of the uploaded bytes.")
    history: list[PastAttempt] = Field(max_length=50, description="Oldest first, the last fifty.")
    claim: Claim | None = Field(description="Who works on it now.")
    due_at: Time | None = Field(description="When the next attempt is due, while retrying.")
    give_backs: Count = Field(description="How often in this run a worker that was told to stop gave it back.")


# ---- statistics ------------------------------------------------------------------------------------------------


class Queue(Document):
    total_jobs: Count
    completed_jobs: Count
    failed_jobs: Count
    pending_jobs: Count
    processing_jobs: Count
    retrying_jobs: Count
    cancelled_jobs: Count = Field(description="Part of failedJobs.")
    last_processed_at: Time | None


class PriorityState(Document):
    depth: Count = Field(description="Jobs that wait.")
    oldest_wait_seconds: float | None
    paused: bool


class Priorities(Document):
    urgent: PriorityState
    high: PriorityState
    medium: PriorityState
    low: PriorityState


class FailureCount(Document):
    code: str
    count: Annotated[int, Field(ge=1)]


class Memory(Document):
    rss_bytes: Count


class RedisState(Document):
    used_bytes: Count | None
    max_bytes: Count | None = Field(description="0 where there is no limit.")
    eviction_policy: str | None


class Storage(Document):
    kind: str
    free_bytes: Count | None


class SystemWarning(Document):
    """Something that the operator should do something about."""

    code: Literal["eviction_policy", "redis_memory_low", "storage_low"]
    message: str
    suggestion: str


class System(Document):
    memory: Memory
    redis: RedisState
    storage: Storage
    warnings: list[SystemWarning]


class Seconds(Document):
    p50: float | None
    p95: float | None


class Window(Document):
    """What ended in the last hours, whether its record is kept or not; quantiles are off by a tenth at most."""

    completed: Count
    failed: Count = Field(description="The cancelled ones left out.")
    cancelled: Count
    error_rate: Annotated[float, Field(ge=0, le=1)] = Field(description="Cancelled ones left out.")
    run_seconds: Seconds
    wait_seconds: Seconds


class Windows(Document):
    one_hour: Window = Field(alias="1h")
    one_day: Window = Field(alias="24h")
    three_days: Window = Field(alias="72h")


class Performance(Document):
    jobs_per_minute: float = Field(description="Jobs that ended in the last minute.")
    error_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        description="Share of failed ones among those ended in the last hour, cancelled ones left out."
    )
    run_seconds: Seconds = Field(description="Of the last 500 attempts that ended a job.")
    wait_seconds: Seconds = Field(description="From upload to first attempt, of the same.")
    windows: Windows


class JobInHand(Document):
    job_id: JobId
    name: str = Field(description="Of the file.")
    since: Time


class Worker(Document):
    name: str
    host: str
    pid: int
    state: str
    priorities: list[Priority]
    job_id: str | None
    started_at: Time
    last_seen_at: Time
    version: str
    memory_bytes: Count | None = Field(description="Of the worker and its parser, at its last sign of life.")
    job: JobInHand | None = Field(description="What it works on.")


class BatchResult(Document):
    model_config = ConfigDict(extra="allow")

    outcome: str


class BatchRun(Document):
    at: Time = Field(description="When it ended.")
    outcome: str = Field(description="ok, or the code of the error that ended it.")
    processed: Count
    rescued: Count
    expired: Count
    duration_ms: Count
    by: Literal["cron", "schedule"]


class Batch(Document):
    last_run_at: Time | None
    last_result: BatchResult | None
    lock_held: bool
    runs: list[BatchRun] = Field(max_length=10, description="The last ten, newest first.")
    next_run_at: Time | None = Field(description="null where no scheduler is there to run it.")
    schedule: str | None = Field(description="When batches run, in words.", examples=["every minute"])


class Statistics(Document):
    """The queue and the health of what it runs on; of the records kept."""

    success: Literal[True]
    queue: Queue
    priorities: Priorities
    failures: list[FailureCount] = Field(description="Failed jobs kept, by code, most frequent first.")
    system: System
    performance: Performance
    workers: list[Worker]
    batch: Batch
    read_only: bool = Field(description="ADMIN_READ_ONLY: commands are refused.")


class News(Document):
    """One event of the operator's stream: the fields of server-sent events, with the JSON of their data as text."""

    event: Literal["statistics", "jobs"] = Field(description="What is told.")
    data: str = Field(
        description="The Statistics, or a hint that jobs have changed: `changed`, how many.",
        json_schema_extra={"contentMediaType": "application/json"},
    )


class HistoryQuery(Document):
    """The query of the history."""

    model_config = ConfigDict(extra="ignore")

    hours: Literal["1", "24", "72"] = Field("24", description="How far back.", examples=["1"])


class Point(Document):
    """One step. It begins at `at`; the last one is not over yet."""

    at: Time
    completed: Count
    failed: Count = Field(description="The cancelled ones left out.")
    cancelled: Count
    lost: Count = Field(description="Attempts whose worker died or froze; the job itself goes on.")
    run_seconds: Seconds = Field(description="Of the attempts that ended a job; off by a tenth at most.")
    wait_seconds: Seconds = Field(description="From upload to first attempt, of the same.")


class History(Document):
    success: Literal[True]
    hours: Literal[1, 24, 72]
    step_seconds: Literal[60, 900, 3600]
    points: list[Point] = Field(description="Every step, oldest first, also where nothing happened.")


# ---- batch, health ---------------------------------------------------------------------------------------------


class BatchReport(Document):
    """What one batch did."""

    success: Literal[True]
    processed: Count
    job_ids: list[JobId]
    rescued: Count
    expired: Count
    remaining: Count = Field(description="Jobs that still wait.")
    duration_ms: Count


class Health(Document):
    status: Literal["ok"]
    checks: dict[str, Any] | None = Field(None, description="By neighbour.")


class Login(Document):
    """The token, or the one-time code of a login link."""

    model_config = ConfigDict(extra="ignore")

    token: str | None = Field(None, description="`ADMIN_TOKEN`.")
    code: str | None = Field(None, description="Of a login link: what stands after its `#code=`.")
