"""The bucket of the crash points: its requests by name, and what stands there for time that passes and for large files."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from app.adapters.s3_blobs import CHECKS, RESULTS, UPLOADS
from app.adapters.s3_client import Listed
from app.services import Services

#: What is larger goes up in parts: the smallest size that S3 allows (bytes).
PART_BYTES = 5 * 1024**2
#: How much older than they are the objects look, as those of a folder are made to (seconds).
OLDER_SECONDS = 100_000.0
#: By the query that marks a request; one without is named by its method.
_MARKED = {
    ("POST", "uploads"): "create parts",
    ("GET", "uploads"): "list parts",
    ("PUT", "partNumber"): "put part",
    ("POST", "uploadId"): "complete parts",
    ("DELETE", "uploadId"): "abort parts",
    ("GET", "list-type"): "list",
}


def name_of(method: str, url: str) -> str:
    """A request to the bucket as a step: `S3 put`, `S3 complete parts`, …."""
    query = parse_qs(urlsplit(url).query, keep_blank_values=True)
    marked = (name for (verb, mark), name in _MARKED.items() if verb == method and mark in query)
    return f"S3 {next(marked, method.lower())}"


def client_of(services: Services) -> Any:
    """What speaks to the bucket; None where the files are in a folder."""
    return getattr(services.blobs, "client", None)


def fit(services: Services) -> None:
    """Files need not be large to go up in parts, and everything there looks old."""
    if client := client_of(services):
        age = client._age
        client._part_bytes, client._age = PART_BYTES, lambda written: age(written) + OLDER_SECONDS


def clear(services: Services) -> None:
    """Nothing is left but the store's own id."""
    if client := client_of(services):
        for prefix in (UPLOADS, RESULTS, CHECKS):
            for item in client.listed(prefix, "", list[Listed]):
                client.remove(item.key)
        for upload in client.unfinished():
            client.abort(upload.key, upload.upload_id)


def begun(services: Services, job_id: str) -> None:
    """An upload in parts whose process died before it was whole."""
    if client := client_of(services):
        client.asked(lambda: client._minio._create_multipart_upload(client._bucket, UPLOADS + job_id, {}))


def unfinished(services: Services) -> list[str]:
    client = client_of(services)
    return [f"{upload.key} is still going up in parts" for upload in client.unfinished()] if client else []
