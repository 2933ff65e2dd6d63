"""One request at a time over http.client, repeated with patience while the service is away or busy."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
Body = Callable[[], Iterator[bytes]]

ANSWER_SECONDS = 120.0
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
#: What a proxy answers while the service behind it is away.
AWAY = (502, 503, 504)


class IngestError(Exception):
    """What went wrong: `code` for programs (`unreachable` and `not_this_service` are the client's own), the message and
    the suggestion for people. `retryable`: the same call may go well later. `status` is the HTTP status, 0 without one."""

    def __init__(self, error: Mapping[str, Any], *, status: int = 0, retry_after: float | None = None) -> None:
        self.error = dict(error)
        self.code = str(error.get("code", ""))
        self.message = str(error.get("message", ""))
        self.suggestion = str(error.get("suggestion", ""))
        self.retryable = bool(error.get("retryable", False))
        self.field: str | None = error.get("field")
        self.status = status
        self.retry_after = retry_after
        super().__init__(f"{self.message} {self.suggestion}".strip())

    @property
    def is_passing(self) -> bool:
        """Whether the same request is worth repeating in a moment."""
        return self.retryable or self.status == http.HTTPStatus.TOO_MANY_REQUESTS or self.code == "idempotency_running"


class Transport:
    """`patience` is for how many seconds a request is repeated. Where nobody has answered yet it is not repeated: a
    wrong address is told at once."""

    def __init__(self, url: str, *, token: str | None, patience: float) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise unreachable(f"{url} is not the address of a web server.", retryable=False)
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._netloc, self._prefix = parts.netloc, parts.path.rstrip("/")
        self.url = f"{parts.scheme}://{self._netloc}{self._prefix}"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._patience = patience
        self._was_reached = False

    def call(
        self,
        method: str,
        path: str,
        read: Callable[[http.client.HTTPResponse], T],
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> T:
        """What `read` makes of the answer; `body` gives its pieces, anew where the request is repeated.
        Raises IngestError."""

        def once() -> T:
            connection, response = self._open(method, path, headers or {}, body, ANSWER_SECONDS)
            with closing(connection), response, _network(f"{self.url} stopped answering."):
                return read(response)

        return self.patiently(once)

    @contextmanager
    def stream(self, path: str, *, headers: Mapping[str, str], seconds: float) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The status of the answer and its lines as they come, until it ends or breaks off."""
        connection, response = self.patiently(lambda: self._open("GET", path, headers, None, seconds))
        with closing(connection), response:
            yield response.status, _lines(response)

    def patiently(self, once: Callable[[], T]) -> T:
        until, pause = time.monotonic() + self._patience, FIRST_PAUSE
        while True:
            try:
                return once()
            except IngestError as error:
                left = until - time.monotonic()
                if not error.is_passing or left <= 0:
                    raise
                time.sleep(min(error.retry_after or pause, left))
                pause = min(2 * pause, LONGEST_PAUSE)

    def _open(
        self, method: str, path: str, headers: Mapping[str, str], body: Body | None, seconds: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """The connection and an answer below 400."""
        connection = self._kind(self._netloc, timeout=seconds)
        try:
            with _network(f"Nobody answers at {self.url}.", retryable=self._was_reached):
                connection.connect()
            self._was_reached = True
            response = self._answer(connection, method, path, {**self._headers, **headers}, body)
            if response.status >= http.HTTPStatus.BAD_REQUEST:
                with response, _network(f"{self.url} stopped answering."):
                    raise _refusal(response)
        except BaseException:
            connection.close()
            raise
        return connection, response

    def _answer(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Body | None,
    ) -> http.client.HTTPResponse:
        with _network(f"{self.url} stopped answering."):
            connection.putrequest(method, f"{self._prefix}{path}")
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
        for piece in body() if body else ():
            try:
                with _network(f"{self.url} stopped answering."):
                    connection.send(piece)
            except IngestError as error:
                if not isinstance(error.__cause__, (BrokenPipeError, ConnectionResetError)):
                    raise
                break  # refused early: its answer may be there already
        with _network(f"{self.url} stopped answering."):
            return connection.getresponse()


def unreachable(message: str, *, retryable: bool) -> IngestError:
    suggestion = "Check the address, and that the service runs."
    return IngestError({"code": "unreachable", "message": message, "suggestion": suggestion, "retryable": retryable})


def document_of(response: http.client.HTTPResponse) -> Any:
    """Its JSON object; raises IngestError where it is none."""
    with suppress(ValueError):
        document = json.loads(response.read())
        if isinstance(document, dict):
            return document
    message = f"The answer was not that of this service (HTTP {response.status})."
    away = response.status in AWAY
    raise IngestError(
        {"code": "unreachable" if away else "not_this_service", "message": message, "retryable": away},
        status=response.status,
    )


def _refusal(response: http.client.HTTPResponse) -> IngestError:
    retry_after = response.getheader("Retry-After", "")
    document = document_of(response)
    error = document.get("error")
    if not isinstance(error, dict):
        error = {"code": "not_this_service", "message": f"HTTP {response.status}"}
    return IngestError(error, status=response.status, retry_after=float(retry_after) if retry_after.isdigit() else None)


@contextmanager
def _network(message: str, *, retryable: bool = True) -> Iterator[None]:
    """What the network does to a request, as the one exception of this client."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise unreachable(message, retryable=retryable) from error


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    rest = b""
    with suppress(OSError, http.client.HTTPException):
        while piece := response.read1(65_536):
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines
