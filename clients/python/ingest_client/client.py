"""The client itself: one method for each thing that can be done with a job."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal, cast
from urllib.parse import quote, urlencode

from .documents import Accepted, Event, Priority, Result, Status
from .transport import FIRST_PAUSE, LONGEST_PAUSE, IngestError, Transport, document_of

CHUNK = 256 * 1024
#: The service lets itself be heard at least every 15 s.
STREAM_SECONDS = 45.0
POLL_SECONDS = 20
FINAL = ("completed", "failed")

NO_BODY = {"Content-Length": "0"}

Form = Literal["text", "markdown", "json"]


class Client:
    """One service at its base address. Safe to share between threads: each call has a connection of its own.

    `token` is the admin's, where that is wanted. While the service is away or busy, a call is repeated for up to
    `patience` seconds, as `Retry-After` says. Every method raises IngestError."""

    def __init__(self, url: str, *, token: str | None = None, patience: float = 120.0) -> None:
        self._transport = Transport(url, token=token, patience=patience)
        self._patience = patience
        self.url = self._transport.url

    # ---- upload ------------------------------------------------------------------------------------------------

    def upload(
        self,
        file: str | os.PathLike[str] | BinaryIO,
        *,
        name: str | None = None,
        priority: Priority = "medium",
        user_id: str | None = None,
        key: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Accepted:
        """Send a file, piece by piece; it comes back when the service has it safe. A file object must be seekable.

        `progress` is told the bytes sent and the bytes there are; they begin anew where a broken upload is repeated. All
        attempts share an Idempotency-Key (`key`, or a new one), so that none makes a second job. OSError: the file
        cannot be read."""
        with ExitStack() as stack:
            source = stack.enter_context(Path(file).open("rb")) if isinstance(file, (str, os.PathLike)) else file
            body = _Body(source, progress)
            name = name or Path(str(getattr(source, "name", "file"))).name
            query = {"priority": priority} | ({"userId": user_id} if user_id else {})
            headers = {"Content-Length": str(body.size), "Idempotency-Key": key or str(uuid.uuid4())}
            path = f"/api/ingest/start/{quote(name, safe='')}?{urlencode(query)}"
            accepted = self._transport.call("PUT", path, document_of, headers=headers, body=body.pieces)
        if not isinstance(accepted.get("jobId"), str):
            raise IngestError(
                {"code": "not_this_service", "message": f"{self.url} is not an instance of this service."}
            )
        return cast(Accepted, accepted)

    # ---- watch -------------------------------------------------------------------------------------------------

    def status(self, job_id: str) -> Status:
        return cast(Status, self._transport.call("GET", _path("status", job_id), document_of))

    def wait(self, job_id: str, *, seconds: float | None = None) -> Status:
        """The job's last state; where `seconds` are over before, its state then."""
        seen = deque(self._polled(job_id, seconds), maxlen=1)
        return seen[0] if seen else self.status(job_id)

    def follow(self, job_id: str) -> Iterator[Status]:
        """Each state that the job is seen in, up to its last: by events where they come through, else by asking."""
        with suppress(IngestError), self._connected((job_id,), "") as events:
            for event in events or ():
                if event.name == "status":
                    yield event.data
                if event.is_last:
                    return
        yield from self._polled(job_id, None)

    def events(self, jobs: str | Sequence[str], *, last_id: str = "") -> Iterator[Event]:
        """What happens to a job, or to up to 100 of them, until all have ended; after `last_id` where that is given. A
        broken stream goes on where it ended, none told twice and none left out."""
        followed = (jobs,) if isinstance(jobs, str) else tuple(jobs)
        still, pause = set(followed), 0.0
        while still:
            time.sleep(pause)
            pause = min(pause + FIRST_PAUSE, LONGEST_PAUSE)
            with self._connected(followed, last_id) as events:
                if events is None:
                    return
                for event in events:
                    pause, last_id = 0.0, event.id or last_id
                    still -= {event.data["jobId"]} if event.is_last else set()
                    yield event

    @contextmanager
    def _connected(self, jobs: tuple[str, ...], last_id: str) -> Iterator[Iterator[Event] | None]:
        """The events of one connection, as far as it holds; None where everything was told before."""
        path = (
            _path("events", jobs[0]) if len(jobs) == 1 else f"/api/ingest/events?{urlencode({'jobs': ','.join(jobs)})}"
        )
        headers = {"Last-Event-ID": last_id} if last_id else {}
        with self._transport.stream(path, headers=headers, seconds=STREAM_SECONDS) as (status, lines):
            yield None if status == http.HTTPStatus.NO_CONTENT else _parsed(lines)

    def _polled(self, job_id: str, seconds: float | None) -> Iterator[Status]:
        """Each document that differs from the one before, by long poll."""
        until = time.monotonic() + (float("inf") if seconds is None else seconds)
        etag, asked = "", time.monotonic()
        while (left := min(POLL_SECONDS, until - asked)) > 0:
            path = f"{_path('status', job_id)}?wait={left if etag else 0:.3f}"
            document, etag, pause = self._transport.call(
                "GET", path, _unless_known, headers={"If-None-Match": etag} if etag else {}
            )
            if document is not None:
                yield document
                if document["status"] in FINAL:
                    return
            elif time.monotonic() - asked < left / 2:  # it can hold no more callers: do not press it
                time.sleep(min(pause, left))
            asked = time.monotonic()

    # ---- result ------------------------------------------------------------------------------------------------

    def result(self, job_id: str, *, page: int | None = None) -> Result:
        """The whole result, or with one page of it."""
        return cast(Result, self._transport.call("GET", _result_path(job_id, "json", page), document_of))

    def text(self, job_id: str, *, page: int | None = None, form: Form = "text") -> str:
        """As one string: for a large result see `save`."""
        return self._transport.call("GET", _result_path(job_id, form, page), lambda answer: answer.read().decode())

    def save(self, job_id: str, path: str | os.PathLike[str], *, form: Form = "text", page: int | None = None) -> int:
        """Into a file, piece by piece; how many bytes. The file is there when all of it is."""
        target = Path(path)
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
        try:
            size = self._transport.call("GET", _result_path(job_id, form, page), lambda answer: _saved(answer, part))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return size

    # ---- steer -------------------------------------------------------------------------------------------------

    def cancel(self, job_id: str) -> Status:
        """Stop it, queued or running. It ends as `failed` with the code `cancelled`."""
        return cast(Status, self._transport.call("POST", _path("cancel", job_id), document_of, headers=NO_BODY))

    def retry(self, job_id: str) -> Status:
        """Run a failed job again, or a retrying one now."""
        return cast(Status, self._transport.call("POST", _path("retry", job_id), document_of, headers=NO_BODY))

    def delete(self, job_id: str) -> bool:
        """Remove the job with its file and result; whether there was one."""
        try:
            self._transport.call("DELETE", _path("jobs", job_id), lambda answer: answer.read(), headers=NO_BODY)
        except IngestError as error:
            if error.code != "not_found":
                raise
            return False
        return True


