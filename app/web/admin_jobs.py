"""Jobs as the operator sees them: the list, and one with its whole history."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, jsonify, request
from flask.typing import ResponseReturnValue

from app.adapters.job_index import JobFilter
from app.domain.job import Attempt, Claim, Job
from app.ingestion.waiting import Waiting, waiting_of, waiting_of_each
from app.web import operator_schemas as schemas
from app.web.auth import admin_required
from app.web.context import find_job, services
from app.web.documents import iso, status_document
from app.web.validation import query

blueprint = Blueprint("admin_jobs", __name__)


@blueprint.get("/api/ingest/jobs")
@admin_required
def list_jobs() -> ResponseReturnValue:
    asked = query(schemas.JobQuery, request.args)
    wanted = JobFilter(
        asked.status, asked.user_id, asked.priority, asked.code, asked.q, without_code=asked.without_code
    )
    jobs, next_cursor = services().index.page(wanted, limit=asked.limit, cursor=asked.cursor)
    waits = waiting_of_each(services(), jobs)
    shown = [_shown(job, waiting) for job, waiting in zip(jobs, waits, strict=True)]
    return jsonify({"success": True, "jobs": shown, "nextCursor": next_cursor})


@blueprint.get("/api/admin/jobs/<job_id>")
@admin_required
def show_job(job_id: str) -> ResponseReturnValue:
    job = find_job(job_id)
    document = {
        "success": True,
        "job": _shown(job, waiting_of(services(), job)),
        "sha256": job.file.sha256,
        "history": [_attempt(attempt) for attempt in job.history],
        "claim": _claim(job.claim) if job.claim else None,
        "dueAt": iso(job.due_at),
        "giveBacks": job.give_backs,
    }
    return jsonify(document)


def _shown(job: Job, waiting: Waiting | None) -> dict[str, Any]:
    return status_document(job, waiting, max_attempts=services().policy.max_attempts, with_stack_trace=True)


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "run": attempt.run,
        "attempt": attempt.number,
        "startedAt": iso(attempt.began),
        "endedAt": iso(attempt.ended),
        "outcome": attempt.outcome,
        "worker": attempt.worker,
        "seconds": max(0, attempt.ended - attempt.began) / 1000,
    }


def _claim(claim: Claim) -> dict[str, Any]:
    return {"worker": claim.holder, "since": iso(claim.since)}


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
