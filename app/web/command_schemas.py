"""What the operator commands and what comes of it, as models. Commands are read by these very models, strictly: no number
in quotes, no `true` for 1, no member that is not known (a mistyped `dryRun` must not delete)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema, model_validator
from typing_extensions import Self

from app.domain.job import JobStatus, Priority
from app.web.operator_schemas import Code, Label, plain_digits
from app.web.schemas import SUCCESS, Count, Document, JobId, Time

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_NO_TIME = "It should be milliseconds since 1970 or a time like 2026-11-24T16:31:23.508Z."


def _milliseconds(value: object) -> object:
    if isinstance(value, str):
        try:
            if _TIME.fullmatch(value):
                at = datetime.fromisoformat(value.replace("Z", "+00:00"))
                return int(at.timestamp()) * 1000 + at.microsecond // 1000
        except ValueError:
            pass  # the 30th of February
        raise ValueError(_NO_TIME)
    return value


Days = Annotated[int, Field(ge=1, le=3650, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Moment = Annotated[
    int,
    Field(ge=0, le=10**14, strict=True),
    BeforeValidator(_milliseconds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 10**14},
                {"type": "string", "format": "date-time", "pattern": f"^{_TIME.pattern}$"},
            ]
        }
    ),
]
OperationId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", examples=["5f0c2d7a91be3c44"])]


# ---- rules that the description tells and the validators hold -------------------------------------------------------


def _given(name: str) -> dict[str, JsonValue]:
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _with_something_given(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [_given(name) for name in schema["properties"] if name != "withoutCode"]


def _only(given: str, other: str) -> dict[str, JsonValue]:
    return {"required": [given], "properties": {given: {"not": {"type": "null"}}, other: {"type": "null"}}}


# ---- commands --------------------------------------------------------------------------------------------------


class Command(Document):
    dry_run: Flag = Field(False, description="Change nothing; say what would be changed.")


class Sliced(Command):
    """A command that may be done in slices: the first has no cursor, each other that of the answer before."""

    limit: Annotated[int, Field(ge=1, le=1_000, strict=True)] | None = Field(
        None, description="Look at no more jobs in this request."
    )
    cursor: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="The `nextCursor` of the slice before."
    )
    operation: OperationId | None = Field(
        None, description="Of the first slice's answer: all slices are one line of the audit list."
    )
    before: Moment | None = Field(
        None, description="Jobs created later are not meant; left out, the time of the first slice."
    )


class Cleanup(Sliced):
    """Removes ended jobs that are older than that, with their results."""

    action: Literal["cleanup"] = Field(description="Which command it is.")
    days_old: Days = Field(description="Days since the job's end.")


class Filter(Document):
    """Which jobs are meant: all that is given must hold, and something besides `withoutCode` must be given."""

    model_config = ConfigDict(json_schema_extra=_with_something_given)

    status: JobStatus | None = Field(None, description="In that state.")
    user_id: Label | None = Field(None, description="With that label.")
    priority: Priority | None = Field(None, description="Of that priority.")
    code: Code | None = Field(None, description="Whose error has that code.")
    without_code: Code | None = Field(None, description="Whose error, if there is one, has another code.")
    q: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(None, description="Part of the file's name.")
    older_than_days: Days | None = Field(
        None, description="Since the job's end; since its begin while it has not ended."
    )

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        names = type(self).model_fields.keys() - {"without_code"}  # alone it could mean all jobs there are
        if all(getattr(self, name) is None for name in names):
            raise ValueError("It should name at least one property of the jobs that are meant.")
        return self


class _Chosen(Sliced):
    model_config = ConfigDict(json_schema_extra={"oneOf": [_only("jobIds", "filter"), _only("filter", "jobIds")]})

    job_ids: list[JobId] | None = Field(None, min_length=1, max_length=1_000, description="The jobs themselves.")
    filter: Filter | None = Field(None, description="Which jobs, by what they are.")

    @model_validator(mode="after")
    def _names_its_jobs_once(self) -> Self:
        if (self.job_ids is None) == (self.filter is None):
            raise ValueError("Either jobIds or filter should be given.")
        return self


class Bulk(_Chosen):
    """One act on many jobs: those of a list, or those that a filter means (then at most 10,000 at once)."""

    action: Literal["retry", "cancel", "delete"] = Field(description="What is done with each.")


class Reprioritize(_Chosen):
    """Jobs that wait go into another line; those in other states are left as they are."""

    action: Literal["priority"] = Field(description="Which command it is.")
    new_priority: Priority = Field(description="The priority that they get.")


class Hold(Command):
    """Jobs of a paused priority wait until it is resumed."""

    action: Literal["pause", "resume"] = Field(description="`pause`: its jobs wait until `resume`.")
    priority: Priority = Field(description="Whose jobs.")


AnyCommand = Cleanup | Bulk | Reprioritize | Hold


class Sampled(Document):
    """A job that would be changed."""

    job_id: JobId
    name: str = Field(description="Of the file.")
    status: JobStatus = Field(description="Its state now.")


class Outcome(Document):
    """What a command did, or would do."""

    success: Literal[True] = SUCCESS
    action: Literal["cleanup", "retry", "cancel", "delete", "priority", "pause", "resume"] = Field(
        description="That of the command."
    )
    dry_run: bool = Field(description="Whether nothing was changed.")
    affected: Count = Field(
        description="How many jobs were changed; for pause and resume, how many it makes wait or go on."
    )
    failed: Count = Field(description="How many could not be changed; those that need no change are not counted.")
    job_ids: list[JobId] = Field(max_length=100, description="The first hundred of them.")
    sample: list[Sampled] = Field(max_length=10, description="Of a dry run: some that would be changed.")
    more: bool = Field(description="A limit was reached: there is a `nextCursor`.")
    next_cursor: str | None = Field(description="Goes on with the same command; null when all is done.")
    operation: OperationId | None = Field(description="Names the line in the audit list; null for a dry run.")
    before: Time | None = Field(description="Jobs created later are not touched by any slice; null for a dry run.")


# ---- the audit list --------------------------------------------------------------------------------------------


class AuditQuery(Document):
    """The query of the audit list."""

    model_config = ConfigDict(extra="ignore")

    limit: Annotated[int, BeforeValidator(plain_digits), Field(ge=1, le=200)] = Field(
        50, description="Lines on a page.", examples=[20]
    )
    cursor: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="The `nextCursor` of the page before.", examples=["951"]
    )


class AuditEntry(Document):
    """One line of the audit list."""

    at: Time = Field(description="When it began.")
    who: str = Field(description="`token` or `session`, and the address it came from.")
    action: str = Field(description="As in the command.")
    target: str = Field(description="Which jobs were meant, in words.")
    affected: Count = Field(description="How many jobs were changed.")
    failed: Count = Field(description="How many could not be changed.")
    operation: OperationId = Field(description="The same in each answer to its slices.")


class AuditList(Document):
    """A page of the audit list."""

    success: Literal[True] = SUCCESS
    entries: list[AuditEntry] = Field(description="Newest first; the last thousand are kept.")
    next_cursor: str | None = Field(description="Goes on after the last; null at the end.")
