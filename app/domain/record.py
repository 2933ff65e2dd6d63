"""The stored form of a job: plain data for JSON.

What is None or empty is left out, because the claim is made by a script in Lua, whose JSON cannot tell an empty list
from an object; members of a later version that this one does not know are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.job import Attempt, Claim, Failure, FileInfo, Job, JobStatus, Priority, Progress


def to_record(job: Job) -> dict[str, Any]:
    record = _present(job)
    record["status"], record["priority"] = job.status.value, job.priority.value
    record["file"], record["progress"] = _present(job.file), _present(job.progress)
    if job.claim is not None:
        record["claim"] = _present(job.claim)
    if job.failure is not None:
        record["failure"] = _present(job.failure)
    if job.history:
        record["history"] = [_present(attempt) for attempt in job.history]
    return record


def from_record(record: Mapping[str, Any]) -> Job:
    known: dict[str, Any] = {name: record[name] for name in _FIELDS if name in record}
    for name in _INTEGERS & known.keys():
        known[name] = int(known[name])
    known["status"] = JobStatus(known["status"])
    known["priority"] = Priority(known["priority"])
    known["file"] = FileInfo(**{**_known(FileInfo, known["file"]), "size": int(known["file"]["size"])})
    known["progress"] = _progress(known.get("progress", {}))
    if "claim" in known:
        known["claim"] = Claim(**{**_known(Claim, known["claim"]), "since": int(known["claim"]["since"])})
    if "failure" in known:
        known["failure"] = Failure(**_known(Failure, known["failure"]))
    known["history"] = tuple(_attempt(entry) for entry in known.get("history", ()))
    return Job(**known)


_FIELDS = tuple(Job.__dataclass_fields__)
_INTEGERS = {name for name in _FIELDS if Job.__dataclass_fields__[name].type in ("int", "int | None")}


def _known(kind: type[FileInfo | Claim | Failure], part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part[name] for name in kind.__dataclass_fields__ if name in part}


def _present(part: object) -> dict[str, Any]:
    return {name: value for name, value in vars(part).items() if value is not None and value != ()}


def _progress(record: Mapping[str, Any]) -> Progress:
    total = record.get("pages_total")
    return Progress(
        record.get("step", ""),
        int(record.get("percentage", 0)),
        record.get("details", ""),
        int(record.get("pages_done", 0)),
        None if total is None else int(total),
    )


def _attempt(record: Mapping[str, Any]) -> Attempt:
    numbers = {name: int(record[name]) for name in ("run", "number", "began", "ended")}
    return Attempt(outcome=record["outcome"], worker=record["worker"], **numbers)
