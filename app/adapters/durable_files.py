"""Small steps with files that the folder store is made of, and what the operating system's refusals mean."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from app.errors import StorageUnavailable

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn an `OSError` into ``storage_full`` or ``storage_unavailable``."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable("storage_full" if error.errno in _NO_ROOM else "storage_unavailable") from error


def open_new(path: Path, how: int = os.O_EXCL) -> int:
    """Return a descriptor to write to; only the owner may read the file."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write every byte; one call to the system may take fewer than it was given, on a disk that is nearly full."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def make_folders(root: Path, *names: str) -> None:
    """Make what is missing of `root` and the folders in it, for the owner alone."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        (root / name).mkdir(mode=0o700, exist_ok=True)
    fsync_folder(root)


def fsync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def names_in(folder: Path) -> list[str]:
    """Return the names in no order; a folder that is not there holds none."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - a Path for each of a million names takes seconds
    except FileNotFoundError:
        return []


def is_file(path: Path) -> bool:
    """Like `Path.is_file`, but only a missing file is False: a disk that does not answer raises `OSError`."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def age_of(path: Path) -> float | None:
    """Return the seconds since the last write, or None if the file has gone meanwhile."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return None
