"""One upload as the routes take it: a place among the uploads, the Idempotency-Key, the file, the fields, the job."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

import structlog
from flask import request

from app.domain.job import Job, Priority
from app.errors import QueueUnavailable, ValidationFailed
from app.ingestion.submit import Intake
from app.web.context import services
from app.web.gate import Place, gate
from app.web.problems import request_id
from app.web.upload_form import FIELDS, read_multipart
from app.web.uploaded_file import OnFile, Upload, read_raw

log = structlog.get_logger()

LONGEST_USER_ID = 128
_KEY_FORM = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

Read = Callable[[OnFile, Callable[[], None]], Upload]


def receive_form() -> Job:
    """A form upload becomes a job; raises the error that the client is told."""
    limit = services().settings.max_upload_bytes
    return _received(
        lambda on_file, on_bytes: read_multipart(request.environ, limit=limit, on_file=on_file, on_bytes=on_bytes)
    )


def receive_raw(filename: str) -> Job:
    """A body that is the file; its fields stand in the query, and are refused before the body is read."""
    limit = services().settings.max_upload_bytes
    if "Content-Range" in request.headers:  # RFC 9110, 14.5: a part must not be taken for the whole
        raise ValidationFailed("bad_request", suggestion="Send the whole file, without Content-Range.")
    fields = _query_fields()
    priority_of(fields), user_id_of(fields)

    def read(on_file: OnFile, on_bytes: Callable[[], None]) -> Upload:
        upload = read_raw(request.environ, filename, limit=limit, on_file=on_file, on_bytes=on_bytes)
        return Upload(upload.filename, upload.media_type, upload.writer, fields)

    return _received(read)


def _received(read: Read) -> Job:
    place, intake = _entered()
    with place:
        try:
            upload = read(lambda name, media_type: intake.open(request.content_length), intake.touch)
            with upload.writer:
                job = intake.accept(
                    filename=upload.filename,
                    media_type=upload.media_type,
                    priority=priority_of(upload.fields),
                    user_id=user_id_of(upload.fields),
                    writer=upload.writer,
                )
                log.info("upload_accepted", job_id=job.id, size=job.file.size, type=job.file.type)
                return job
        except BaseException:
            intake.abandon()
            raise


def _entered() -> tuple[Place, Intake]:
    """A place and the key, before a byte is read; refused at the door is whoever gets neither."""
    key = idempotency_key()
    place = gate().uploads.take()
    if place is None:
        raise QueueUnavailable("overloaded", retry_after=5)
    try:
        return place, Intake(services(), idempotency_key=key, request_id=request_id())
    except BaseException:
        place.release()
        raise


def idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY_FORM.fullmatch(key):
        raise ValidationFailed(
            "invalid_field", suggestion="Use 1 to 200 visible ASCII characters.", field="Idempotency-Key"
        )
    return key


def priority_of(fields: Mapping[str, str]) -> Priority:
    try:
        return Priority(fields.get("priority", Priority.MEDIUM.value))
    except ValueError as error:
        raise ValidationFailed(
            "invalid_field", suggestion="Use urgent, high, medium or low.", field="priority"
        ) from error


def user_id_of(fields: Mapping[str, str]) -> str | None:
    """A label to show and to search for, so without characters that cannot be seen; None if nothing is left."""
    given = fields.get("userId", "")
    if len(given) > LONGEST_USER_ID:
        raise ValidationFailed("invalid_field", suggestion=f"Use at most {LONGEST_USER_ID} characters.", field="userId")
    seen = "".join(character for character in given if unicodedata.category(character) not in _INVISIBLE)
    return unicodedata.normalize("NFC", seen).strip() or None


def _query_fields() -> dict[str, str]:
    fields = {}
    for name in FIELDS:
        values = request.args.getlist(name)
        if len(values) > 1:
            raise ValidationFailed("invalid_field", f"The field {name} is given more than once.", field=name)
        if values:
            fields[name] = values[0]
    return fields
