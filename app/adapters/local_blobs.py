"""The blob store that is a folder.

Knows nothing of Redis. What is here must be enough to restore a job from, so the bytes of an upload become
visible together with their manifest, and only once both would survive a loss of power.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import heapq
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from typing_extensions import Self

from app.adapters.blob_border import ResultSink, StoredResult, StoredUpload, UploadWriter
from app.adapters.blob_names import result_key, result_name, upload_name
from app.adapters.durable_files import (
    age_of,
    fsync_folder,
    is_file,
    make_folders,
    names_in,
    open_new,
    translated,
    write_all,
)
from app.domain.ids import is_job_id
from app.domain.manifest import Manifest
from app.errors import StorageFailed, StorageUnavailable, ValidationFailed

_T = TypeVar("_T")
_RESULT_BUFFER = 256 * 1024


class _LocalUpload:
    """A file in ``partial/`` that gets its name in ``uploads/`` at the commit."""

    def __init__(self, store: LocalBlobs) -> None:
        self._store = store
        self._hash = hashlib.sha256()
        self._path, self._fd = store.create_partial()
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
                self._store.publish(self._path, manifest)
        except BaseException:
            self.discard()
            raise

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


class _LocalResult:
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


class LocalBlobs:
    """The store that is a folder of this machine (or one that all machines mount).

    ``uploads/<job id>`` with ``uploads/<job id>.json``, ``results/<job id>.<token>``, ``partial/<random>`` and
    ``installation``; nobody but the owner may look in. The folders are made when they are first missed.
    """

    kind = "folder"

    def __init__(self, root: Path) -> None:
        self.root = root
        self._uploads = root / "uploads"
        self._results = root / "results"
        self._partial = root / "partial"

    # uploads

    def new_upload(self) -> UploadWriter:
        with translated():
            return _LocalUpload(self)

    @contextlib.contextmanager
    def upload_path(self, job_id: str) -> Iterator[Path]:
        path = self._upload(job_id)
        with translated():
            if not is_file(path):
                raise StorageFailed("blob_missing")
        yield path

    def manifest(self, job_id: str) -> Manifest | None:
        with translated():
            try:
                data = self._sidecar(job_id).read_bytes()
            except FileNotFoundError:
                return None
            if not is_file(self._upload(job_id)):
                return None
        manifest = Manifest.from_json(data)
        if manifest.job_id != job_id:
            raise StorageFailed("blob_corrupt")
        return manifest

    def list_uploads(self, after: str = "", limit: int = 500) -> list[StoredUpload]:
        with translated():
            names = set(names_in(self._uploads))
            wanted = (name for name in names if name > after and is_job_id(name) and f"{name}.json" in names)
            return [
                StoredUpload(name, age)
                for name in heapq.nsmallest(limit, wanted)
                if (age := age_of(self._uploads / name)) is not None
            ]

    def delete_upload(self, job_id: str) -> None:
        with translated(), self._locked_uploads():
            self._upload(job_id).unlink(missing_ok=True)  # first: a manifest alone is nothing
            self._sidecar(job_id).unlink(missing_ok=True)

    # results

    def new_result(self, job_id: str, token: str) -> ResultSink:
        path = self._result(job_id, token)
        with translated():
            return self._with_folders(lambda: _LocalResult(path))

    def open_result(self, job_id: str, token: str) -> BinaryIO:
        with translated():
            try:
                return self._result(job_id, token).open("rb")
            except FileNotFoundError as error:
                raise StorageFailed("blob_missing") from error

    def list_results(self, after: str = "", limit: int = 500) -> list[StoredResult]:
        with translated():
            keys = [key for name in names_in(self._results) if (key := result_key(name)) and key[0] > after]
            page = heapq.nsmallest(limit, keys)
            if len(page) == limit < len(keys):  # with the rest of the last one's results
                page = sorted(key for key in keys if key[0] <= page[-1][0])
            return [
                StoredResult(job_id, token, age)
                for job_id, token in page
                if (age := age_of(self._result(job_id, token))) is not None
            ]

    def results_of(self, job_id: str) -> list[str]:
        with translated():
            names = [name for name in names_in(self._results) if name.startswith(f"{job_id}.")]
        return sorted(key[1] for name in names if (key := result_key(name)))

    def delete_result(self, job_id: str, token: str) -> None:
        with translated():
            self._result(job_id, token).unlink(missing_ok=True)

    # housekeeping

    def prune_partials(self, older_than_seconds: float) -> int:
        with translated():
            leftovers = [self._partial / name for name in names_in(self._partial)] + self._halves()
            old = [path for path in leftovers if (age_of(path) or 0) > older_than_seconds]
            for path in old:
                path.unlink(missing_ok=True)
        return len(old)

    def installation(self) -> str | None:
        with translated():
            try:
                return (self.root / "installation").read_text("ascii", "replace").strip() or None
            except FileNotFoundError:
                return None

    def set_installation(self, value: str, *, only_if_unset: bool = False) -> None:
        with translated():
            written, named = self._written(value.encode("ascii")), self.root / "installation"
            if only_if_unset:
                with contextlib.suppress(FileExistsError):
                    named.hardlink_to(written)
                written.unlink()
            else:
                written.replace(named)
            fsync_folder(self.root)

    def is_empty(self) -> bool:
        return not self.list_uploads(limit=1) and not self.list_results(limit=1)

    def check(self) -> None:
        with translated():
            proof = secrets.token_bytes(32)
            path = self._written(proof)
            try:
                if path.read_bytes() != proof:
                    raise StorageUnavailable("storage_unavailable")
            finally:
                path.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        with translated():
            status = self._with_folders(lambda: os.statvfs(self.root))
        return status.f_bavail * status.f_frsize

    def room_for_uploads(self) -> int:
        return self.free_bytes()

    # how a file gets its name

    def create_partial(self) -> tuple[Path, int]:
        """Return a new file's path and an open descriptor of it."""
        path = self._partial / secrets.token_hex(16)
        return path, self._with_folders(lambda: open_new(path))

    def publish(self, partial: Path, manifest: Manifest) -> None:
        """Give fsynced bytes their name, their manifest first, so that bytes without one are never seen."""
        sidecar = self._written(manifest.to_json())
        try:
            with self._locked_uploads() as folder:
                self._make_room_for(manifest)
                sidecar.replace(self._sidecar(manifest.job_id))
                partial.replace(self._upload(manifest.job_id))
                fcntl.flock(folder, fcntl.LOCK_UN)  # others need not wait for the disk
                os.fsync(folder)
        finally:
            sidecar.unlink(missing_ok=True)

    def _make_room_for(self, manifest: Manifest) -> None:
        """What is no whole upload goes first: a crash may leave nothing, but never a mixed pair."""
        try:
            earlier = self.manifest(manifest.job_id)
        except StorageFailed:
            earlier = None
        if earlier is None:
            self._upload(manifest.job_id).unlink(missing_ok=True)
        elif not earlier.tells_of(manifest):
            raise ValidationFailed("idempotency_mismatch")

    @contextlib.contextmanager
    def _locked_uploads(self) -> Iterator[int]:
        """Hold the folder while the two files of an upload change, so that no two such changes interleave."""
        folder = self._with_folders(lambda: os.open(self._uploads, os.O_RDONLY | os.O_DIRECTORY))
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(folder)

    def _written(self, data: bytes) -> Path:
        """Return an unnamed file that holds `data` and would survive a loss of power."""
        path, fd = self.create_partial()
        try:
            write_all(fd, data)
            os.fsync(fd)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        return path

    def _halves(self) -> list[Path]:
        """Manifests without bytes and bytes without manifest: what a crash in a commit or a deletion leaves."""
        names = set(names_in(self._uploads))
        return [
            self._uploads / name
            for name in names
            if (name.removesuffix(".json") if name.endswith(".json") else f"{name}.json") not in names
        ]

    def _with_folders(self, step: Callable[[], _T]) -> _T:
        try:
            return step()
        except FileNotFoundError:
            make_folders(self.root, "uploads", "results", "partial")
            return step()

    # names: nothing else may become part of a path

    def _upload(self, job_id: str) -> Path:
        return self._uploads / upload_name(job_id)

    def _sidecar(self, job_id: str) -> Path:
        return self._upload(job_id).with_name(f"{job_id}.json")

    def _result(self, job_id: str, token: str) -> Path:
        return self._results / result_name(job_id, token)
