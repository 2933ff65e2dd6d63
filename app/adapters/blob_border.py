"""What every blob store has to be able to do, whatever it is made of; `blob_store` opens the one that is meant."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from typing_extensions import Self

from app.domain.manifest import Manifest


@dataclass(frozen=True)
class StoredUpload:
    job_id: str
    age_seconds: float


@dataclass(frozen=True)
class StoredResult:
    job_id: str
    token: str
    age_seconds: float
    """Since the last write; a result whose writer is still at it is listed as well."""


class UploadWriter(Protocol):
    """Takes the bytes of one upload, counts and hashes them; leaving its ``with`` uncommitted discards them."""

    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    def write(self, chunk: bytes | bytearray | memoryview) -> None: ...
    def commit(self, manifest: Manifest) -> None:
        """Make bytes and manifest visible, together and durably. The same upload may be stored again; another one under
        its id is refused: raises ValidationFailed `idempotency_mismatch`, for only a key leads two uploads to one id."""

    def discard(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *failure: object) -> None: ...


class ResultSink(Protocol):
    """Takes the bytes of one result; leaving its ``with`` uncommitted discards them."""

    def write(self, data: bytes) -> None: ...
    def commit(self) -> None:
        """Return once the result would survive a loss of power; a second call does nothing."""

    def discard(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *failure: object) -> None: ...


class BlobStore(Protocol):
    """Every method may raise `StorageUnavailable` (``storage_unavailable``, ``storage_full``).

    Lists are in the order of job ids; `after` is the last job id of the page before.
    """

    @property
    def kind(self) -> str:
        """One word for the operator: ``folder`` or ``s3``."""

    def new_upload(self) -> UploadWriter: ...
    def upload_path(self, job_id: str) -> AbstractContextManager[Path]:
        """Give a local path to read the bytes from, inside the ``with``; raises ``blob_missing``."""

    def manifest(self, job_id: str) -> Manifest | None:
        """Return None where there is no whole upload; raises ``blob_corrupt`` where it cannot be read."""

    def note_priority(self, job_id: str, priority: str) -> None:
        """Write into the manifest that the job was moved to that priority; nothing where there is no whole upload."""

    def list_uploads(self, after: str = "", limit: int = 500) -> list[StoredUpload]: ...
    def delete_upload(self, job_id: str) -> None: ...
    def new_result(self, job_id: str, token: str) -> ResultSink: ...
    def open_result(self, job_id: str, token: str) -> BinaryIO:
        """Open for reading and seeking; raises ``blob_missing``."""

    def list_results(self, after: str = "", limit: int = 500) -> list[StoredResult]:
        """A job's results are never split over two pages, so a page may be a little longer than `limit`."""

    def results_of(self, job_id: str) -> list[str]:
        """Return the tokens under which this job has results, whole or not; looks at every result there is."""

    def delete_result(self, job_id: str, token: str) -> None: ...
    def prune_partials(self, older_than_seconds: float) -> int:
        """Remove what broken uploads left, if not written to for that long; return how many files went."""

    def installation(self) -> str | None: ...
    def set_installation(self, value: str, *, only_if_unset: bool = False) -> None:
        """With `only_if_unset` an id that is there stays, also one that another process sets at the same moment."""

    def is_empty(self) -> bool: ...
    def check(self) -> None:
        """Prove that something can be written and read back."""

    def free_bytes(self) -> int | None:
        """Return None where a store cannot tell."""

    def room_for_uploads(self) -> int | None:
        """Free bytes of the disk that uploads go to first, which may be another than the store's."""
