"""Files of this machine that bytes pass through on their way to a store elsewhere, or from one to the parser.

Only the owner may read them, and none outlives its process: a file without a name goes with its last descriptor, and
one with a name is locked by whoever uses it, so that the next process can tell and remove what a killed one left.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

from app.adapters.durable_files import make_folders, names_in, translated, write_all


class SpoolFile:
    """A file that has no name. Every step may raise StorageUnavailable (``storage_full``)."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        with translated():
            write_all(self._fd, data)
        self.size += len(data)

    def part(self, start: int, length: int) -> memoryview:
        """That range of the file, as memory that is the system's and not this process's, for as long as somebody looks
        at it; `start` is a whole number of `mmap.ALLOCATIONGRANULARITY`."""
        if not length:
            return memoryview(b"")
        with translated():
            return memoryview(mmap.mmap(self._fd, length, access=mmap.ACCESS_READ, offset=start))

    @property
    def is_closed(self) -> bool:
        return self._fd < 0

    def close(self) -> None:
        """And so remove it; a second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Spool:
    """The folder. It is made when it is first missed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._ready = False

    def new(self) -> SpoolFile:
        with translated():
            path, fd = self._create()
            path.unlink()
        return SpoolFile(fd)

    @contextlib.contextmanager
    def named(self) -> Iterator[tuple[Path, int]]:
        """A file that another program can open by its path, and its descriptor; removed when the ``with`` is left."""
        with translated():
            path, fd = self._create()
        try:
            yield path, fd
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(fd)

    def free_bytes(self) -> int:
        with translated():
            self._make()
            status = os.statvfs(self._folder)
        return status.f_bavail * status.f_frsize

    def _create(self) -> tuple[Path, int]:
        self._make()
        while True:
            path = self._folder / secrets.token_hex(16)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:  # else another process, looking for leftovers, was faster with the lock
                return path, fd
            os.close(fd)

    def _make(self) -> None:
        with self._lock:
            if self._ready and self._folder.is_dir():
                return
            make_folders(self._folder)
            self._remove_leftovers()
            self._ready = True

    def _remove_leftovers(self) -> None:
        """What is locked is in use, by this process or by another one."""
        for name in names_in(self._folder):
            path = self._folder / name
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(fd)
