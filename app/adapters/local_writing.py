"""What is written into the store that is a folder, and how it gets its name: a file is durable before it is visible."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from typing_extensions import Self

from app.adapters.durable_files import open_new, translated, write_all
from app.adapters.local_folders import LocalFolders
from app.domain.manifest import Manifest
from app.errors import StorageFailed, StorageUnavailable, ValidationFailed

_RESULT_BUFFER = 256 * 1024


class LocalUpload:
    """A file in ``partial/`` that gets its name in ``uploads/`` at the commit."""

    def __init__(self, folders: LocalFolders, *, stored: Callable[[str], Manifest | None]) -> None:
        """`stored` gives the manifest that is there already under a job's id."""
        self._folders, self._stored = folders, stored
        self._hash = hashlib.sha256()
        self._path, self._fd = folders.create_partial()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        try:
            with translated():
                write_all(self._fd, chunk)
        except StorageUnavailable:
            self.discard()  # at once: on a full disk the room is wanted by others
            raise
        self._hash.update(chunk)
        self.size += len(chunk)

    def commit(self, manifest: Manifest) -> None:
        if (manifest.size, manifest.sha256) != (self.size, self.sha256):
            raise ValueError("the manifest is not about these bytes")
        try:
            with translated():
                os.fsync(self._fd)
                self._close()
                self._publish(manifest)
        except BaseException:
            self.discard()
            raise

    def _publish(self, manifest: Manifest) -> None:
        """Give fsynced bytes their name, their manifest first, so that bytes without one are never seen."""
        sidecar = self._folders.written(manifest.to_json())
        try:
            with self._folders.locked_uploads() as folder:
                if not self._is_stored(manifest):  # else a priority may have been noted in it since
                    sidecar.replace(self._folders.sidecar(manifest.job_id))
                self._path.replace(self._folders.upload(manifest.job_id))
                fcntl.flock(folder, fcntl.LOCK_UN)  # others need not wait for the disk
                os.fsync(folder)
        finally:
            sidecar.unlink(missing_ok=True)

    def _is_stored(self, manifest: Manifest) -> bool:
        """Is this very upload there? What is no whole one goes first: a crash may leave nothing, but never a mixed pair."""
        try:
            earlier = self._stored(manifest.job_id)
        except StorageFailed:
            earlier = None
        if earlier is None:
            self._folders.upload(manifest.job_id).unlink(missing_ok=True)
        elif not earlier.tells_of(manifest):
            raise ValidationFailed("idempotency_mismatch")
        return earlier is not None

    def discard(self) -> None:
        self._close()
        with contextlib.suppress(OSError):  # committed, discarded before, or pruned later
            self._path.unlink()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.discard()


class LocalResult:
    """A file that bears its final name from the start: its footer tells a whole one from a torn one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.fdopen(open_new(path, os.O_TRUNC), "wb", buffering=_RESULT_BUFFER)

    def write(self, data: bytes) -> None:
        with translated():
            self._file.write(data)

    def commit(self) -> None:
        if self._file.closed:
            return
        with translated():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def discard(self) -> None:
        with contextlib.suppress(OSError):  # closing writes what is buffered, which a full disk refuses
            self._file.close()
        with contextlib.suppress(FileNotFoundError), translated():
            self._path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if not self._file.closed:
            self.discard()
