"""One installation, two neighbours: Redis and the blob store carry the same id, or nothing is added, pruned or restored."""

from __future__ import annotations

import secrets

from app.adapters.blob_store import BlobStore
from app.adapters.job_store import JobStore
from app.errors import QueueUnavailable

DIFFERENT = "The queue and the file storage belong to different installations."
MAKE_THEM_ONE = (
    "Set REDIS_URL and DATA_DIR (or S3_BUCKET) to a pair that belongs together, "
    "or run ./run rebuild to adopt the stored files."
)


def bind(jobs: JobStore, blobs: BlobStore) -> str:
    """The id that both share. Two of which one holds nothing are taken into use at once; raises QueueUnavailable, with
    the way out, if they belong to different installations."""
    stored, noted = blobs.installation(), jobs.installation()
    if stored is not None and stored == noted:
        return stored
    if noted is None and (stored is None or blobs.is_empty()):
        if stored is None:
            blobs.set_installation(secrets.token_hex(16), only_if_unset=True)
            stored = blobs.installation()
        if stored is not None and jobs.is_empty():
            jobs.set_installation(stored, only_if_unset=True)
            return _agreed(jobs, blobs)
    if noted is not None and jobs.is_empty() and stored is None:
        blobs.set_installation(noted, only_if_unset=True)
        return _agreed(jobs, blobs)
    raise _mismatch()


def _agreed(jobs: JobStore, blobs: BlobStore) -> str:
    """What stands there now: another process may have been first."""
    stored, noted = blobs.installation(), jobs.installation()
    if stored is None or stored != noted:
        raise _mismatch()
    return stored


def _mismatch() -> QueueUnavailable:
    return QueueUnavailable("queue_unavailable", DIFFERENT, suggestion=MAKE_THEM_ONE, retry_after=30)
