"""What several addresses take and answer alike: parameters, headers, answers, the ways in which they refuse."""

from __future__ import annotations

from typing import Any

from app.web import schemas
from app.web.openapi.shapes import EVENTS, FORM, HTML, Answer, Body, Parameter

A_JOB = "job_nxulyyzc64noh4ihlsibsz4p"


def _text(**rules: Any) -> dict[str, Any]:
    return {"type": "string", **rules}


def _query(name: str, meaning: str, schema: dict[str, Any], example: Any) -> Parameter:
    return Parameter(name, "query", meaning, schema, example)


def _header(meaning: str, example: Any, *, kind: str = "string") -> dict[str, Any]:
    return {"description": meaning, "schema": {"type": kind}, "example": example}


HEADERS = {
    "X-Request-ID": _header("Names this request in the log too.", "215a4eb1-ec4d-4f47-bf98-6cd82dd84e62"),
    "Retry-After": _header("In so many seconds it is worth asking again.", 2, kind="integer"),
    "Location": _header("Where to go on: a path.", f"/api/ingest/status/{A_JOB}"),
    "ETag": _header(
        "Changes with each change of the job and each move in the queue.", 'W/"3/2026-11-24T16:31:23.866Z"'
    ),
    "Content-Disposition": _header(
        "The name to keep it under; of a result with `download=1`.", 'attachment; filename="script.txt"'
    ),
    "WWW-Authenticate": _header("How to say who one is (RFC 9110).", 'Bearer realm="ingest"'),
    "Set-Cookie": _header("The session of the admin login.", "ingest_admin=...; HttpOnly; Path=/; SameSite=Strict"),
}

JOB_ID = Parameter("jobId", "path", "The id that the upload was answered with.", _text(), A_JOB)
VERB = Parameter("verb", "path", "What to do with it.", _text(enum=["cancel", "retry"]), "cancel")
FILENAME = Parameter(
    "filename", "path", "The file's name; its ending tells the type, which its content has to fit.", _text(), "notes.md"
)
PRIORITY = _query(
    "priority", "How soon it is read; `medium` if left out.", {"$ref": "#/components/schemas/Priority"}, "high"
)
USER_ID = _query("userId", "A label to find jobs by, never an identity.", _text(maxLength=128), "user123")
KEY = Parameter(
    "Idempotency-Key",
    "header",
    "A repeat with the same key is answered with the same job, for 24 hours.",
    _text(minLength=1, maxLength=200, pattern="^[!-~]+$"),
    "upload-0001",
)
NONE_MATCH = Parameter(
    "If-None-Match", "header", "The `ETag` of the document that is known.", _text(), HEADERS["ETag"]["example"]
)
LAST_EVENT = Parameter("Last-Event-ID", "header", "Goes on after that event.", _text(), "fdd10d96dab7.6")
WAIT = _query(
    "wait",
    "Seconds to wait, at most 30: for another document than the known one, or for the next change.",
    {"type": "number", "minimum": 0},
    20,
)
JOBS = Parameter(
    "jobs",
    "query",
    "1 to 100 job ids, separated by commas.",
    _text(minLength=1, pattern="[^, ]"),
    f"{A_JOB},job_rks3jjb2x83qrunavh8huf5p",
    required=True,
)
FORMAT = _query("format", "`text` if left out.", _text(enum=["json", "text", "markdown"]), "markdown")
RESULT_QUERY = (
    _query("format", "Instead of `Accept`.", _text(enum=["json", "text", "markdown"]), "text"),
    _query("page", "One page only, counted from 1.", {"type": "integer", "minimum": 1}, 7),
    _query("download", "As a file to keep.", _text(enum=["0", "1", "false", "true"]), "1"),
)

UPLOAD_ERRORS = (
    *("missing_file", "too_many_files", "incomplete_body", "malformed_body", "empty_file", "invalid_field"),
    *("too_large", "unsupported_type", "content_mismatch", "idempotency_mismatch", "idempotency_running"),
    *("storage_unavailable", "storage_full", "queue_unavailable", "overloaded", "cross_site"),
)
READ_ERRORS = (
    *("encrypted_document", "corrupt_document", "unsupported_feature", "archive_bomb", "resource_limit"),
    *("parser_crashed", "poison", "job_timeout", "blob_missing", "blob_corrupt", "not_found"),
)
STEERING_ERRORS = ("not_found", "wrong_state", "queue_unavailable", "overloaded", "cross_site")

UPLOAD = Body(FORM, (schemas.UploadForm,))
UPLOADED = ("Location", "Retry-After")
ACCEPTED = Answer("The file is stored and its job waits.", schemas.Accepted, headers=UPLOADED)
PAGE = Answer("The page.", None, (HTML,))
TO_PAGE = Answer("See the page that `Location` names.", None, (), ("Location",))
STATUS = Answer("The job as it is now.", schemas.Status)
STREAM = Answer("Events named `status`, `waiting` and `gone`; their data is one JSON line.", schemas.Event, (EVENTS,))
OVER = Answer("Everything was told; do not come back.", None, ())
GONE = Answer("Gone.", None, ())
