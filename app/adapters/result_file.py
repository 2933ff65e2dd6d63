"""A result as one file: the text of all pages, then an index, then a footer that only a whole file has.

    text of page 1 \\f text of page 2 … | index as JSON | length of the index (8 bytes), its CRC-32 (4), magic (4)

So the text form can be sent as it lies there, one page can be read without the others, and a file that was torn
or has changed is told from a whole one without a second file beside it.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from app.adapters.blob_border import ResultSink
from app.errors import StorageFailed, StorageUnavailable

_FOOTER = struct.Struct(">QI4s")
_MAGIC = b"ART1"
_SEPARATOR = b"\f"
_CHUNK = 64 * 1024
_LARGEST_INDEX = 64 * 1024 * 1024


class _PagePlace(NamedTuple):
    number: int
    start: int
    length: int
    crc: int


@dataclass(frozen=True)
class PageText:
    number: int
    text: str


class ResultWriter:
    """Writes pages to a sink as they come; holds only where each of them lies."""

    def __init__(self, sink: ResultSink) -> None:
        self._sink = sink
        self._places: list[_PagePlace] = []
        self._end = 0
        self._crc = 0

    def add_page(self, text: bytes, number: int) -> None:
        """Append a page; `text` is UTF-8, `number` counts from 1 and grows."""
        if self._places:
            self._append(_SEPARATOR)
        self._places.append(_PagePlace(number, self._end, len(text), zlib.crc32(text)))
        self._append(text)

    def finish(self, document: dict[str, Any]) -> None:
        """Write the index with `document` (the result without its pages) in it, and commit the sink."""
        index = {"document": document, "pages": self._places, "length": self._end, "crc": self._crc}
        data = json.dumps(index, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
        self._sink.write(data)
        self._sink.write(_FOOTER.pack(len(data), zlib.crc32(data), _MAGIC))
        self._sink.commit()

    def _append(self, data: bytes) -> None:
        self._sink.write(data)
        self._end += len(data)
        self._crc = zlib.crc32(data, self._crc)


class ResultReader:
    """Reads what `ResultWriter` wrote, from a file that can seek; closes it when its ``with`` is left.

    Opening and every read raise ``blob_corrupt`` where the file is not what was written.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        with _translated():
            index = _index_of(file)
        try:
            self.document: dict[str, Any] = dict(index["document"])
            self.text_length = int(index["length"])
            self._crc = int(index["crc"])
            self._places = {place[0]: _PagePlace(*place) for place in index["pages"]}
        except (KeyError, TypeError, ValueError) as error:
            raise StorageFailed("blob_corrupt") from error

    @property
    def page_numbers(self) -> list[int]:
        return list(self._places)

    def iter_text(self, chunk: int = _CHUNK) -> Iterator[bytes]:
        """Yield the whole text form, `text_length` bytes in all."""
        return self._checked(0, self.text_length, self._crc, chunk)

    def page(self, number: int) -> str | None:
        """Return the text of a page, or None where there is no page of that number."""
        place = self._places.get(number)
        return None if place is None else self._text_of(place)

    def iter_pages(self) -> Iterator[PageText]:
        for place in self._places.values():
            yield PageText(place.number, self._text_of(place))

    def iter_json(self, document: dict[str, Any]) -> Iterator[bytes]:
        """Yield `document` as JSON with a last member `pages` added, without holding even one page as a whole."""
        opening = json.dumps(document, ensure_ascii=False)[:-1]
        yield _utf8(f'{opening}{", " if document else ""}"pages": [')
        for position, place in enumerate(self._places.values()):
            yield f'{", " if position else ""}{{"number": {place.number}, "text": "'.encode()
            yield from self._escaped(place)
            yield b'"}'
        yield b"]}"

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> ResultReader:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _text_of(self, place: _PagePlace) -> str:
        parts = self._checked(place.start, place.length, place.crc, max(place.length, 1))
        return b"".join(parts).decode("utf-8", "replace")

    def _escaped(self, place: _PagePlace) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for data in self._checked(place.start, place.length, place.crc, _CHUNK):
            yield _utf8(json.dumps(decoder.decode(data), ensure_ascii=False)[1:-1])
        yield _utf8(json.dumps(decoder.decode(b"", final=True), ensure_ascii=False)[1:-1])

    def _checked(self, start: int, length: int, crc: int, chunk: int) -> Iterator[bytes]:
        """Yield a range of the file; its last piece comes only if the sum is right, so a damaged one ends short."""
        position, seen = start, 0
        while position < start + length:
            data = self._read(position, min(chunk, start + length - position))
            position += len(data)
            seen = zlib.crc32(data, seen)
            if position == start + length and seen != crc:
                raise StorageFailed("blob_corrupt")
            yield data

    def _read(self, position: int, size: int) -> bytes:
        with _translated():
            self._file.seek(position)
            data = self._file.read(size)
        if len(data) != size:
            raise StorageFailed("blob_corrupt")
        return data


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable("storage_unavailable") from error


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _index_of(file: BinaryIO) -> dict[str, Any]:
    size = file.seek(0, 2)
    if size < _FOOTER.size:
        raise StorageFailed("blob_corrupt")
    file.seek(size - _FOOTER.size)
    length, crc, magic = _FOOTER.unpack(file.read(_FOOTER.size))
    if magic != _MAGIC or length > min(size - _FOOTER.size, _LARGEST_INDEX):
        raise StorageFailed("blob_corrupt")
    file.seek(size - _FOOTER.size - length)
    data = file.read(length)
    if zlib.crc32(data) != crc:
        raise StorageFailed("blob_corrupt")
    return _parsed(data)


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        index = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StorageFailed("blob_corrupt") from error
    if not isinstance(index, dict):
        raise StorageFailed("blob_corrupt")
    return index
