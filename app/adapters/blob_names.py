"""What blobs are called in every store: nothing but a job's id and a claim's token becomes part of a path or a key."""

from __future__ import annotations

import re

from app.domain.ids import is_job_id

_TOKEN_FORM = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)


def upload_name(job_id: str) -> str:
    """Raises ValueError for what is no job id."""
    if not is_job_id(job_id):
        raise ValueError("not a job id")
    return job_id


def result_name(job_id: str, token: str) -> str:
    """Raises ValueError for what cannot name a result."""
    if not is_job_id(job_id) or not _TOKEN_FORM.fullmatch(token):
        raise ValueError("not the name of a result")
    return f"{job_id}.{token}"


def result_key(name: str) -> tuple[str, str] | None:
    """The job id and token that `result_name` made a name of; None for any other name."""
    job_id, _, token = name.partition(".")
    return (job_id, token) if is_job_id(job_id) and _TOKEN_FORM.fullmatch(token) else None
