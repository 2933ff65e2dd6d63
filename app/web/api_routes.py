"""Every address of this service as a table: what it takes and what it answers. `openapi` makes the description of it;
a test holds it against the routes that really exist, both ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from app.web import operator_schemas as operator
from app.web import schemas

JSON = "application/json"
FORM = "multipart/form-data"
LOGIN_FORM = "application/x-www-form-urlencoded"
HTML = "text/html"
BYTES = "application/octet-stream"
EVENTS = "text/event-stream"
TEXT = "text/plain"
MARKDOWN = "text/markdown"

Model = type[BaseModel]


@dataclass(frozen=True)
class Answer:
    """One way it ends well: what it means, its body (None: text, or nothing) and the headers worth a word."""

    meaning: str
    body: Model | None = None
    content_types: tuple[str, ...] = (JSON,)
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """`place` is path, query or header; `schema` is JSON Schema."""

    name: str
    place: str
    meaning: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Body:
    """What is sent: one of the models, or the bytes of a file where there is none."""

    content_type: str
    models: tuple[Model, ...] = ()


@dataclass(frozen=True)
class Route:
    """`errors` are the codes beside those that any address may answer; `guard` is admin, metrics, cron or nothing."""

    method: str
    path: str
    summary: str
    answers: dict[int, Answer]
    tag: str = "jobs"
    parameters: tuple[Parameter, ...] = ()
    query: Model | None = None
    body: Body | None = None
    errors: tuple[str, ...] = ()
    guard: str | None = None
    is_page: bool = False


def _text(**rules: Any) -> dict[str, Any]:
    return {"type": "string", **rules}


def _query(name: str, meaning: str, schema: dict[str, Any]) -> Parameter:
    return Parameter(name, "query", meaning, schema)


JOB_ID = Parameter("jobId", "path", "The id that the upload was answered with.", _text())
VERB = Parameter("verb", "path", "What to do with it.", _text(enum=["cancel", "retry"]))
FILENAME = Parameter("filename", "path", "The file's name; its content tells the type.", _text())
PRIORITY = _query("priority", "Default medium.", {"$ref": "#/components/schemas/Priority"})
USER_ID = _query("userId", "A label, never an identity.", _text(maxLength=128))
KEY = Parameter(
    "Idempotency-Key",
    "header",
    "A repeat with the same key is answered with the same job, for 24 hours.",
    _text(minLength=1, maxLength=200, pattern="^[!-~]+$"),
)
NONE_MATCH = Parameter("If-None-Match", "header", "The ETag of the document that is known.", _text())
LAST_EVENT = Parameter("Last-Event-ID", "header", "Goes on after that event.", _text())
WAIT = _query(
    "wait",
    "Seconds to wait: for another document than the known one, or for the next change.",
    {"type": "number", "minimum": 0, "maximum": 30},
)
JOBS = _query("jobs", "Up to 100 job ids, separated by commas.", _text())
RESULT_QUERY = (
    _query("format", "Instead of Accept.", _text(enum=["json", "text", "markdown"])),
    _query("page", "One page only.", {"type": "integer", "minimum": 1}),
    _query("download", "As a file to keep.", _text(enum=["0", "1", "false", "true"])),
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
UPLOAD = Body(FORM, (schemas.UploadForm,))
UPLOADED = ("Location", "Retry-After")
ACCEPTED = Answer("The file is stored and its job waits.", schemas.Accepted, headers=UPLOADED)
PAGE = Answer("The page.", None, (HTML,))
TO_PAGE = Answer("See the page that Location names.", None, (), ("Location",))
STATUS = Answer("The job as it is now.", schemas.Status)
STREAM = Answer("Events named status, waiting and gone; their data is one JSON line.", None, (EVENTS,))
OVER = Answer("Everything was told; do not come back.", None, ())
GONE = Answer("Gone.", None, ())
STEERING_ERRORS = ("not_found", "wrong_state", "queue_unavailable", "overloaded", "cross_site")

JOB_ROUTES = (
    Route(
        "POST",
        "/api/ingest/start",
        "Upload a file and get a job id at once",
        {202: ACCEPTED},
        parameters=(KEY,),
        body=UPLOAD,
        errors=("not_multipart", *UPLOAD_ERRORS),
    ),
    Route(
        "PUT",
        "/api/ingest/start/{filename}",
        "Upload a file as the body itself",
        {202: ACCEPTED},
        parameters=(FILENAME, PRIORITY, USER_ID, KEY),
        body=Body(BYTES),
        errors=UPLOAD_ERRORS,
    ),
    Route(
        "POST",
        "/api/ingest",
        "Upload a file and wait for its text",
        {
            200: Answer("The text.", schemas.Text),
            202: Answer("It takes longer; the job goes on.", schemas.Accepted, headers=UPLOADED),
        },
        parameters=(KEY,),
        body=UPLOAD,
        errors=("not_multipart", *UPLOAD_ERRORS, *READ_ERRORS, "cancelled"),
    ),
    Route(
        "GET",
        "/api/ingest/status/{jobId}",
        "Everything about one job",
        {
            200: Answer("The job as it is now.", schemas.Status, headers=("ETag", "Retry-After")),
            304: Answer("Still the document that is known.", None, ()),
            404: Answer("There is no such job: a document that ends a polling client.", schemas.Gone),
        },
        parameters=(JOB_ID, WAIT, NONE_MATCH),
        errors=("invalid_field", "queue_unavailable", "storage_unavailable"),
    ),
    Route(
        "GET",
        "/api/ingest/events/{jobId}",
        "Live events of one job",
        {200: STREAM, 204: OVER},
        parameters=(JOB_ID, LAST_EVENT),
        errors=("not_found", "too_many_streams", "queue_unavailable", "storage_unavailable"),
    ),
    Route(
        "GET",
        "/api/ingest/events",
        "Live events of several jobs",
        {200: STREAM, 204: OVER},
        parameters=(JOBS, LAST_EVENT),
        errors=("invalid_field", "too_many_streams", "queue_unavailable"),
    ),
    Route(
        "GET",
        "/api/ingest/result/{jobId}",
        "The text that was read",
        {200: Answer("The result in the form asked for.", schemas.Result, (JSON, TEXT, MARKDOWN))},
        parameters=(JOB_ID, *RESULT_QUERY),
        errors=(
            *("not_completed", "cancelled", "invalid_field", "queue_unavailable", "storage_unavailable"),
            *READ_ERRORS,
        ),
    ),
    Route(
        "POST",
        "/api/ingest/cancel/{jobId}",
        "Stop a job",
        {200: STATUS},
        parameters=(JOB_ID,),
        errors=STEERING_ERRORS,
    ),
    Route(
        "POST",
        "/api/ingest/retry/{jobId}",
        "Run a failed job again, or a retrying one now",
        {200: STATUS},
        parameters=(JOB_ID,),
        errors=STEERING_ERRORS,
    ),
    Route(
        "DELETE",
        "/api/ingest/jobs/{jobId}",
        "Remove a job with its file and result",
        {204: GONE},
        parameters=(JOB_ID,),
        errors=("not_found", "queue_unavailable", "cross_site"),
    ),
)

BATCH = Route(
    "GET",
    "/api/cron/process-jobs",
    "Run one batch now",
    {200: Answer("What the batch did.", operator.BatchReport)},
    "operator",
    errors=("batch_running", "overloaded", "queue_unavailable", "storage_unavailable"),
    guard="cron",
)
OPERATOR_ROUTES = (
    Route(
        "GET",
        "/api/ingest/jobs",
        "List jobs, newest first",
        {200: Answer("A page of jobs.", operator.JobList)},
        "operator",
        query=operator.JobQuery,
        errors=("invalid_field", "queue_unavailable"),
        guard="admin",
    ),
    Route(
        "GET",
        "/api/admin/jobs/{jobId}",
        "One job with its whole history",
        {200: Answer("The job as the operator sees it.", operator.JobHistory)},
        "operator",
        parameters=(JOB_ID,),
        errors=("not_found", "queue_unavailable", "storage_unavailable"),
        guard="admin",
    ),
    Route(
        "GET",
        "/api/admin/queue",
        "Statistics of the queue and of what it runs on",
        {200: Answer("The statistics.", operator.Statistics)},
        "operator",
        errors=("queue_unavailable",),
        guard="admin",
    ),
    Route(
        "GET",
        "/api/admin/history",
        "Throughput, errors and times of the last hours",
        {200: Answer("Every step of that time.", operator.History)},
        "operator",
        query=operator.HistoryQuery,
        errors=("invalid_field", "queue_unavailable"),
        guard="admin",
    ),
    Route(
        "POST",
        "/api/admin/queue",
        "Clean up, retry, cancel, delete, pause or resume",
        {200: Answer("What was done.", operator.Outcome)},
        "operator",
        body=Body(JSON, (operator.Cleanup, operator.Bulk, operator.Hold)),
        errors=(
            *("malformed_body", "incomplete_body", "too_large", "unsupported_type", "invalid_field"),
            *("queue_unavailable", "cross_site"),
        ),
        guard="admin",
    ),
    BATCH,
    replace(BATCH, method="POST", errors=(*BATCH.errors, "cross_site")),
    Route(
        "GET",
        "/metrics",
        "Metrics for Prometheus",
        {200: Answer("Text in the format that Prometheus reads.", None, (TEXT,))},
        "operator",
        errors=("queue_unavailable",),
        guard="metrics",
    ),
    Route("GET", "/healthz", "Is the process alive", {200: Answer("It is.", operator.Health)}, "operator"),
    Route(
        "GET",
        "/readyz",
        "Do Redis and the file storage answer",
        {200: Answer("They do.", operator.Health)},
        "operator",
        errors=("queue_unavailable", "storage_unavailable", "storage_full"),
    ),
    Route(
        "GET",
        "/openapi.json",
        "This description",
        {200: Answer("OpenAPI 3.1.", None, (JSON,))},
        "operator",
    ),
)

PAGE_ROUTES = (
    Route("GET", "/", "The upload page", {200: PAGE}, "pages", is_page=True),
    Route(
        "POST",
        "/",
        "Upload without JavaScript",
        {303: TO_PAGE},
        "pages",
        body=UPLOAD,
        errors=("not_multipart", *UPLOAD_ERRORS),
        is_page=True,
    ),
    Route(
        "GET",
        "/jobs/{jobId}",
        "The page of one job",
        {200: PAGE},
        "pages",
        parameters=(JOB_ID,),
        errors=("not_found", "queue_unavailable"),
        is_page=True,
    ),
    Route(
        "POST",
        "/jobs/{jobId}/{verb}",
        "Stop a job or run it again, from its page",
        {303: TO_PAGE},
        "pages",
        parameters=(JOB_ID, VERB),
        errors=STEERING_ERRORS,
        is_page=True,
    ),
    Route("GET", "/admin", "The operator page", {200: PAGE, 303: TO_PAGE}, "pages", guard="admin", is_page=True),
    Route("GET", "/admin/login", "The login page", {200: PAGE}, "pages", errors=("not_configured",), is_page=True),
    Route(
        "POST",
        "/admin/login",
        "Log in with the token or a one-time code",
        {303: Answer("Logged in.", None, (), ("Location", "Set-Cookie"))},
        "pages",
        body=Body(LOGIN_FORM, (operator.Login,)),
        errors=("unauthenticated", "rate_limited", "too_large", "not_configured", "queue_unavailable", "cross_site"),
        is_page=True,
    ),
    Route(
        "POST",
        "/admin/logout",
        "End the session",
        {303: TO_PAGE},
        "pages",
        errors=("queue_unavailable", "cross_site"),
        is_page=True,
    ),
)
ROUTES = (*JOB_ROUTES, *OPERATOR_ROUTES, *PAGE_ROUTES)
