"""A finished job from what its stored result holds: its uploaded file is gone by then, and so is the manifest beside it.

So a result carries its job's facts, for the day on which Redis has lost the record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from app.domain.job import Attempt, Job, JobStatus, Progress
from app.domain.manifest import Manifest
from app.errors import StorageFailed
from app.ingestion.submit import manifest_of, restored

#: What a result's document holds beside the summary that the record keeps.
FACTS, METADATA = "job", "metadata"


def facts_of(job: Job, *, now: int) -> dict[str, Any]:
    """Of a job whose text has just been read under its claim; `now` in milliseconds, a moment before the record's end."""
    assert job.claim is not None  # noqa: S101 - who reads a file has claimed it
    return {**asdict(manifest_of(job)), "began": job.claim.since, "ended": now, "worker": job.claim.holder}


def summary_in(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in (FACTS, METADATA)}


def has_facts(document: Mapping[str, Any]) -> bool:
    """False for a result of a version that did not store them."""
    return FACTS in document


def finished(document: Mapping[str, Any], job_id: str, token: str) -> Job:
    """The completed job that a result tells of; of its attempts only the last is known. Raises StorageFailed `blob_corrupt` for one that tells of none."""
    try:
        facts = document[FACTS]
        manifest = Manifest.from_json(json.dumps(facts).encode())
        began, ended, worker, pages = int(facts["began"]), int(facts["ended"]), str(facts["worker"]), document["pages"]
        accepted = restored(manifest)
    except (KeyError, TypeError, ValueError) as error:
        raise StorageFailed("blob_corrupt") from error
    if manifest.job_id != job_id or type(pages) is not int:
        raise StorageFailed("blob_corrupt")
    return replace(
        accepted,
        status=JobStatus.COMPLETED,
        updated_at=ended,
        started_at=began,
        completed_at=ended,
        progress=Progress("Completed", 100, "The text is ready", pages, pages),
        result=summary_in(document),
        result_token=token,
        history=(Attempt(1, 1, began, ended, "restored", worker),),
    )
