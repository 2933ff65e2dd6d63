"""One instance at its base URL: send it a file, follow its job to the end. Knows no terminal."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

Document = dict[str, Any]

CHUNK = 256 * 1024
ANSWER_SECONDS = 120.0
STREAM_SECONDS = 40.0
"""The server lets itself be heard at least every 15 s."""
POLL_WAIT = 20
GIVE_UP_AFTER = 60.0
"""How long a server may be away, for a restart, before a job is no longer followed."""
FINAL = ("completed", "failed")


class Unreachable(Exception):
    """Nobody answers there, or not in the way this service does."""


class Refused(Exception):
    """The service answered with a problem; `error` is its error object."""

    def __init__(self, error: Document) -> None:
        self.error = error
        super().__init__(f"{error.get('message', '')} {error.get('suggestion', '')}".strip())


class Instance:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unreachable(f"{url} is not the address of a web server")
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._secure, self._netloc, self._prefix = parts.scheme == "https", parts.netloc, parts.path.rstrip("/")

    def upload(self, path: Path, *, priority: str, user: str | None, sent: Callable[[int], None]) -> Document:
        """Stream the file; its 202. `sent` is told the bytes of each piece. Raises Refused, Unreachable, OSError."""
        fields = {"priority": priority} | ({"userId": user} if user else {})
        target = f"{self._prefix}/api/ingest/start/{quote(path.name, safe='')}?{urlencode(fields)}"
        with path.open("rb") as file, self._connection(ANSWER_SECONDS) as connection:
            connection.putrequest("PUT", target)
            connection.putheader("Content-Length", str(path.stat().st_size))
            connection.endheaders()
            with suppress(BrokenPipeError, ConnectionResetError):  # refused early: its answer may be there already
                while chunk := file.read(CHUNK):
                    connection.send(chunk)
                    sent(len(chunk))
            with connection.getresponse() as response:
                accepted = _document(response)
        if not isinstance(accepted.get("jobId"), str):
            raise Unreachable(f"{self.url} is not an instance of this service")
        return accepted

    def follow(self, job_id: str) -> Iterator[Document]:
        """The job's status documents until a final one, by events where they come through, else by asking."""
        try:
            with closing(self._events(job_id)) as documents:
                for document in documents:
                    yield document
                    if document.get("status") in FINAL:
                        return
        except (OSError, http.client.HTTPException, Refused, Unreachable, ValueError):
            pass
        yield from self._polled(job_id)

    def _events(self, job_id: str) -> Generator[Document, None, None]:
        with self._connection(STREAM_SECONDS) as connection:
            connection.request("GET", f"{self._prefix}/api/ingest/events/{job_id}")
            with connection.getresponse() as response:  # it outlives its connection where the server closes
                if response.status != http.HTTPStatus.OK:
                    return
                for event, data in _parsed(response):
                    if event == "status":
                        yield json.loads(data)

    def _polled(self, job_id: str) -> Iterator[Document]:
        etag, heard = "", time.monotonic()
        while True:
            try:
                status, etag, document = self._status(job_id, etag)
            except (OSError, http.client.HTTPException, Unreachable):
                if time.monotonic() - heard > GIVE_UP_AFTER:
                    raise Unreachable(f"{self.url} stopped answering; the job {job_id} goes on there") from None
                time.sleep(1)
                continue
            heard = time.monotonic()
            if status != http.HTTPStatus.NOT_MODIFIED:
                yield document
                if document.get("status") in FINAL:
                    return

    def _status(self, job_id: str, etag: str) -> tuple[int, str, Document]:
        with self._connection(ANSWER_SECONDS) as connection:
            headers = {"If-None-Match": etag} if etag else {}
            wait = POLL_WAIT if etag else 0
            connection.request("GET", f"{self._prefix}/api/ingest/status/{job_id}?wait={wait}", headers=headers)
            with connection.getresponse() as response:
                if response.status == http.HTTPStatus.NOT_MODIFIED:
                    return response.status, etag, {}
                if response.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise Unreachable("for the moment")
                return response.status, response.getheader("ETag", ""), _loaded(response)

    @contextmanager
    def _connection(self, timeout: float) -> Iterator[http.client.HTTPConnection]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._netloc, timeout=timeout)
        try:
            connection.connect()
        except OSError as error:
            raise Unreachable(f"nobody answers at {self.url}; ./run starts it") from error
        try:
            yield connection
        finally:
            connection.close()


def _parsed(lines: Iterator[bytes] | http.client.HTTPResponse) -> Iterator[tuple[str, str]]:
    """The events of a stream: name and data."""
    event, data = "message", ""
    for raw in lines:
        field, _, value = raw.decode("utf-8").rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event = value
        elif field == "data":
            data += value
        elif not field and not value:
            if data:
                yield event, data
            event, data = "message", ""


def _document(response: http.client.HTTPResponse) -> Document:
    document = _loaded(response)
    if response.status >= http.HTTPStatus.BAD_REQUEST:
        raise Refused(document.get("error") or {"message": document.get("title", f"HTTP {response.status}")})
    return document


def _loaded(response: http.client.HTTPResponse) -> Document:
    try:
        document = json.loads(response.read())
    except ValueError:
        raise Unreachable(f"the answer was not that of this service (HTTP {response.status})") from None
    if not isinstance(document, dict):
        raise Unreachable("the answer was not that of this service")
    return document
