"""The blob store as an actor sees it: each call is a step, and what it was told is the answer."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.domain.manifest import Manifest

if TYPE_CHECKING:
    from tests.faults.explorer.actor import Player


class MemoryPath:
    """As much of a path as the code that reads an upload needs; opening it is a step."""

    def __init__(self, blobs: PlayedBlobs, job_id: str) -> None:
        self._blobs, self._job_id = blobs, job_id

    def read_bytes(self) -> bytes:
        data: bytes = self._blobs.ask("bytes_of", self._job_id)
        return data

    def open(self, mode: str = "rb") -> io.BytesIO:
        return io.BytesIO(self.read_bytes())


class PlayedBlobs:
    kind = "memory"

    def __init__(self, player: Player) -> None:
        self._player = player

    def ask(self, method: str, *args: Any) -> Any:
        return self._player.step(("blob", method, *args))

    def new_upload(self) -> PlayedUpload:
        return PlayedUpload(self)

    @contextlib.contextmanager
    def upload_path(self, job_id: str) -> Iterator[Path]:
        self.ask("bytes_of", job_id)
        yield MemoryPath(self, job_id)  # type: ignore[misc]

    def manifest(self, job_id: str) -> Manifest | None:
        return self.ask("manifest", job_id)  # type: ignore[no-any-return]

    def list_uploads(self, after: str = "", limit: int = 500) -> Any:
        return self.ask("list_uploads", after, limit)

    def delete_upload(self, job_id: str) -> None:
        self.ask("delete_upload", job_id)

    def new_result(self, job_id: str, token: str) -> PlayedResult:
        return PlayedResult(self, job_id, token)

    def open_result(self, job_id: str, token: str) -> io.BytesIO:
        return io.BytesIO(self.ask("result", job_id, token))

    def list_results(self, after: str = "", limit: int = 500) -> Any:
        return self.ask("list_results", after, limit)

    def results_of(self, job_id: str) -> Any:
        return self.ask("results_of", job_id)

    def delete_result(self, job_id: str, token: str) -> None:
        self.ask("delete_result", job_id, token)

    def prune_partials(self, older_than_seconds: float) -> int:
        return 0

    def installation(self) -> Any:
        return self.ask("installation")

    def set_installation(self, value: str, *, only_if_unset: bool = False) -> None:
        self.ask("set_installation", value, only_if_unset)

    def is_empty(self) -> Any:
        return self.ask("is_empty")

    def check(self) -> None:
        """Always works."""

    def free_bytes(self) -> None:
        return None

    def room_for_uploads(self) -> None:
        return None


class PlayedUpload:
    def __init__(self, blobs: PlayedBlobs) -> None:
        self._blobs, self._data = blobs, b""

    @property
    def size(self) -> int:
        return len(self._data)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self._data).hexdigest()

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self._data += bytes(chunk)

    def commit(self, manifest: Manifest) -> None:
        self._blobs.ask("put_upload", manifest.job_id, manifest.to_json(), self._data)

    def discard(self) -> None:
        self._data = b""

    def __enter__(self) -> PlayedUpload:
        return self

    def __exit__(self, *failure: object) -> None:
        self.discard()


class PlayedResult:
    """It bears its name from the start, and is whole from the commit on."""

    def __init__(self, blobs: PlayedBlobs, job_id: str, token: str) -> None:
        self._blobs, self._key, self._data, self._closed = blobs, (job_id, token), b"", False
        blobs.ask("put_result", job_id, token, None)

    def write(self, data: bytes) -> None:
        self._data += data

    def commit(self) -> None:
        if not self._closed:
            self._closed = True
            self._blobs.ask("put_result", *self._key, self._data)

    def discard(self) -> None:
        self._closed = True
        self._blobs.ask("delete_result", *self._key)

    def __enter__(self) -> PlayedResult:
        return self

    def __exit__(self, *failure: object) -> None:
        if not self._closed:
            self.discard()
