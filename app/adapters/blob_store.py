"""Where uploaded files and results are kept: the store that the settings name, a folder or a bucket."""

from __future__ import annotations

from app.adapters.blob_border import BlobStore, ResultSink, StoredResult, StoredUpload, UploadWriter
from app.adapters.local_blobs import LocalBlobs
from app.domain.manifest import Manifest
from app.settings import Settings

__all__ = [
    "BlobStore",
    "LocalBlobs",
    "Manifest",
    "ResultSink",
    "StoredResult",
    "StoredUpload",
    "UploadWriter",
    "open_store",
]


def open_store(settings: Settings, *, hurried: bool) -> BlobStore:
    """The store; nothing is asked of it yet. `hurried` is who answers people, and so cannot wait long for it."""
    if settings.s3 is None:
        return LocalBlobs(settings.data_dir / "blobs")
    from app.adapters.s3_blobs import open_s3_blobs  # its client takes 0.2 s to load, which a folder can do without

    return open_s3_blobs(settings.s3, settings.data_dir / "spool", hurried=hurried)
