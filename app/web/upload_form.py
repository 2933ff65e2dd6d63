"""Reading a form with one file, strictly, as its bytes come in: whatever is not exactly what was asked for is refused
by its code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from typing_extensions import Self
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Event, Field, File, MultipartDecoder, NeedData, State

from app.errors import ValidationFailed
from app.web.request_body import RequestBody
from app.web.uploaded_file import FileSink, OnFile, Upload

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FIELDS = ("priority", "userId")
MOST_PARTS = 1000
LONGEST_TEXT = 64 * 1024
LONGEST_PART_HEAD = 64 * 1024
LONGEST_BOUNDARY = 200
FORM_ALLOWANCE = 1024 * 1024
"""What a form may be longer than its file: fields, part headers, boundaries."""

_FEED = 16 * 1024


def read_multipart(
    environ: WSGIEnvironment, *, limit: int, on_file: OnFile, on_bytes: Callable[[], None] | None = None
) -> Upload:
    """Read a form with one `file` of at most `limit` bytes; discards what was written if it fails."""
    with (
        RequestBody(environ, limit=limit + FORM_ALLOWANCE, on_bytes=on_bytes) as body,
        _Form(_boundary(environ), limit=limit, on_file=on_file) as form,
    ):
        for piece in body:
            form.feed(piece)
        return form.finish()


class _Decoder(MultipartDecoder):
    def _parse_headers(self, data: bytes | bytearray) -> Headers:
        """A file name in another encoding is still a name, to be cleaned like any; werkzeug would refuse the form."""
        return super()._parse_headers(data.decode("utf-8", "replace").encode())


class _Form:
    """A form as its bytes come in: `file` exactly once, each known field at most once, others passed over."""

    def __init__(self, boundary: bytes, *, limit: int, on_file: OnFile) -> None:
        self._decoder = _Decoder(boundary, max_parts=MOST_PARTS)
        self._limit = limit
        self._on_file = on_file
        self._file: FileSink | None = None
        self._texts: dict[str, bytearray] = {}
        self._take: Callable[[bytes], None] = _nothing

    def feed(self, piece: bytes) -> None:
        for start in range(0, len(piece), _FEED):
            if self._decoder.state is State.EPILOGUE:
                return
            self._decoder.receive_data(piece[start : start + _FEED])
            self._work()
        if self._decoder.state in (State.PREAMBLE, State.PART) and len(self._decoder.buffer) > LONGEST_PART_HEAD:
            raise ValidationFailed("malformed_body")

    def finish(self) -> Upload:
        if self._decoder.state is not State.EPILOGUE:  # every byte came, but not the end of the form
            raise ValidationFailed("malformed_body" if self._decoder.state is State.PREAMBLE else "incomplete_body")
        if self._file is None:
            raise ValidationFailed("missing_file")
        return self._file.finish({name: _text(name, value) for name, value in self._texts.items()})

    def _work(self) -> None:
        try:
            while not isinstance(event := self._decoder.next_event(), NeedData):
                self._handle(event)
        except RequestEntityTooLarge as error:
            raise ValidationFailed("too_large", "The form has too many parts.") from error
        except ValueError as error:
            raise ValidationFailed("malformed_body") from error

    def _handle(self, event: Event) -> None:
        if isinstance(event, File):
            self._begin_file(event.name, event.filename)
        elif isinstance(event, Field):
            self._begin_text(event.name)
        elif isinstance(event, Data):
            self._take(event.data)

    def _begin_file(self, name: str | None, filename: str) -> None:
        if self._file is not None:
            raise ValidationFailed("too_many_files")
        if name != "file" or not filename:
            raise ValidationFailed("missing_file")
        self._file = FileSink(filename, limit=self._limit, on_file=self._on_file)
        self._take = self._file.write

    def _begin_text(self, name: str | None) -> None:
        if name == "file":
            raise ValidationFailed("missing_file", "The field named file holds text and no file.")
        known = name if name in FIELDS else None
        if known in self._texts:
            raise ValidationFailed("invalid_field", f"The field {known} is given more than once.", field=known)
        text = bytearray()
        if known is not None:
            self._texts[known] = text
        self._take = lambda data: _append(text, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._file is not None:
            self._file.__exit__(*failure)


def _boundary(environ: WSGIEnvironment) -> bytes:
    mimetype, options = parse_options_header(environ.get("CONTENT_TYPE", ""))
    if mimetype.lower() != "multipart/form-data":
        raise ValidationFailed("not_multipart")
    boundary = options.get("boundary", "")
    if not boundary or len(boundary) > LONGEST_BOUNDARY or not boundary.isascii():
        raise ValidationFailed("malformed_body", suggestion="Name the boundary of the form in its Content-Type.")
    return boundary.encode("ascii")


def _nothing(data: bytes) -> None:
    pass


def _append(text: bytearray, data: bytes) -> None:
    if len(text) + len(data) > LONGEST_TEXT:
        raise ValidationFailed("too_large", "A field of the form is larger than is accepted here.")
    text += data


def _text(name: str, value: bytearray) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValidationFailed("invalid_field", f"The field {name} is not UTF-8.", field=name) from error