class _Body:
    """The rest of a file, which can be sent again from where it began."""

    def __init__(self, file: BinaryIO, progress: Callable[[int, int], None] | None) -> None:
        self._file, self._progress = file, progress
        self._begin = file.tell()
        self.size = file.seek(0, os.SEEK_END) - self._begin

    def pieces(self) -> Iterator[bytes]:
        """What is told as sent is what was taken from here."""
        self._file.seek(self._begin)
        sent = 0
        while sent < self.size and (chunk := self._file.read(min(CHUNK, self.size - sent))):
            yield chunk
            sent += len(chunk)
            if self._progress:
                self._progress(sent, self.size)


def _path(verb: str, job_id: str) -> str:
    return f"/api/ingest/{verb}/{quote(job_id, safe='')}"


def _result_path(job_id: str, form: Form, page: int | None) -> str:
    return f"{_path('result', job_id)}?{urlencode({'format': form} | ({'page': str(page)} if page else {}))}"


def _unless_known(answer: http.client.HTTPResponse) -> tuple[Status | None, str, float]:
    """The document (None: still the known one), its ETag, and after how many seconds to ask again."""
    etag, pause = answer.getheader("ETag", ""), float(answer.getheader("Retry-After", "2"))
    return None if answer.status == http.HTTPStatus.NOT_MODIFIED else document_of(answer), etag, pause


def _saved(answer: http.client.HTTPResponse, path: Path) -> int:
    """Raises IncompleteRead where the answer breaks off."""
    with path.open("wb") as file:
        shutil.copyfileobj(answer, file, CHUNK)
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        return file.tell()


def _parsed(lines: Iterator[bytes]) -> Iterator[Event]:
    name = data = last_id = ""
    for line in lines:
        field, _, value = line.decode().rstrip("\r").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "id":
            last_id = value
        elif field == "data":
            data += value
        elif not field and not value:
            if data:
                yield Event(name, json.loads(data), last_id)
            name = data = last_id = ""
