"""What goes up into the bucket: it lies in a spool first, because the client has to know how much there is and may have
to send it again."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

from typing_extensions import Self

from app.adapters.s3_client import S3Client
from app.adapters.s3_layout import metadata_of, upload_at
from app.adapters.spool import SpoolFile
from app.domain.manifest import Manifest
from app.errors import StorageUnavailable, ValidationFailed

_BUFFER_BYTES = 256 * 1024


class S3Upload:
    """A file of the spool until the commit puts it into the bucket."""

    def __init__(self, client: S3Client, file: SpoolFile, *, stored: Callable[[str], Manifest | None]) -> None:
        """`stored` gives the manifest that is there already under a job's id."""
        self._client, self._file, self._stored = client, file, stored
        self._hash = hashlib.sha256()

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
        key, metadata = upload_at(manifest.job_id), metadata_of(manifest)
        try:
            if manifest.idempotency_key is None:
                self._client.put_file(key, self._file, metadata)
            elif not self._is_stored(manifest) and not self._client.put_file(
                key, self._file, metadata, only_if_missing=True
            ):
                self._is_stored(manifest)  # another one was first
        finally:
            self.discard()

    def _is_stored(self, manifest: Manifest) -> bool:
        """Is this very upload there? Only a key leads two to one id: raises `idempotency_mismatch` for another one."""
        earlier = self._stored(manifest.job_id)
        if earlier is not None and not earlier.tells_of(manifest):
            raise ValidationFailed("idempotency_mismatch")
        return earlier is not None

    def discard(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.discard()


class S3Result:
    """As an upload; what a commit without an answer may have left is pruned like any result that no record points to."""

    def __init__(self, client: S3Client, file: SpoolFile, key: str) -> None:
        self._client, self._file, self._key = client, file, key
        self._buffer = io.BytesIO()

    def write(self, data: bytes) -> None:
        self._buffer.write(data)
        if self._buffer.tell() >= _BUFFER_BYTES:
            self._flush()

    def commit(self) -> None:
        if self._file.is_closed:
            return
        self._flush()
        self._client.put_file(self._key, self._file, {})
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
