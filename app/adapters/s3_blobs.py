"""The blob store that is a bucket of MinIO or S3.

`s3_layout` says where everything stands in it. What a parser is to read comes down into the spool through which uploads
and results go up.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from app.adapters.blob_border import ResultSink, StoredResult, StoredUpload, UploadWriter
from app.adapters.blob_names import upload_name
from app.adapters.breaker import Breaker
from app.adapters.durable_files import translated, write_all
from app.adapters.s3_client import S3Client
from app.adapters.s3_layout import (
    CHECKS,
    INSTALLATION,
    RESULTS,
    UPLOADS,
    manifest_in,
    metadata_of,
    result_at,
    results_in,
    upload_at,
)
from app.adapters.s3_objects import Listed
from app.adapters.s3_patience import Caller, Patience
from app.adapters.s3_reading import ObjectFile, ObjectStream
from app.adapters.s3_writing import S3Result, S3Upload
from app.adapters.spool import Spool
from app.domain.ids import is_job_id
from app.domain.manifest import Manifest
from app.errors import StorageFailed, StorageUnavailable
from app.settings import S3Place

#: What is in a hurry has answered a person with 503 after five seconds; a worker tries longer within its attempt.
HURRIED = Patience(seconds=4.0, answer_seconds=4.0)
PATIENT = Patience(seconds=10.0, answer_seconds=5.0)
#: What is to be deleted can be deleted later: the sweep, which does it, has more urgent things to do.
CALM = Patience(seconds=0.5, answer_seconds=2.0)


def open_s3_blobs(place: S3Place, spool: Path, *, hurried: bool) -> S3Blobs:
    """Nothing is asked of the store yet."""
    caller = Caller(HURRIED, Breaker()) if hurried else Caller(PATIENT)
    return S3Blobs(S3Client(place, caller), Spool(spool))


class S3Blobs:
    """See the top of this file. Sizes of lists and their order are those of every store."""

    kind = "s3"

    def __init__(self, client: S3Client, spool: Spool, *, later: Caller | None = None) -> None:
        """`later` asks for what can be done later too."""
        self.client, self.spool = client, spool
        self._later = later or Caller(CALM, Breaker())
        self._aside = Caller(CALM, Breaker())  # a copy may take long: that says nothing about the store

    # uploads

    def new_upload(self) -> UploadWriter:
        return S3Upload(self.client, self.spool.new(), stored=self.manifest)

    @contextlib.contextmanager
    def upload_path(self, job_id: str) -> Iterator[Path]:
        """Raises ``blob_corrupt`` if the bytes are not those of the manifest, also when fetched a second time."""
        key = upload_at(job_id)
        with self.spool.named() as (path, fd):
            if not self._fetched_once(key, fd) and not self._fetched(key, fd):
                raise StorageFailed("blob_corrupt")
            yield path

    def _fetched_once(self, key: str, fd: int) -> bool:
        """False, too, where it became another object in between: a priority was noted in it, or it was stored again."""
        try:
            return self._fetched(key, fd)
        except StorageFailed as error:
            if error.code != "blob_corrupt":
                raise
            return False

    def _fetched(self, key: str, fd: int) -> bool:
        digest = hashlib.sha256()
        with translated():
            os.ftruncate(fd, 0)
            os.lseek(fd, 0, os.SEEK_SET)
        with contextlib.closing(ObjectStream(self.client, key)) as stream:
            manifest = manifest_in(stream.head())
            for chunk in stream.chunks():
                digest.update(chunk)
                with translated():
                    write_all(fd, chunk)
        return manifest.sha256 == digest.hexdigest()

    def manifest(self, job_id: str) -> Manifest | None:
        head = self.client.head(upload_at(job_id))
        if head is None:
            return None
        manifest = manifest_in(head)
        if (manifest.job_id, manifest.size) != (job_id, head.size):
            raise StorageFailed("blob_corrupt")
        return manifest

    def note_priority(self, job_id: str, priority: str) -> None:
        """The object is copied onto itself, inside the store. Where that is no single step there, a removal in between may
        be undone: the housekeeping removes it again, as long as there is a tombstone or the completed record."""
        head = self.client.head(upload_at(job_id))
        if head is not None:
            noted = metadata_of(replace(manifest_in(head), moved_to=priority))
            self.client.set_metadata(upload_at(job_id), head, noted, self._aside)

    def list_uploads(self, after: str = "", limit: int = 500) -> list[StoredUpload]:
        def page(items: Iterator[Listed]) -> list[StoredUpload]:
            named = (StoredUpload(item.key.removeprefix(UPLOADS), item.age_seconds) for item in items)
            return list(islice((upload for upload in named if is_job_id(upload.job_id)), limit))

        return self.client.listed(UPLOADS, UPLOADS + after if after else "", page)

    def delete_upload(self, job_id: str) -> None:
        self.client.remove(upload_at(job_id), self._later)

    # results

    def new_result(self, job_id: str, token: str) -> ResultSink:
        return S3Result(self.client, self.spool.new(), result_at(job_id, token))

    def open_result(self, job_id: str, token: str) -> BinaryIO:
        return cast(BinaryIO, ObjectFile(self.client, result_at(job_id, token)))

    def list_results(self, after: str = "", limit: int = 500) -> list[StoredResult]:
        def page(items: Iterator[Listed]) -> list[StoredResult]:
            found: list[StoredResult] = []
            for result in results_in(items):
                if len(found) >= limit and result.job_id != found[-1].job_id:
                    break
                found.append(result)
            return found

        behind = f"{RESULTS}{after}.~" if after else ""  # the last of that job's results
        return self.client.listed(RESULTS, behind, page)

    def results_of(self, job_id: str) -> list[str]:
        prefix = f"{RESULTS}{upload_name(job_id)}."
        return sorted(result.token for result in self.client.listed(prefix, "", lambda items: list(results_in(items))))

    def delete_result(self, job_id: str, token: str) -> None:
        self.client.remove(result_at(job_id, token), self._later)

    # housekeeping

    def prune_partials(self, older_than_seconds: float) -> int:
        """Of this store: multipart uploads that were never completed, and objects of a `check` that was cut short."""
        parts = [item for item in self.client.unfinished() if item.age_seconds > older_than_seconds]
        for item in parts:
            self.client.abort(item.key, item.upload_id)
        old = [item for item in self.client.listed(CHECKS, "", list[Listed]) if item.age_seconds > older_than_seconds]
        for left in old:
            self.client.remove(left.key)
        return len(parts) + len(old)

    def installation(self) -> str | None:
        found = self.client.get(INSTALLATION)
        return found.decode("ascii", "replace").strip() or None if found is not None else None

    def set_installation(self, value: str, *, only_if_unset: bool = False) -> None:
        self.client.put(INSTALLATION, value.encode("ascii"), only_if_missing=only_if_unset)

    def is_empty(self) -> bool:
        return not self.list_uploads(limit=1) and not self.list_results(limit=1)

    def check(self) -> None:
        proof, key = secrets.token_bytes(32), CHECKS + secrets.token_hex(16)
        self.client.put(key, proof)
        try:
            if self.client.get(key) != proof:
                raise StorageUnavailable("storage_unavailable")
        finally:
            self.client.remove(key)

    def free_bytes(self) -> None:
        """A bucket does not tell."""

    def room_for_uploads(self) -> int:
        return self.spool.free_bytes()
