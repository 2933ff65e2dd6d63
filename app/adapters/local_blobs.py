"""The blob store that is a folder.

Knows nothing of Redis. What is here must be enough to restore a job from, so the bytes of an upload become
visible together with their manifest, and only once both would survive a loss of power.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from app.adapters.blob_border import ResultSink, StoredResult, StoredUpload, UploadWriter
from app.adapters.blob_names import result_key
from app.adapters.durable_files import (
    age_of,
    fsync_folder,
    is_file,
    names_in,
    translated,
)
from app.adapters.local_folders import LocalFolders
from app.adapters.local_writing import LocalResult, LocalUpload
from app.domain.ids import is_job_id
from app.domain.manifest import Manifest
from app.errors import StorageFailed, StorageUnavailable


class LocalBlobs:
    """The store that is a folder of this machine (or one that all machines mount); `local_folders` says what is in it."""

    kind = "folder"

    def __init__(self, root: Path) -> None:
        self.root = root
        self._at = LocalFolders(root)

    # uploads

    def new_upload(self) -> UploadWriter:
        with translated():
            return LocalUpload(self._at, stored=self.manifest)

    @contextlib.contextmanager
    def upload_path(self, job_id: str) -> Iterator[Path]:
        path = self._at.upload(job_id)
        with translated():
            if not is_file(path):
                raise StorageFailed("blob_missing")
        yield path

    def manifest(self, job_id: str) -> Manifest | None:
        with translated():
            try:
                data = self._at.sidecar(job_id).read_bytes()
            except FileNotFoundError:
                return None
            if not is_file(self._at.upload(job_id)):
                return None
        manifest = Manifest.from_json(data)
        if manifest.job_id != job_id:
            raise StorageFailed("blob_corrupt")
        return manifest

    def note_priority(self, job_id: str, priority: str) -> None:
        manifest = self.manifest(job_id)
        if manifest is None:
            return
        with translated():
            written = self._at.written(replace(manifest, moved_to=priority).to_json())
            try:
                with self._at.locked_uploads() as folder:
                    if self.manifest(job_id) == manifest:  # removed meanwhile, it must stay so
                        written.replace(self._at.sidecar(job_id))
                        os.fsync(folder)
            finally:
                written.unlink(missing_ok=True)

    def list_uploads(self, after: str = "", limit: int = 500) -> list[StoredUpload]:
        with translated():
            names = set(names_in(self._at.uploads))
            wanted = (name for name in names if name > after and is_job_id(name) and f"{name}.json" in names)
            return [
                StoredUpload(name, age)
                for name in heapq.nsmallest(limit, wanted)
                if (age := age_of(self._at.uploads / name)) is not None
            ]

    def delete_upload(self, job_id: str) -> None:
        with translated(), self._at.locked_uploads():
            self._at.upload(job_id).unlink(missing_ok=True)  # first: a manifest alone is nothing
            self._at.sidecar(job_id).unlink(missing_ok=True)

    # results

    def new_result(self, job_id: str, token: str) -> ResultSink:
        path = self._at.result(job_id, token)
        with translated():
            return self._at.with_folders(lambda: LocalResult(path))

    def open_result(self, job_id: str, token: str) -> BinaryIO:
        with translated():
            try:
                return self._at.result(job_id, token).open("rb")
            except FileNotFoundError as error:
                raise StorageFailed("blob_missing") from error

    def list_results(self, after: str = "", limit: int = 500) -> list[StoredResult]:
        with translated():
            keys = [key for name in names_in(self._at.results) if (key := result_key(name)) and key[0] > after]
            page = heapq.nsmallest(limit, keys)
            if len(page) == limit < len(keys):  # with the rest of the last one's results
                page = sorted(key for key in keys if key[0] <= page[-1][0])
            return [
                StoredResult(job_id, token, age)
                for job_id, token in page
                if (age := age_of(self._at.result(job_id, token))) is not None
            ]

    def results_of(self, job_id: str) -> list[str]:
        with translated():
            names = [name for name in names_in(self._at.results) if name.startswith(f"{job_id}.")]
        return sorted(key[1] for name in names if (key := result_key(name)))

    def delete_result(self, job_id: str, token: str) -> None:
        with translated():
            self._at.result(job_id, token).unlink(missing_ok=True)

    # housekeeping

    def prune_partials(self, older_than_seconds: float) -> int:
        with translated():
            leftovers = [self._at.partial / name for name in names_in(self._at.partial)] + self._halves()
            old = [path for path in leftovers if (age_of(path) or 0) > older_than_seconds]
            for path in old:
                path.unlink(missing_ok=True)
        return len(old)

    def installation(self) -> str | None:
        with translated():
            try:
                return self._at.installation.read_text("ascii", "replace").strip() or None
            except FileNotFoundError:
                return None

    def set_installation(self, value: str, *, only_if_unset: bool = False) -> None:
        with translated():
            written, named = self._at.written(value.encode("ascii")), self._at.installation
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
            path = self._at.written(proof)
            try:
                if path.read_bytes() != proof:
                    raise StorageUnavailable("storage_unavailable")
            finally:
                path.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        with translated():
            status = self._at.with_folders(lambda: os.statvfs(self.root))
        return status.f_bavail * status.f_frsize

    def room_for_uploads(self) -> int:
        return self.free_bytes()

    def _halves(self) -> list[Path]:
        """Manifests without bytes and bytes without manifest: what a crash in a commit or a deletion leaves."""
        names = set(names_in(self._at.uploads))
        return [
            self._at.uploads / name
            for name in names
            if (name.removesuffix(".json") if name.endswith(".json") else f"{name}.json") not in names
        ]
