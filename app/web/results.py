"""The text that was read: whole or by the page, as JSON, plain text or Markdown. Sent piece by piece, never held whole."""

from __future__ import annotations

import codecs
import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, request

from app.adapters.result_file import ResultReader
from app.domain.job import Job, JobStatus
from app.errors import IngestError, RequestRefused, ValidationFailed
from app.services import Services
from app.web.context import find_job, retry_after, services
from app.web.documents import result_summary
from app.web.problems import problem

#: Format → content type and the ending of a downloaded file.
FORMATS = {
    "json": ("application/json", ".json"),
    "text": ("text/plain; charset=utf-8", ".txt"),
    "markdown": ("text/markdown; charset=utf-8", ".md"),
}
_FORMAT_OF = {content_type.partition(";")[0]: name for name, (content_type, _) in FORMATS.items()}
_PAGE_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)

blueprint = Blueprint("results", __name__)


@blueprint.get("/api/ingest/result/<job_id>")
def result(job_id: str) -> Response:
    """Refuses nonsense in the query before it looks for the job's result."""
    job = find_job(job_id)
    form, page, download = asked_format(), _page_number(), _download()
    if job.status is JobStatus.FAILED:
        return job_problem(job, status=409)
    if job.status is not JobStatus.COMPLETED:
        raise RequestRefused("not_completed", retry_after=retry_after(job))
    reader = open_result(services(), job)
    try:
        body = body_of(reader, job, form, page)
        response = streamed(body, reader, content_type=FORMATS[form][0])
    except BaseException:
        reader.close()
        raise
    if download:
        stem = job.file.name.rpartition(".")[0] or job.file.name
        response.headers["Content-Disposition"] = _attachment(stem, FORMATS[form][1])
    response.vary.add("Accept")
    return response


def open_result(at: Services, job: Job) -> ResultReader:
    """Raises StorageFailed, StorageUnavailable."""
    file = at.blobs.open_result(job.id, job.result_token or "")
    try:
        return ResultReader(file)
    except BaseException:
        file.close()
        raise


def streamed(body: Iterator[bytes], reader: ResultReader, *, content_type: str) -> Response:
    """The first piece is read at once, so that a result that cannot be read is still answered as an error."""
    first = next(body, b"")
    response = Response(_closing(reader, first, body), content_type=content_type)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    response.call_on_close(reader.close)
    return response


def _closing(reader: ResultReader, first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    with reader:
        yield first
        yield from rest


def job_problem(job: Job, *, status: int) -> Response:
    """The job's own error as the answer."""
    failure = job.failure
    assert failure is not None  # noqa: S101 - a failed job always has one
    error = IngestError(failure.code, failure.message, suggestion=failure.suggestion)
    error.retryable = failure.retryable
    return problem(error, retry_count=job.attempt - 1, status=status)


def text_document(job: Job) -> Response:
    """What the synchronous endpoint answers: the summary, and the text as one string."""
    reader = open_result(services(), job)
    head = {"success": True, "jobId": job.id, "status": job.status.value, "result": result_summary(job)}
    return streamed(_with_text(head, reader), reader, content_type="application/json")


def _with_text(head: dict[str, Any], reader: ResultReader) -> Iterator[bytes]:
    yield f'{json.dumps(head)[:-1]}, "text": "'.encode()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for data in reader.iter_text():
        yield json.dumps(decoder.decode(data))[1:-1].encode()
    yield json.dumps(decoder.decode(b"", final=True))[1:-1].encode() + b'"}'


# ---- what is asked for ---------------------------------------------------------------------------------------


def asked_format(*, default: str | None = None) -> str:
    """`format` counts; else the default, or what `Accept` likes best of what there is, JSON where it names none of it."""
    asked = request.args.get("format", default)
    if asked is None:
        return _FORMAT_OF[request.accept_mimetypes.best_match(_FORMAT_OF) or "application/json"]
    if asked not in FORMATS:
        raise ValidationFailed("invalid_field", suggestion="Use json, text or markdown.", field="format")
    return asked


def _page_number() -> int | None:
    asked = request.args.get("page")
    if asked is None:
        return None
    if not _PAGE_NUMBER.fullmatch(asked):
        raise ValidationFailed("invalid_field", suggestion="Pages are counted from 1.", field="page")
    return int(asked)


def _download() -> bool:
    asked = request.args.get("download", "0")
    if asked not in ("0", "1", "false", "true"):
        raise ValidationFailed("invalid_field", suggestion="Use 1 to download the result.", field="download")
    return asked in ("1", "true")


# ---- the three forms -----------------------------------------------------------------------------------------


def body_of(reader: ResultReader, job: Job, form: str, page: int | None = None) -> Iterator[bytes]:
    text = None
    if page is not None:
        text = reader.page(page)
        if text is None:
            raise RequestRefused("not_found", "The result has no page of that number.")
    if form == "json":
        document = _document(reader, job)
        if page is None:
            return reader.iter_json(document)
        return iter((json.dumps({**document, "pages": [{"number": page, "text": text}]}).encode(),))
    if text is not None:
        return iter((text.encode("utf-8", "replace"),))
    return reader.iter_text() if form == "text" else _markdown(reader, job)


def _document(reader: ResultReader, job: Job) -> dict[str, Any]:
    """All of the result but its pages; their number goes by `pageCount` here, as `pages` holds the pages themselves."""
    summary = result_summary(job)
    pages = summary.pop("pages")
    file = {"name": job.file.name, "size": job.file.size, "type": job.file.type}
    metadata = reader.document.get("metadata") or {}
    return {"success": True, "jobId": job.id, "file": file, "pageCount": pages, **summary, "metadata": metadata}


def _markdown(reader: ResultReader, job: Job) -> Iterator[bytes]:
    """The title and the pages under headings; a file that is Markdown already is left as it is."""
    title = None if job.file.type == "text/markdown" else result_summary(job)["title"]
    if title:
        yield f"# {' '.join(str(title).split())}\n\n".encode("utf-8", "replace")
    several = len(reader.page_numbers) > 1
    for page in reader.iter_pages():
        heading = f"## Page {page.number}\n\n" if several else ""
        yield f"{heading}{page.text.rstrip()}\n{chr(10) if several else ''}".encode("utf-8", "replace")


def _attachment(stem: str, ending: str) -> str:
    """RFC 6266: the name in ASCII for all, and as it is for those who understand (RFC 8187)."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^\w .,()+=@-]", "_", plain).strip(" .") or "result"
    exact = "" if plain == stem else f"; filename*=UTF-8''{quote(stem + ending, safe='')}"
    return f'attachment; filename="{plain}{ending}"{exact}'
