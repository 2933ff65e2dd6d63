"""The ZIP container of an Office file, looked at before anything is unpacked.

All checks are made on the central directory, which costs a few bytes a member; the limits hold again while reading.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo

from app.errors import ExtractionFailed

MAX_MEMBERS = 10_000
MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
MAX_PART_BYTES = 64 * 1024 * 1024
MAX_RATIO = 200
RATIO_COUNTS_ABOVE = 1024 * 1024

_END_OF_DIRECTORY = struct.Struct("<4s4H2LH")
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x1
# A file embedded in a document (a spreadsheet behind a chart) is left alone; these have no business in one.
_ARCHIVES = {".zip", ".jar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".zst"}


class Package:
    """An opened container whose members are within all limits."""

    def __init__(self, path: Path) -> None:
        """Raises ``archive_bomb`` for what no Office program writes, ``corrupt_document`` for what is no ZIP."""
        check_directory_size(path)
        try:
            self._zip = ZipFile(path)
        except (BadZipFile, ValueError, struct.error, EOFError, NotImplementedError) as error:
            raise ExtractionFailed("corrupt_document") from error
        check_members(self._zip.infolist(), self._zip.start_dir)
        self.names = set(self._zip.namelist())

    def open(self, name: str) -> Part:
        """Return a member as a stream; raises ``corrupt_document`` if there is none of that name."""
        try:
            return Part(self._zip.open(name))
        except NotImplementedError as error:
            raise ExtractionFailed("unsupported_feature") from error
        except (KeyError, BadZipFile, RuntimeError, struct.error) as error:
            raise ExtractionFailed("corrupt_document") from error

    def close(self) -> None:
        self._zip.close()


class Part(io.RawIOBase):
    """A member being unpacked, whose errors are ours; its size is what the directory says, or less."""

    def __init__(self, member: IO[bytes]) -> None:
        self._member = member

    def read(self, size: int = -1) -> bytes:
        try:
            return self._member.read(size)
        except (BadZipFile, EOFError, zlib.error, OSError) as error:
            raise ExtractionFailed("corrupt_document") from error

    def close(self) -> None:
        self._member.close()


def check_directory_size(path: Path) -> None:
    """Look at the record at the end of the file, before a directory of millions of members is taken into memory."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END_OF_DIRECTORY.size - 0xFFFF))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END_OF_DIRECTORY.size:
        raise ExtractionFailed("corrupt_document")
    _, _, _, _, members, directory_bytes, _, _ = _END_OF_DIRECTORY.unpack_from(tail, at)
    in_zip64_record = members == 0xFFFF or directory_bytes == 0xFFFFFFFF
    if not in_zip64_record and (members > MAX_MEMBERS or directory_bytes > MAX_DIRECTORY_BYTES):
        raise ExtractionFailed("archive_bomb")


def check_members(members: list[ZipInfo], directory_start: int) -> None:
    """Raise ``archive_bomb`` for a container that unpacks to too much, or that is made to fool whoever unpacks it."""
    too_much = len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_UNPACKED_BYTES
    if too_much or any(map(is_suspicious, members)) or overlap(members, directory_start):
        raise ExtractionFailed("archive_bomb")


def is_suspicious(member: ZipInfo) -> bool:
    size, packed = member.file_size, member.compress_size
    if size > MAX_PART_BYTES or (size > RATIO_COUNTS_ABOVE and size > MAX_RATIO * packed):
        return True
    if member.flag_bits & _ENCRYPTED:
        return True
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in member.filename:
        return True
    return name.suffix.lower() in _ARCHIVES


def overlap(members: list[ZipInfo], directory_start: int) -> bool:
    """Tell whether two members share bytes of the file, or one reaches into the directory."""
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            return True
        end = member.header_offset + _LOCAL_HEADER_BYTES + len(member.orig_filename) + member.compress_size
    return end > directory_start
