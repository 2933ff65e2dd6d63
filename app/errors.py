"""Everything that can go wrong, by name: one tree, one catalogue of sentences. Knows no HTTP.

    IngestError
    ├── ValidationFailed      the request is not one that can be accepted
    ├── ExtractionFailed      the file cannot be read
    ├── JobTimeout            reading the file took longer than JOB_TIMEOUT
    ├── StorageUnavailable    the blob store does not answer, or has no room
    ├── StorageFailed         the stored bytes are gone or not what they were
    ├── QueueUnavailable      Redis does not answer, or more is asked than can be held
    ├── RequestRefused        the request is understood, and not now or not by you
    └── InternalError         a bug of ours

An error is known by its *code* (``encrypted_document``): the HTTP answer, the log word and the metric tag.
A few codes (``worker_lost``, ``cancelled``, ``poison``) are only written down as how a job failed, and raised by nobody.
The sentences a person reads stand in `CATALOGUE` and never hold anything that came from outside.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """What a person is told about a code: what happened, what to do next, and whether trying again helps."""

    type: str
    message: str
    suggestion: str
    retryable: bool = False


def _entries(type_: str, *rows: tuple[str, str, str], retryable: bool = False) -> dict[str, Entry]:
    return {code: Entry(type_, message, suggestion, retryable) for code, message, suggestion in rows}


CATALOGUE: dict[str, Entry] = {
    **_entries(
        "validation_failed",
        ("missing_file", "The request holds no file.", "Send the file in the form field named file."),
        ("too_many_files", "The request holds more than one file.", "Send one file per request."),
        ("incomplete_body", "The upload ended before the whole file had arrived.", "Send the file again."),
        ("malformed_body", "The body of the request could not be read.", "Check how the request is built and send it again."),
        ("empty_file", "The file is empty.", "Choose a file that has content."),
        ("invalid_field", "A field of the request has a value that is not allowed.", "Correct the field that is named and send the request again."),
        ("too_large", "The request is larger than is accepted here.", "Send a smaller file, or split it."),
        ("unsupported_type", "Files of this type cannot be read here.", "Send a PDF, DOCX, HTML, Markdown, CSV, JSON or plain text file."),
        ("content_mismatch", "The content of the file is not what its name says.", "Check the file, give it the ending that fits its content, and send it again."),
        ("not_multipart", "The request is not a form upload.", "Send the file as multipart/form-data in the field named file."),
        ("bad_request", "The request could not be understood.", "Check the address and the form of the request."),
        ("uri_too_long", "The address of the request is too long.", "Use a shorter address."),
        ("headers_too_large", "The headers of the request are too large.", "Send fewer or shorter headers."),
        ("idempotency_mismatch", "This Idempotency-Key was used before with another file or other fields.", "Use a new key for a new upload."),
        ("idempotency_running", "The first upload with this Idempotency-Key is still running.", "Wait a moment and send the same request again."),
    ),
    **_entries(
        "extraction_failed",
        ("encrypted_document", "The document is locked with a password.", "Save a copy without the password and upload that."),
        ("corrupt_document", "The document is damaged and cannot be read.", "Open it in the program it came from, save it again and upload the new file."),
        ("unsupported_feature", "The document uses something that cannot be read here.", "Save it in another version or format and upload that."),
        ("archive_bomb", "The document unpacks to far more than a document needs.", "Save it again in the program it came from and upload the new file."),
        ("resource_limit", "Reading the document needs more than is allowed here.", "Split the document into smaller files and upload those."),
        ("parser_crashed", "The document could not be read: the reader stopped on it twice.", "Save it in another version or format and upload that."),
        ("poison", "The document stopped three workers in a row.", "Save it in another version or format and upload that."),
    ),
    **_entries(
        "timeout",
        ("job_timeout", "Reading the document took too long.", "Try again later, or split the document into smaller files."),
        retryable=True,
    ),
    **_entries(
        "storage_unavailable",
        ("storage_unavailable", "The file storage does not answer.", "Try again in a moment; nothing that was accepted is lost."),
        ("storage_full", "The file storage has no room left.", "Try again later, or tell the operator of this service."),
        retryable=True,
    ),
    **_entries(
        "storage_failed",
        ("blob_missing", "The stored file is not there any more.", "Upload the file again."),
        ("blob_corrupt", "The stored file is not what was uploaded.", "Upload the file again."),
    ),
    **_entries(
        "queue_unavailable",
        ("queue_unavailable", "The job queue does not answer.", "Try again in a moment; nothing that was accepted is lost."),
        ("overloaded", "The service has more work than it can take at present.", "Try again after the time the Retry-After header gives."),
        ("too_many_streams", "Too many live connections are open.", "Ask the status address instead, or try again in a moment."),
        retryable=True,
    ),
    **_entries(
        "worker_lost",
        ("worker_lost", "The worker that read the document stopped answering.", "Nothing to do: another worker takes over."),
        retryable=True,
    ),
    **_entries(
        "cancelled",
        ("cancelled", "The job was cancelled.", "Start it again with a retry if it is still wanted."),
    ),
    **_entries(
        "request_refused",
        ("not_found", "There is nothing at this address.", "Check the address; results and jobs are removed after some days."),
        ("method_not_allowed", "This address does not take that method.", "Use one of the methods in the Allow header."),
        ("unauthenticated", "This needs the secret of this service.", "Send it as Authorization: Bearer, or log in."),
        ("read_only", "The operator's addresses of this service only show, and change nothing.", "Unset ADMIN_READ_ONLY and start the service again if it should be operated from here."),
        ("cross_site", "The request came from a page of another site.", "Use the page of this service, or a program that is no browser."),
        ("not_configured", "This part of the service is closed, because its secret is not set.", "Set the secret in the environment of the service and start it again."),
        ("not_completed", "The job has no result yet.", "Ask again after the time the Retry-After header gives."),
        ("wrong_state", "The job is in a state in which this cannot be done.", "Look at the status of the job."),
        ("batch_running", "A batch is running already.", "Wait until it has ended; one batch runs at a time."),
        ("rate_limited", "Too many attempts.", "Wait a minute and try again."),
    ),
    **_entries(
        "internal",
        ("internal", "Something went wrong on our side.", "Try again; if it stays so, tell the operator the reference."),
    ),
}  # fmt: skip


class IngestError(Exception):
    """A failure with a code of the catalogue; `message`, `suggestion` may be made more exact by whoever raises it."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        suggestion: str | None = None,
        field: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """`field` names the request field to blame; `retry_after` is in seconds."""
        entry = CATALOGUE[code]
        self.code = code
        self.type = entry.type
        self.message = message or entry.message
        self.suggestion = suggestion or entry.suggestion
        self.retryable = entry.retryable
        self.field = field
        self.retry_after = retry_after
        super().__init__(f"{code}: {self.message}")


class ValidationFailed(IngestError):
    pass


class ExtractionFailed(IngestError):
    pass


class JobTimeout(IngestError):
    def __init__(self) -> None:
        super().__init__("job_timeout")


class StorageUnavailable(IngestError):
    pass


class StorageFailed(IngestError):
    pass


class QueueUnavailable(IngestError):
    pass


class RequestRefused(IngestError):
    pass


class InternalError(IngestError):
    pass
