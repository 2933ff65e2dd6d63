"""Reading what clients send, strictly: one file by form or as it is, one JSON object. A file is streamed to where it
is kept, never held; whatever is not exactly what was asked for is refused by its code.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from typing_extensions import Self
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Event, Field, File, MultipartDecoder, NeedData, State

from app.adapters.blob_border import UploadWriter
from app.domain.filenames import clean_filename
from app.domain.media_types import HEAD_BYTES, sniff
from app.errors import ValidationFailed
from app.web.request_body import RequestBody

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
_MOST_DIGITS = 100

OnFile = Callable[[str, str], UploadWriter]
"""Called with the clean file name and the media type, once both are known to be acceptable."""


@dataclass(frozen=True)
class Upload:
    filename: str
    media_type: str
    writer: UploadWriter
    """Holds the whole file; to be committed or discarded by whoever asked for the upload."""
    fields: dict[str, str]


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
        _FileSink(filename, limit=limit, on_file=on_file) as sink,
    ):
        for piece in body:
            sink.write(piece)
        return sink.finish({})


def read_json_object(environ: WSGIEnvironment, *, limit: int = LONGEST_TEXT) -> dict[str, Any]:
    """Read one JSON object in UTF-8 without doubled keys, NaN or lone surrogates.

    A float too large for one comes as infinity, for the view to refuse by its field.
    """
    with RequestBody(environ, limit=limit) as body:
        data = b"".join(body)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_no_doubles, parse_constant=_refuse, parse_int=_int)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ValidationFailed("malformed_body") from error
    if not isinstance(value, dict):
        raise ValidationFailed("invalid_field", "The body of the request is not a JSON object.")
    return value


class _FileSink:
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
        self._file: _FileSink | None = None
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
        self._file = _FileSink(filename, limit=self._limit, on_file=self._on_file)
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


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is doubled")
    return members


def _refuse(constant: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _int(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError("a number is too long")
    return int(digits)
