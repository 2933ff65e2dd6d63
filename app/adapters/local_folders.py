"""The folders of the store that is a folder: where everything stands in them, and how a new file comes into being there.

``uploads/<job id>`` with ``uploads/<job id>.json``, ``results/<job id>.<token>``, ``partial/<random>`` and
``installation``; nobody but the owner may look in. The folders are made when they are first missed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from app.adapters.blob_names import result_name, upload_name
from app.adapters.durable_files import make_folders, open_new, write_all

_T = TypeVar("_T")


class LocalFolders:
    """Nothing is translated here: every step may raise OSError."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uploads = root / "uploads"
        self.results = root / "results"
        self.partial = root / "partial"
        self.installation = root / "installation"

    # names: nothing else may become part of a path

    def upload(self, job_id: str) -> Path:
        return self.uploads / upload_name(job_id)

    def sidecar(self, job_id: str) -> Path:
        return self.upload(job_id).with_name(f"{job_id}.json")

    def result(self, job_id: str, token: str) -> Path:
        return self.results / result_name(job_id, token)

    # new files

    def create_partial(self) -> tuple[Path, int]:
        """Return a new file's path and an open descriptor of it."""
        path = self.partial / secrets.token_hex(16)
        return path, self.with_folders(lambda: open_new(path))

    def written(self, data: bytes) -> Path:
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

    @contextlib.contextmanager
    def locked_uploads(self) -> Iterator[int]:
        """Hold the folder while the two files of an upload change, so that no two such changes interleave."""
        folder = self.with_folders(lambda: os.open(self.uploads, os.O_RDONLY | os.O_DIRECTORY))
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(folder)

    def with_folders(self, step: Callable[[], _T]) -> _T:
        """What `step` gives; where it misses a folder, all are made, and it is tried once more."""
        try:
            return step()
        except FileNotFoundError:
            make_folders(self.root, "uploads", "results", "partial")
            return step()
