"""Can the file storage be written, is there room, and does it belong to the Redis that would be used?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from app.adapters.blob_store import BlobStore
from app.adapters.redis_memory import RedisMemory
from app.errors import IngestError
from app.ingestion.system_warnings import system_warnings
from app.settings import Settings
from app.supervision.findings import Finding, advice, fine, wrong

TOPIC = "storage"
_MIB = 1024 * 1024


def of_storage(blobs: BlobStore, settings: Settings) -> Iterator[Finding]:
    """A probe is written, read back and removed. A folder that nothing has begun to use yet is not made."""
    if settings.s3 is None and not (settings.data_dir / "blobs").exists():
        yield from _of_no_folder_yet(settings.data_dir)
        return
    try:
        blobs.check()
        blobs.is_empty()  # listing is a right of its own
        yield fine(TOPIC, "a probe was written, read back and removed")
        yield from _room(blobs.free_bytes(), settings.min_free_bytes)
    except IngestError as error:
        yield wrong(TOPIC, _in_full(error), why="uploads are refused and jobs wait", do=_what_to_do(settings))
    if settings.s3 is None:
        yield from _privacy(settings.data_dir)


def _in_full(error: IngestError) -> str:
    """With the words of the system or the store, which the operator may see."""
    cause = error.__cause__
    return f"{error.message} ({type(cause).__name__}: {cause})" if cause else error.message


def _what_to_do(settings: Settings) -> str:
    if settings.s3 is None:
        return f"let this user write in {settings.data_dir}, and see that its disk has room"
    return (
        "check S3_ENDPOINT, the keys, and that they may get, put, list and delete objects "
        f"of the bucket {settings.s3.bucket}"
    )


def _of_no_folder_yet(folder: Path) -> Iterator[Finding]:
    """Nothing is there: could it be made?"""
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    if not parent.is_dir() or not _may_write(parent):
        yield wrong(
            TOPIC,
            f"{folder} cannot be made in {parent}",
            why="files are kept there",
            do="make the folder for this user, or set DATA_DIR to another",
        )
    else:
        yield fine(TOPIC, f"{folder} is not used yet, and can be")


def _may_write(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def _room(free_bytes: int | None, min_free_bytes: int) -> Iterator[Finding]:
    if free_bytes is None:
        return
    found = system_warnings(RedisMemory(), free_bytes=free_bytes, min_free_bytes=min_free_bytes)
    for warning in found:
        make = wrong if free_bytes < min_free_bytes else advice
        yield make(TOPIC, warning.message, why="files are kept there", do=warning.suggestion)
    if not found:
        yield fine(TOPIC, f"{free_bytes // _MIB:,} MiB are free")


def _privacy(folder: Path) -> Iterator[Finding]:
    open_to = stat.S_IMODE(folder.stat().st_mode) & 0o077
    if open_to & 0o007:
        yield advice(
            TOPIC,
            f"{folder} can be entered by every user of this machine",
            why="uploads and secrets are in it, though readable by their owner alone",
            do=f"chmod 700 {folder}",
        )


def of_pair(*, stored: str | None, noted: str | None, files_empty: bool, jobs_empty: bool) -> Iterator[Finding]:
    """The installation's id in the storage and in Redis, by the rule by which the service takes two into use."""
    topic = "pair"
    if stored is not None and stored == noted:
        yield fine(topic, "Redis and the storage belong together")
    elif (noted is None and jobs_empty and (stored is None or files_empty)) or (stored is None and jobs_empty):
        yield fine(topic, "Redis and the storage will be taken into use together")
    else:
        yield wrong(
            topic,
            "Redis and the storage belong to different installations",
            why="nothing is accepted, so that nothing is deleted by mistake",
            do="set REDIS_URL and the storage to a pair, or adopt the files with ./run rebuild",
        )
