"""The blob store that is a bucket of MinIO or S3.

``uploads/<job id>`` with the manifest as metadata, put together with the bytes; ``results/<job id>.<token>``;
``installation``. What goes up lies in a spool first, because the client has to know how much there is and may have to
send it again; what a parser is to read comes down into the same spool.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import secrets
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from typing_extensions import Self

from app.adapters.blob_border import ResultSink, StoredResult, StoredUpload, UploadWriter
from app.adapters.blob_names import result_key, result_name, upload_name
from app.adapters.breaker import Breaker
from app.adapters.durable_files import translated, write_all
from app.adapters.s3_client import Head, Listed, S3Client
from app.adapters.s3_patience import Caller, Patience
from app.adapters.s3_reading import ObjectFile, ObjectStream
from app.adapters.spool import Spool
from app.domain.ids import is_job_id
from app.domain.manifest import Manifest
from app.errors import StorageFailed, StorageUnavailable, ValidationFailed
from app.settings import S3Place

UPLOADS, RESULTS, CHECKS, INSTALLATION = "uploads/", "results/", "checks/", "installation"
_MANIFEST = "manifest"
_BUFFER_BYTES = 256 * 1024
#: What is in a hurry has answered a person with 503 after five seconds; a worker tries longer within its attempt.
HURRIED = Patience(seconds=4.0, answer_seconds=4.0)
PATIENT = Patience(seconds=10.0, answer_seconds=5.0)
#: What is to be deleted can be deleted later: the sweep, which does it, has more urgent things to do.
CALM = Patience(seconds=0.5, answer_seconds=2.0)


def open_s3_blobs(place: S3Place, spool: Path, *, hurried: bool) -> S3Blobs:
    """Nothing is asked of the store yet."""
    caller = Caller(HURRIED, Breaker()) if hurried else Caller(PATIENT)
    return S3Blobs(S3Client(place, caller), Spool(spool))


class _S3Upload:
    """A file of the spool until the commit puts it into the bucket."""

    def __init__(self, store: S3Blobs) -> None:
        self._store = store
        self._hash = hashlib.sha256()
        self._file = store.spool.new()

    @property
    def size(self) -> int:
        return self._file.size

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        try:
            self._file.write(chunk)
        except StorageUnavailable:
            self.discard()  # at once: on a full disk the room is wanted by others
            raise
        self._hash.update(chunk)

    def commit(self, manifest: Manifest) -> None:
        if (manifest.size, manifest.sha256) != (self.size, self.sha256):
            raise ValueError("the manifest is not about these bytes")
        key, header = UPLOADS + upload_name(manifest.job_id), {_MANIFEST: _header_of(manifest)}
        try:
            if manifest.idempotency_key is None:
                self._store.client.put_file(key, self._file, header)
            elif not self._is_stored(manifest) and not self._store.client.put_file(
                key, self._file, header, only_if_missing=True
            ):
                self._is_stored(manifest)  # another one was first
        finally:
            self.discard()

    def _is_stored(self, manifest: Manifest) -> bool:
        """Is this very upload there? Only a key leads two to one id: raises `idempotency_mismatch` for another one."""
        earlier = self._store.manifest(manifest.job_id)
        if earlier is not None and not earlier.tells_of(manifest):
            raise ValidationFailed("idempotency_mismatch")
        return earlier is not None

    def discard(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.discard()


class _S3Result:
    """As an upload; what a commit without an answer may have left is pruned like any result that no record points to."""

    def __init__(self, store: S3Blobs, key: str) -> None:
        self._store, self._key = store, key
        self._file = store.spool.new()
        self._buffer = io.BytesIO()

    def write(self, data: bytes) -> None:
        self._buffer.write(data)
        if self._buffer.tell() >= _BUFFER_BYTES:
            self._flush()

    def commit(self) -> None:
        if self._file.is_closed:
            return
        self._flush()
        self._store.client.put_file(self._key, self._file, {})
        self._file.close()

    def discard(self) -> None:
        self._file.close()

    def _flush(self) -> None:
        self._file.write(self._buffer.getbuffer())
        self._buffer = io.BytesIO()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.discard()


class S3Blobs:
    """See the top of this file. Sizes of lists and their order are those of every store."""

    kind = "s3"

    def __init__(self, client: S3Client, spool: Spool, *, later: Caller | None = None) -> None:
        """`later` asks for what can be done later too."""
        self.client, self.spool = client, spool
        self._later = later or Caller(CALM, Breaker())

    # uploads

    def new_upload(self) -> UploadWriter:
        return _S3Upload(self)

    @contextlib.contextmanager
    def upload_path(self, job_id: str) -> Iterator[Path]:
        """Raises ``blob_corrupt`` if the bytes are not those of the manifest, also when fetched a second time."""
        key = UPLOADS + upload_name(job_id)
        with self.spool.named() as (path, fd):
            if not self._fetched(key, fd) and not self._fetched(key, fd):
                raise StorageFailed("blob_corrupt")
            yield path

    def _fetched(self, key: str, fd: int) -> bool:
        digest = hashlib.sha256()
        with translated():
            os.ftruncate(fd, 0)
            os.lseek(fd, 0, os.SEEK_SET)
        with contextlib.closing(ObjectStream(self.client, key)) as stream:
            manifest = _manifest_in(stream.head())
            for chunk in stream.chunks():
                digest.update(chunk)
                with translated():
                    write_all(fd, chunk)
        return manifest.sha256 == digest.hexdigest()

    def manifest(self, job_id: str) -> Manifest | None:
        head = self.client.head(UPLOADS + upload_name(job_id))
        if head is None:
            return None
        manifest = _manifest_in(head)
        if (manifest.job_id, manifest.size) != (job_id, head.size):
            raise StorageFailed("blob_corrupt")
        return manifest

    def list_uploads(self, after: str = "", limit: int = 500) -> list[StoredUpload]:
        def page(items: Iterator[Listed]) -> list[StoredUpload]:
            named = (StoredUpload(item.key.removeprefix(UPLOADS), item.age_seconds) for item in items)
            return list(islice((upload for upload in named if is_job_id(upload.job_id)), limit))

        return self.client.listed(UPLOADS, UPLOADS + after if after else "", page)

    def delete_upload(self, job_id: str) -> None:
        self.client.remove(UPLOADS + upload_name(job_id), self._later)

    # results

    def new_result(self, job_id: str, token: str) -> ResultSink:
        return _S3Result(self, RESULTS + result_name(job_id, token))

    def open_result(self, job_id: str, token: str) -> BinaryIO:
        return cast(BinaryIO, ObjectFile(self.client, RESULTS + result_name(job_id, token)))

    def list_results(self, after: str = "", limit: int = 500) -> list[StoredResult]:
        def page(items: Iterator[Listed]) -> list[StoredResult]:
            found: list[StoredResult] = []
            for result in _results_in(items):
                if len(found) >= limit and result.job_id != found[-1].job_id:
                    break
                found.append(result)
            return found

        behind = f"{RESULTS}{after}.~" if after else ""  # the last of that job's results
        return self.client.listed(RESULTS, behind, page)

    def results_of(self, job_id: str) -> list[str]:
        prefix = f"{RESULTS}{upload_name(job_id)}."
        return sorted(result.token for result in self.client.listed(prefix, "", lambda items: list(_results_in(items))))

    def delete_result(self, job_id: str, token: str) -> None:
        self.client.remove(RESULTS + result_name(job_id, token), self._later)

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


def _results_in(items: Iterator[Listed]) -> Iterator[StoredResult]:
    return (
        StoredResult(*key, item.age_seconds) for item in items if (key := result_key(item.key.removeprefix(RESULTS)))
    )


def _header_of(manifest: Manifest) -> str:
    """As ASCII, which is all that a header may be."""
    return base64.urlsafe_b64encode(manifest.to_json()).decode()


def _manifest_in(head: Head) -> Manifest:
    """Raises ``blob_corrupt``."""
    try:
        data = base64.b64decode(head.metadata.get(_MANIFEST, ""), altchars=b"-_", validate=True)
    except ValueError as error:
        raise StorageFailed("blob_corrupt") from error
    return Manifest.from_json(data)
