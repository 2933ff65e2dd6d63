"""One uploaded file as its bytes come in: streamed to where it is kept, never held, and refused by its first bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import Self

from app.adapters.blob_border import UploadWriter
from app.domain.filenames import clean_filename
from app.domain.media_types import HEAD_BYTES, sniff
from app.errors import ValidationFailed
from app.web.request_body import RequestBody

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

OnFile = Callable[[str, str], UploadWriter]
"""Called with the clean file name and the media type, once both are known to be acceptable."""


@dataclass(frozen=True)
class Upload:
    filename: str
    media_type: str
    writer: UploadWriter
    """Holds the whole file; to be committed or discarded by whoever asked for the upload."""
    fields: dict[str, str]


def read_raw(
    environ: WSGIEnvironment,
    filename: str,
    *,
    limit: int,
    on_file: OnFile,
    on_bytes: Callable[[], None] | None = None,
) -> Upload:
    """Read a body that is the file itself, as `curl -T` sends it."""
    with (
        RequestBody(environ, limit=limit, on_bytes=on_bytes) as body,
        FileSink(filename, limit=limit, on_file=on_file) as sink,
    ):
        for piece in body:
            sink.write(piece)
        return sink.finish({})


class FileSink:
    """Holds the first bytes back until they say what the file is, then lets it through to where it is kept."""

    def __init__(self, raw_filename: str, *, limit: int, on_file: OnFile) -> None:
        self.filename = clean_filename(raw_filename)
        self._limit = limit
        self._on_file = on_file
        self._head = bytearray()
        self._size = 0
        self._media_type = ""
        self._writer: UploadWriter | None = None

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise ValidationFailed("too_large")
        if self._writer is not None:
            self._writer.write(data)
            return
        self._head += data
        if len(self._head) >= HEAD_BYTES:
            self._open()

    def finish(self, fields: dict[str, str]) -> Upload:
        if not self._size:
            raise ValidationFailed("empty_file")
        writer = self._writer or self._open()
        return Upload(self.filename, self._media_type, writer, fields)

    def _open(self) -> UploadWriter:
        self._media_type = sniff(bytes(self._head[:HEAD_BYTES]), self.filename)
        self._writer = self._on_file(self.filename, self._media_type)
        self._writer.write(self._head)
        self._head = bytearray()
        return self._writer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._writer is not None and failure[0] is not None:
            self._writer.discard()
