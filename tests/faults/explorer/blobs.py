"""A blob store as a value: each step gives an answer and the store as it is then. Its rules are those of `BlobStore`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from app.adapters.blob_border import StoredResult, StoredUpload
from app.domain.manifest import Manifest
from app.errors import StorageFailed, ValidationFailed

Answer = tuple[Any, "Blobs"]


@dataclass(frozen=True)
class Blobs:
    """`uploads` by job id: manifest, bytes, when (ms); `results` by job id and token: bytes (None: torn), when."""

    uploads: tuple[tuple[str, bytes, bytes, int], ...] = ()
    results: tuple[tuple[str, str, bytes | None, int], ...] = ()
    id: str | None = None

    # ---- uploads

    def manifest(self, now: int, job_id: str) -> Answer:
        for row in self.uploads:
            if row[0] == job_id:
                return Manifest.from_json(row[1]), self
        return None, self

    def bytes_of(self, now: int, job_id: str) -> Answer:
        for row in self.uploads:
            if row[0] == job_id:
                return row[2], self
        raise StorageFailed("blob_missing")

    def put_upload(self, now: int, job_id: str, manifest: bytes, data: bytes) -> Answer:
        rest = tuple(row for row in self.uploads if row[0] != job_id)
        for row in self.uploads:
            if row[0] == job_id and not Manifest.from_json(row[1]).tells_of(Manifest.from_json(manifest)):
                raise ValidationFailed("idempotency_mismatch")
        return None, replace(self, uploads=tuple(sorted((*rest, (job_id, manifest, data, now)))))

    def list_uploads(self, now: int, after: str, limit: int) -> Answer:
        found = [StoredUpload(row[0], (now - row[3]) / 1000) for row in self.uploads if row[0] > after]
        return found[:limit], self

    def delete_upload(self, now: int, job_id: str) -> Answer:
        return None, replace(self, uploads=tuple(row for row in self.uploads if row[0] != job_id))

    # ---- results

    def put_result(self, now: int, job_id: str, token: str, data: bytes | None) -> Answer:
        rest = tuple(row for row in self.results if row[:2] != (job_id, token))
        rows = sorted((*rest, (job_id, token, data, now)), key=lambda row: row[:2])
        return None, replace(self, results=tuple(rows))

    def result(self, now: int, job_id: str, token: str) -> Answer:
        for row in self.results:
            if row[:2] == (job_id, token):
                return row[2] or b"", self
        raise StorageFailed("blob_missing")

    def list_results(self, now: int, after: str, limit: int) -> Answer:
        return [StoredResult(row[0], row[1], (now - row[3]) / 1000) for row in self.results if row[0] > after], self

    def results_of(self, now: int, job_id: str) -> Answer:
        return [row[1] for row in self.results if row[0] == job_id], self

    def delete_result(self, now: int, job_id: str, token: str) -> Answer:
        return None, replace(self, results=tuple(row for row in self.results if row[:2] != (job_id, token)))

    # ---- the store

    def installation(self, now: int) -> Answer:
        return self.id, self

    def set_installation(self, now: int, value: str, only_if_unset: bool) -> Answer:
        return None, self if only_if_unset and self.id else replace(self, id=value)

    def is_empty(self, now: int) -> Answer:
        return not self.uploads and not self.results, self
