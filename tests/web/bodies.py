"""Requests with a body as a server hands them over, and what became of them."""

import io

import pytest

from app.adapters.blob_store import Manifest
from app.domain.ids import new_job_id
from app.errors import IngestError
from app.web.problems import status_of
from app.web.uploaded_file import read_raw

LIMIT = 100_000
BOUNDARY = "x7"


def environ_of(body, content_type=f"multipart/form-data; boundary={BOUNDARY}", **given):
    environ = {"wsgi.input": io.BytesIO(body), "CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body)), **given}
    return {name: value for name, value in environ.items() if value is not None}


def chunked(body, **given):
    return environ_of(body, CONTENT_LENGTH=None, HTTP_TRANSFER_ENCODING="chunked", **given)


def opened(blobs):
    return lambda filename, media_type: blobs.new_upload()


def content_of(blobs, upload):
    """Make a job of an upload, as the caller does, and read it back."""
    job_id = new_job_id()
    size, sha256 = upload.writer.size, upload.writer.sha256
    upload.writer.commit(Manifest(job_id, upload.filename, upload.media_type, size, sha256, "medium", 0))
    with blobs.upload_path(job_id) as path:
        return path.read_bytes()


def refusal(step, *args, **kwargs):
    with pytest.raises(IngestError) as caught:
        step(*args, **kwargs)
    return status_of(caught.value), caught.value.code, caught.value.field


def raw(blobs, environ, filename="a.txt", **given):
    return read_raw(environ, filename, limit=LIMIT, on_file=opened(blobs), **given)
