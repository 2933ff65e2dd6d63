"""Uploads and what is done to one job: /api/ingest/start, the synchronous /api/ingest, status, cancel, retry, delete."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from werkzeug.routing import PathConverter

from app.domain.job import Job, JobStatus
from app.errors import QueueUnavailable, RequestRefused, ValidationFailed
from app.ingestion import cancel as steering
from app.ingestion.waiting import estimate, waiting_of
from app.services import Services
from app.web.auth import is_admin
from app.web.context import find_job, retry_after, services
from app.web.documents import etag, events_path, gone_document, result_path, status_document, status_path
from app.web.held import changed, ended
from app.web.receiving import receive_form, receive_raw
from app.web.results import job_problem, text_document

LONGEST_WAIT = 30.0
#: What a client is told of a job just accepted when Redis left in this moment (seconds).
UNKNOWN_ESTIMATE = 60
_SECONDS = re.compile(r"[0-9]{1,20}(\.[0-9]{1,30})?(e[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE)

blueprint = Blueprint("ingest", __name__, url_prefix="/api/ingest")


class AnyName(PathConverter):
    """The rest of the address whatever it is: werkzeug's own finds no line break and no slash in front, and answers a
    404 or a redirect to a file whose name only wants cleaning."""

    regex = "(?s:.+)"
    part_isolating = False


@blueprint.record_once
def _with_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["name"] = AnyName


# ---- uploads -------------------------------------------------------------------------------------------------


@blueprint.post("/start")
def start() -> Response:
    return accepted(receive_form())


@blueprint.put("/start/<name:filename>")
def start_raw(filename: str) -> Response:
    """The body is the file, so that `curl -T` works."""
    return accepted(receive_raw(filename))


@blueprint.post("")
def synchronous() -> Response:
    """Waits for the end; where that takes too long, or too many wait already, it is `start`."""
    job = ended(receive_form())
    if job.status is JobStatus.COMPLETED:
        return text_document(job)
    if job.status is JobStatus.FAILED:
        return job_problem(job, status=409 if job.is_cancelled else 422)
    return accepted(job)


def accepted(job: Job) -> Response:
    seconds = _estimate(job)
    response = jsonify(
        success=True,
        jobId=job.id,
        message="File uploaded successfully and queued for processing",
        estimatedProcessingTime=in_words(seconds),
        statusUrl=status_path(job.id),
        eventsUrl=events_path(job.id),
        resultUrl=result_path(job.id),
        status=job.status.value,
        estimatedSeconds=seconds,
    )
    response.status_code = 202
    response.headers["Location"] = status_path(job.id)
    response.headers["Retry-After"] = str(retry_after(job, seconds))
    return response


def _estimate(job: Job) -> int:
    """The job is accepted, whatever the queue answers now."""
    if job.status.is_final:
        return 0
    try:
        return estimate(services(), job)
    except QueueUnavailable:
        return UNKNOWN_ESTIMATE


def in_words(seconds: int) -> str:
    """A rough time, as a person would say it."""
    if seconds <= 10:
        return "a few seconds"
    if seconds <= 60:
        return "less than a minute"
    if seconds <= 60 * 60:
        minutes = -(-seconds // 60)
        return f"{minutes - 1}-{minutes} minutes" if minutes > 1 else "about a minute"
    hours = round(seconds / 3600)
    return "about an hour" if hours == 1 else f"about {hours} hours"


# ---- status --------------------------------------------------------------------------------------------------


@blueprint.get("/status/<job_id>")
def status(job_id: str) -> ResponseReturnValue:
    """The document as it is, or with ?wait= as soon as it is another; 304 to who has it already."""
    seconds = _wait_seconds()
    try:
        return _status_answer(*(changed(job_id, _look, seconds=seconds) if seconds else _look(job_id)))
    except RequestRefused as refused:
        if refused.code != "not_found":
            raise
        return jsonify(gone_document(job_id)), 404


def _status_answer(job: Job, document: dict[str, Any]) -> Response:
    response = jsonify(document)
    response.set_etag(etag(document), weak=True)
    response.headers["Cache-Control"] = "no-store"
    if not job.status.is_final:
        estimated = document.get("waiting", {}).get("estimatedSeconds")
        response.headers["Retry-After"] = str(retry_after(job, estimated))
    response.make_conditional(request)
    return response


def shown(job: Job) -> dict[str, Any]:
    """The status document for whoever asks now."""
    return status_document(
        job,
        waiting_of(services(), job),
        max_attempts=services().policy.max_attempts,
        with_stack_trace=job.failure is not None and is_admin(),
    )


def _look(job_id: str) -> tuple[Job, dict[str, Any]]:
    job = find_job(job_id)
    return job, shown(job)


def _wait_seconds() -> float:
    asked = request.args.get("wait", "0")
    if not _SECONDS.fullmatch(asked):
        raise ValidationFailed(
            "invalid_field", suggestion="Give a number of seconds; more than 30 count as 30.", field="wait"
        )
    return min(float(asked), LONGEST_WAIT)


# ---- steering ------------------------------------------------------------------------------------------------


@blueprint.post("/cancel/<job_id>")
def cancel(job_id: str) -> Response:
    return _steered(steering.cancel, job_id)


@blueprint.post("/retry/<job_id>")
def retry(job_id: str) -> Response:
    return _steered(steering.retry, job_id)


@blueprint.delete("/jobs/<job_id>")
def delete(job_id: str) -> ResponseReturnValue:
    find_job(job_id)
    steering.delete(services(), job_id)
    return "", 204


def _steered(verb: Callable[[Services, str], Job], job_id: str) -> Response:
    find_job(job_id)
    return jsonify(shown(verb(services(), job_id)))
