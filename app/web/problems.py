"""Errors as answers: RFC 9457 problems for programs, a page for the few routes that people open by hand.

The only place that knows which HTTP status belongs to which code.
"""

from __future__ import annotations

import json
import re
import traceback
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from flask import Flask, Response, g, has_request_context, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadHost, HTTPException

from app.errors import CATALOGUE, IngestError, InternalError, RequestRefused, ValidationFailed

log = structlog.get_logger()

_STATUS_OF_TYPE = {
    "validation_failed": 400,
    "extraction_failed": 422,
    "timeout": 422,
    "storage_unavailable": 503,
    "storage_failed": 500,
    "queue_unavailable": 503,
    "worker_lost": 503,
    "cancelled": 409,
    "request_refused": 409,
    "internal": 500,
}
_STATUS_OF_CODE = {
    "empty_file": 422,
    "invalid_field": 422,
    "idempotency_mismatch": 422,
    "idempotency_running": 409,
    "too_large": 413,
    "unsupported_type": 415,
    "content_mismatch": 415,
    "not_multipart": 415,
    "uri_too_long": 414,
    "headers_too_large": 431,
    "read_only": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "unauthenticated": 401,
    "cross_site": 403,
    "not_configured": 503,
    "rate_limited": 429,
}
_CODE_OF_STATUS = {
    404: "not_found",
    405: "method_not_allowed",
    408: "incomplete_body",
    413: "too_large",
    414: "uri_too_long",
    415: "unsupported_type",
    429: "rate_limited",
    431: "headers_too_large",
    503: "queue_unavailable",
}
"""For what Flask and Werkzeug refuse by themselves."""

_REQUEST_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_RETRY_AFTER = {
    "idempotency_running": 2,
    "not_completed": 2,
    "rate_limited": 60,
    "storage_full": 60,
    "not_configured": 60,
}
_RETRY_AFTER_503 = 5


def status_of(error: IngestError) -> int:
    """The HTTP status; an error that knows better (a body cut for being slow) says so in `http_status`."""
    own: int | None = getattr(error, "http_status", None)
    return own or _STATUS_OF_CODE.get(error.code) or _STATUS_OF_TYPE[error.type]


def error_object(error: IngestError, *, retry_count: int = 0) -> dict[str, Any]:
    """The `error` member, the same in problems, status documents and events."""
    shown: dict[str, Any] = {
        "type": error.type,
        "code": error.code,
        "message": error.message,
        "suggestion": error.suggestion,
        "retryable": error.retryable,
        "retryCount": retry_count,
    }
    return {**shown, "field": error.field} if error.field else shown


def problem_document(error: IngestError, *, status: int, reference: str, retry_count: int = 0) -> dict[str, Any]:
    """`instance` is the request's own id and no address, so that nothing a client sent is said back."""
    return {
        "type": f"/problems/{error.code}",
        "title": CATALOGUE[error.code].message,
        "status": status,
        "detail": error.message,
        "instance": uuid.UUID(reference).urn,
        "success": False,
        "error": error_object(error, retry_count=retry_count),
    }


def problem(error: IngestError, *, retry_count: int = 0, status: int | None = None) -> Response:
    """`status` where the route gives a code another meaning: the result of a failed job is a 409."""
    status = status or status_of(error)
    document = problem_document(error, status=status, reference=request_id(), retry_count=retry_count)
    answer = Response(json.dumps(document), status, content_type="application/problem+json")
    answer.headers.update(_headers(error, status))
    return answer


def request_id() -> str:
    """One for each request, in its log lines, its `X-Request-ID` and its problems; made when first asked for."""
    if not has_request_context():
        return str(uuid.uuid4())
    if "request_id" not in g:
        g.request_id = str(uuid.uuid4())
    return str(g.request_id)


def is_request_id(text: str) -> bool:
    """A UUID in lower case, with or without its dashes, as proxies make them; nothing else gets into logs and answers."""
    return _REQUEST_ID.fullmatch(text) is not None


def is_page(path: str, method: str) -> bool:
    """The addresses that a person opens; everything else answers programs, whatever their Accept says."""
    if path == "/":
        return method in ("GET", "HEAD", "POST")
    return path.startswith(("/jobs/", "/admin/")) or path == "/admin"


def register(app: Flask, *, html_paths: Callable[[str, str], bool] = is_page) -> None:
    """`html_paths(path, method)` tells where an error is a page: ``problem.html``, with `error` and `reference`."""

    def answered(error: IngestError) -> Response:
        no_urls = isinstance(request.routing_exception, BadHost)  # a Host that no address can be made of, so no page
        if no_urls or not html_paths(request.path, request.method):
            return problem(error)
        return _page(error)

    def refused(error: IngestError) -> ResponseReturnValue:
        _log(error)
        return answered(error)

    def refused_by_flask(error: HTTPException) -> ResponseReturnValue:
        if error.response is not None or (error.code or 500) < 400:
            return error.get_response()
        answer = answered(_translated(error))
        answer.headers.update({name: value for name, value in error.get_headers() if name == "Allow"})
        return answer

    def unforeseen(error: Exception) -> ResponseReturnValue:
        reference = request_id()
        log.error("internal", reference=reference, traceback=_trace(error))
        return answered(_internal(reference))

    app.register_error_handler(IngestError, refused)
    app.register_error_handler(HTTPException, refused_by_flask)
    app.register_error_handler(Exception, unforeseen)


def _headers(error: IngestError, status: int) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    seconds = error.retry_after or _RETRY_AFTER.get(error.code) or (_RETRY_AFTER_503 if status == 503 else None)
    if status in (409, 429, 503) and seconds:
        headers["Retry-After"] = str(seconds)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="ingest"'
    return headers


def _page(error: IngestError) -> Response:
    status = status_of(error)
    reference = request_id() if status >= 500 else None
    answer = make_response(render_template("problem.html", error=error_object(error), reference=reference), status)
    answer.headers.update(_headers(error, status))
    return answer


def _translated(error: HTTPException) -> IngestError:
    """Our words for what Werkzeug refuses: its own name the library and may say back what was sent."""
    status = error.code or 500
    if status >= 500 and status not in _CODE_OF_STATUS:
        return _internal(request_id())
    code = _CODE_OF_STATUS.get(status, "bad_request")
    translated: IngestError = (RequestRefused if CATALOGUE[code].type == "request_refused" else ValidationFailed)(code)
    if status != status_of(translated):
        translated.http_status = status  # type: ignore[attr-defined]
    return translated


def _internal(reference: str) -> InternalError:
    return InternalError(
        "internal", suggestion=f"Try again; if it stays so, tell the operator the reference {reference}."
    )


def _log(error: IngestError) -> None:
    status = status_of(error)
    if status >= 500:
        cause = type(error.__cause__).__name__ if error.__cause__ else None
        log.warning("refused", code=error.code, status=status, cause=cause)


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
