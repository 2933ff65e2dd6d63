"""Uploads and what is done to one job: /api/ingest/start, the synchronous /api/ingest, status, cancel, retry, delete."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import ETags
from werkzeug.routing import PathConverter

from app.domain.ids import is_job_id
from app.domain.job import Job, JobStatus
from app.errors import QueueUnavailable, RequestRefused, ValidationFailed
from app.ingestion import cancel as steering
from app.ingestion.waiting import estimate, waiting_of
from app.services import Services
from app.web.auth import is_admin
from app.web.context import event_log, find_job, retry_after, services, stopping
from app.web.documents import etag, events_path, gone_document, result_path, status_document, status_path
from app.web.gate import gate
from app.web.receiving import receive_form, receive_raw
from app.web.results import job_problem, text_document

LONGEST_WAIT = 30.0
#: Seconds between looks at a job whose place in the queue may move without a ring.
LOOK_EVERY = 2.0
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
    job = _ended(receive_form())
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


def _ended(job: Job) -> Job:
    """The job as it is at its end, or when SYNC_TIMEOUT is over. Raises `not_found` if it is deleted meanwhile."""
    place = gate().held.take("synchronous")
    if place is None:
        return job
    deadline = time.monotonic() + services().settings.sync_timeout
    with place, event_log().watch([job.id]) as watcher:
        while True:
            job = _looked_at(job)
            left = deadline - time.monotonic()
            if job.status.is_final or left <= 0 or stopping().is_set():
                return job
            watcher.wait(min(left, LOOK_EVERY))
            watcher.take()


def _looked_at(job: Job) -> Job:
    try:
        found = services().jobs.get(job.id)
    except QueueUnavailable:
        return job  # it was accepted and goes on, whether it can be seen now or not
    if found is None:
        raise RequestRefused("not_found")
    return found


# ---- status --------------------------------------------------------------------------------------------------


@blueprint.get("/status/<job_id>")
def status(job_id: str) -> ResponseReturnValue:
    """The document as it is, or with ?wait= as soon as it is another; 304 to who has it already."""
    seconds = _wait_seconds()
    try:
        return _status_answer(*(_awaited(job_id, seconds) if seconds else _look(job_id)))
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


def _awaited(job_id: str, seconds: float) -> tuple[Job, dict[str, Any]]:
    """As soon as the ETag is not one that the client has; without one from it, at the next change."""
    place = gate().held.take("long_poll") if is_job_id(job_id) else None
    if place is None:
        return _look(job_id)
    deadline = time.monotonic() + seconds
    with place, event_log().watch([job_id]) as watcher:
        job, document = _look(job_id)
        known = request.if_none_match if request.if_none_match else ETags(weak_etags=[etag(document)])
        while known.contains_weak(etag(document)) and not job.status.is_final and not stopping().is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            watcher.wait(left if job.status is JobStatus.PROCESSING else min(left, LOOK_EVERY))
            watcher.take()
            job, document = _look(job_id)
    return job, document


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
