"""The bytes of a request's body: counted against what was announced and what is allowed, cut when they stop coming.

The servers below do neither for us: gunicorn hands a body that was cut short over as if it were whole.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from gunicorn.http.errors import ParseException
from typing_extensions import Self

from app.errors import ValidationFailed

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

STALL_SECONDS = 30.0
"""A client that sends nothing for that long is cut off."""

SMALLEST_READ, LARGEST_READ = 16 * 1024, 1024 * 1024
_QUICK_SECONDS, _SLOW_SECONDS = 0.5, 2.0


class BodyStalled(ValidationFailed):
    http_status = 408

    def __init__(self) -> None:
        super().__init__("incomplete_body", "The upload stopped before the whole file had arrived.")


class RequestBody:
    """Iterate over it once, inside its ``with``; raises `ValidationFailed` of several codes.

    `limit` is in bytes; `on_bytes` is called after each piece that arrives (from a slow client every few seconds).
    After a refusal the server reads on for a moment, so that a client that is still sending gets to see it.
    """

    def __init__(self, environ: WSGIEnvironment, *, limit: int, on_bytes: Callable[[], None] | None = None) -> None:
        self._environ = environ
        self._stream = environ["wsgi.input"]
        self._socket = cast("socket.socket | None", environ.get("gunicorn.socket"))
        self._limit = limit
        self._on_bytes = on_bytes
        self._count = 0
        self._timeout_before: float | None = None

    def __iter__(self) -> Iterator[bytes]:
        announced = self._announced()
        size = SMALLEST_READ
        while announced is None or self._count < announced:
            began = time.monotonic()
            piece = self._read(size if announced is None else min(size, announced - self._count))
            if not piece:
                break
            size = _next_size(size, time.monotonic() - began)
            self._took(piece)
            yield piece
        if announced is not None and self._count < announced:
            raise ValidationFailed("incomplete_body")

    def __enter__(self) -> Self:
        if self._socket is not None:
            self._timeout_before = self._socket.gettimeout()
            self._socket.settimeout(STALL_SECONDS)
        return self

    def __exit__(self, *failure: object) -> None:
        if self._socket is not None:
            self._socket.settimeout(self._timeout_before)

    def _announced(self) -> int | None:
        """The length the client promised; None where it sends chunks. Raises ``too_large`` before a byte is read."""
        if self._environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("identity", ""):
            raise ValidationFailed("unsupported_type", suggestion="Send the file as it is, without Content-Encoding.")
        if "chunked" in self._environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            return None
        given = self._environ.get("CONTENT_LENGTH") or "0"
        if not (given.isascii() and given.isdigit()):
            raise ValidationFailed("malformed_body")
        if len(given) > 18 or int(given) > self._limit:
            raise ValidationFailed("too_large")
        return int(given)

    def _read(self, size: int) -> bytes:
        try:
            return cast(bytes, self._stream.read(size))
        except TimeoutError as error:
            raise BodyStalled from error
        except OSError as error:  # also gunicorn's NoMoreData
            raise ValidationFailed("incomplete_body") from error
        except ParseException as error:
            raise ValidationFailed("malformed_body") from error

    def _took(self, piece: bytes) -> None:
        self._count += len(piece)
        if self._count > self._limit:
            raise ValidationFailed("too_large")
        if self._on_bytes is not None:
            self._on_bytes()


def _next_size(size: int, seconds: float) -> int:
    """A read returns once it has all it asked for: few large ones where bytes come fast, small ones where they drip,
    so that `on_bytes` is called while a slow client is still sending."""
    if seconds < _QUICK_SECONDS:
        return min(size * 2, LARGEST_READ)
    return max(size // 8, SMALLEST_READ) if seconds > _SLOW_SECONDS else size
