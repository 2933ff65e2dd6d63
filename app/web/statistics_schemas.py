"""What the operator sees in numbers, as models: the queue, what it runs on, its workers and batches, the last hours."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.domain.job import Priority
from app.web.schemas import SUCCESS, Count, Document, JobId, Time


class Queue(Document):
    """How many records there are, by state."""

    total_jobs: Count = Field(description="All of them.")
    completed_jobs: Count = Field(description="Those whose text is there.")
    failed_jobs: Count = Field(description="Those that will not be tried again.")
    pending_jobs: Count = Field(description="Those that wait for a worker.")
    processing_jobs: Count = Field(description="Those that are being read.")
    retrying_jobs: Count = Field(description="Those that wait for their next attempt.")
    cancelled_jobs: Count = Field(description="Part of failedJobs.")
    last_processed_at: Time | None = Field(description="When a job ended last.")


class PriorityState(Document):
    """One line of waiting jobs."""

    depth: Count = Field(description="Jobs that wait.")
    oldest_wait_seconds: float | None = Field(description="Of the job that waits longest; null where none does.")
    paused: bool = Field(description="Whether it is held by the operator.")


class Priorities(Document):
    """Every line of waiting jobs."""

    urgent: PriorityState = Field(description="Read first.")
    high: PriorityState = Field(description="Read next.")
    medium: PriorityState = Field(description="What an upload is that names none.")
    low: PriorityState = Field(description="Read last.")


class FailureCount(Document):
    """How often jobs failed in one way."""

    code: str = Field(description="The code of their error.")
    count: Annotated[int, Field(ge=1)] = Field(description="How many of them.")


class Memory(Document):
    """Of the web process that answers."""

    rss_bytes: Count = Field(description="Its resident memory.")


class RedisState(Document):
    """What Redis says of its memory."""

    used_bytes: Count | None = Field(description="What it uses.")
    max_bytes: Count | None = Field(description="0 where there is no limit.")
    eviction_policy: str | None = Field(
        description="What it does where memory ends; anything but `noeviction` may lose jobs."
    )


class Storage(Document):
    """Where files and results are."""

    kind: str = Field(description="`folder` or `s3`.")
    free_bytes: Count | None = Field(description="On the folder's disk; null for a bucket.")


class SystemWarning(Document):
    """Something that the operator should do something about."""

    code: Literal["eviction_policy", "redis_memory_low", "storage_low"] = Field(
        description="Stable and meant for programs."
    )
    message: str = Field(description="What is wrong.")
    suggestion: str = Field(description="What to do.")


class System(Document):
    """What the service runs on."""

    memory: Memory
    redis: RedisState
    storage: Storage
    warnings: list[SystemWarning] = Field(description="What the operator should do something about.")


class Seconds(Document):
    """How long something took."""

    p50: float | None = Field(description="Half took at most that; null where nothing ran.")
    p95: float | None = Field(description="19 of 20 took at most that; null where nothing ran.")


class Window(Document):
    """What ended in the last hours, whether its record is kept or not; quantiles are off by a tenth at most."""

    completed: Count = Field(description="How many.")
    failed: Count = Field(description="The cancelled ones left out.")
    cancelled: Count = Field(description="How many.")
    error_rate: Annotated[float, Field(ge=0, le=1)] = Field(description="Cancelled ones left out.")
    run_seconds: Seconds = Field(description="Of the attempts that ended a job.")
    wait_seconds: Seconds = Field(description="From upload to first attempt.")


class Windows(Document):
    """The same for three spans of time."""

    one_hour: Window = Field(alias="1h")
    one_day: Window = Field(alias="24h")
    three_days: Window = Field(alias="72h")


class Performance(Document):
    """How fast and how well jobs are read."""

    jobs_per_minute: float = Field(description="Jobs that ended in the last minute.")
    error_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        description="Share of failed ones among those ended in the last hour, cancelled ones left out."
    )
    run_seconds: Seconds = Field(description="Of the last 500 attempts that ended a job.")
    wait_seconds: Seconds = Field(description="From upload to first attempt, of the same.")
    windows: Windows = Field(description="The same by spans of time.")


class JobInHand(Document):
    """The job that a worker works on."""

    job_id: JobId
    name: str = Field(description="Of the file.")
    since: Time = Field(description="When it began.")


class Worker(Document):
    """A worker that has let itself be heard in the last half minute."""

    name: str = Field(description="New at each start.")
    host: str = Field(description="The machine it runs on.")
    pid: int = Field(description="Its process there.")
    state: str = Field(description="`busy` or `idle`.")
    priorities: list[Priority] = Field(description="The lines that it serves.")
    job_id: str | None = Field(description="What it works on.")
    started_at: Time = Field(description="When it was started.")
    last_seen_at: Time = Field(description="When it was heard last.")
    version: str = Field(description="Of the program.")
    memory_bytes: Count | None = Field(description="Of the worker and its parser, at its last sign of life.")
    job: JobInHand | None = Field(description="What it works on.")


class BatchResult(Document):
    """What the last batch did."""

    model_config = ConfigDict(extra="allow")

    outcome: str = Field(description="`ok`, or the code of the error that ended it.")


class BatchRun(Document):
    """One batch."""

    at: Time = Field(description="When it ended.")
    outcome: str = Field(description="ok, or the code of the error that ended it.")
    processed: Count = Field(description="Jobs that it read.")
    rescued: Count = Field(description="Jobs that it took from dead workers.")
    expired: Count = Field(description="Records that it removed for their age.")
    duration_ms: Count = Field(description="How long it took.")
    by: Literal["cron", "schedule"] = Field(description="Who started it: the cron address or the schedule.")


class Batch(Document):
    """The minute batch."""

    last_run_at: Time | None = Field(description="When the last one ended.")
    last_result: BatchResult | None = Field(description="What it did.")
    lock_held: bool = Field(description="Whether one runs now.")
    runs: list[BatchRun] = Field(max_length=10, description="The last ten, newest first.")
    next_run_at: Time | None = Field(description="null where no scheduler is there to run it.")
    schedule: str | None = Field(description="When batches run, in words.", examples=["every minute"])


class Statistics(Document):
    """The queue and the health of what it runs on; of the records kept."""

    success: Literal[True] = SUCCESS
    queue: Queue
    priorities: Priorities
    failures: list[FailureCount] = Field(description="Failed jobs kept, by code, most frequent first.")
    system: System
    performance: Performance
    workers: list[Worker] = Field(description="Those that are alive.")
    batch: Batch
    read_only: bool = Field(description="ADMIN_READ_ONLY: commands are refused.")


class News(Document):
    """One event of the operator's stream: the fields of server-sent events, with the JSON of their data as text."""

    event: Literal["statistics", "jobs"] = Field(description="What is told.", examples=["jobs"])
    data: str = Field(
        description="The Statistics, or a hint that jobs have changed: `changed`, how many.",
        examples=['{"changed":3}'],
        json_schema_extra={"contentMediaType": "application/json"},
    )


class HistoryQuery(Document):
    """The query of the history."""

    model_config = ConfigDict(extra="ignore")

    hours: Literal["1", "24", "72"] = Field("24", description="How far back.", examples=["1"])


class Point(Document):
    """One step. It begins at `at`; the last one is not over yet."""

    at: Time = Field(description="When the step begins.")
    completed: Count = Field(description="How many.")
    failed: Count = Field(description="The cancelled ones left out.")
    cancelled: Count = Field(description="How many.")
    lost: Count = Field(description="Attempts whose worker died or froze; the job itself goes on.")
    run_seconds: Seconds = Field(description="Of the attempts that ended a job; off by a tenth at most.")
    wait_seconds: Seconds = Field(description="From upload to first attempt, of the same.")


class History(Document):
    """What ended in the last hours, in steps."""

    success: Literal[True] = SUCCESS
    hours: Literal[1, 24, 72] = Field(description="How far back it goes.")
    step_seconds: Literal[60, 900, 3600] = Field(description="How long a step is.")
    points: list[Point] = Field(description="Every step, oldest first, also where nothing happened.")
