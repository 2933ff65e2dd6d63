"""Uploads and results put into a store and read back, as its callers do it."""

import hashlib

from app.adapters.blob_store import Manifest
from app.domain.ids import new_job_id


def manifest_of(job_id, data, **given):
    fields = {"name": "a.txt", "type": "text/plain", "priority": "medium", "created_at": 1_700_000_000_000, **given}
    return Manifest(job_id=job_id, size=len(data), sha256=hashlib.sha256(data).hexdigest(), **fields)


def stored(blobs, data=b"hello", job_id=None, **given):
    manifest = manifest_of(new_job_id() if job_id is None else job_id, data, **given)
    with blobs.new_upload() as upload:
        upload.write(data)
        upload.commit(manifest)
    return manifest


def put_result(blobs, job_id, token, data=b"result"):
    with blobs.new_result(job_id, token) as sink:
        sink.write(data)
        sink.commit()


def bytes_of(blobs, job_id):
    with blobs.upload_path(job_id) as path:
        return path.read_bytes()
