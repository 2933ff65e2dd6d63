"""What the operator sees, as models: jobs, what a batch did, health; numbers stand in `statistics_schemas`, commands in
`command_schemas`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from app.domain.job import JobStatus, Priority
from app.errors import CATALOGUE
from app.web.schemas import SUCCESS, Count, Document, JobId, Status, Time


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
    without_code: Code | None = Field(
        None,
        description="Leaves out the jobs whose error has that code: `cancelled`, of those that have failed.",
        examples=["cancelled"],
    )
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
    """A page of jobs."""

    success: Literal[True] = SUCCESS
    jobs: list[Status] = Field(description="Newest first by creation.")
    next_cursor: str | None = Field(
        description="Goes on after the last; null at the end. A page may hold fewer than asked for and still have one."
    )


class PastAttempt(Document):
    """One that ended; a job whose worker was told to stop has more of them than `attempt` says."""

    run: Annotated[int, Field(ge=1)] = Field(description="Begins anew when a failed job is retried.")
    attempt: Annotated[int, Field(ge=1)] = Field(description="Its number within the run.")
    started_at: Time = Field(description="When it began.")
    ended_at: Time = Field(description="When it ended.")
    outcome: str = Field(
        description="completed, given_back, restored (listed from its result), or the code of the failure."
    )
    worker: str = Field(description="The name of who read.")
    seconds: Annotated[float, Field(ge=0)] = Field(description="How long it took.")


class Claim(Document):
    """Who works on a job."""

    worker: str = Field(description="Its name.")
    since: Time = Field(description="When it began.")


class JobHistory(Document):
    """One job with everything that is kept of it."""

    success: Literal[True] = SUCCESS
    job: Status
    sha256: str = Field(description="Of the uploaded bytes.")
    history: list[PastAttempt] = Field(max_length=50, description="Oldest first, the last fifty.")
    claim: Claim | None = Field(description="Who works on it now.")
    due_at: Time | None = Field(description="When the next attempt is due, while retrying.")
    give_backs: Count = Field(description="How often in this run a worker that was told to stop gave it back.")


# ---- batch, health ---------------------------------------------------------------------------------------------


class BatchReport(Document):
    """What one batch did."""

    success: Literal[True] = SUCCESS
    processed: Count = Field(description="Jobs that it read.")
    job_ids: list[JobId] = Field(description="Those jobs.")
    rescued: Count = Field(description="Jobs that it took from dead workers.")
    expired: Count = Field(description="Records that it removed for their age.")
    remaining: Count = Field(description="Jobs that still wait.")
    duration_ms: Count = Field(description="How long it took.")


class Health(Document):
    """Of a process that answers."""

    status: Literal["ok"] = Field(description="Anything else is a problem.")
    checks: dict[str, Any] | None = Field(None, description="By neighbour.")


class Login(Document):
    """The token, or the one-time code of a login link."""

    model_config = ConfigDict(extra="ignore")

    token: str | None = Field(None, description="`ADMIN_TOKEN`.")
    code: str | None = Field(None, description="Of a login link: what stands after its `#code=`.")
