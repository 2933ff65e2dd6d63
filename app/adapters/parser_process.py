"""The resident parser child as its worker sees it: a file in, frames of page text out, whatever the file does.

Starts the child when it is needed and again when it died, holds the deadline, and turns each way of ending into one
error. The text passes through as UTF-8 bytes and is never decoded here.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from app.adapters.parser_child import ChildDied, DeadlinePassed, ParserChild
from app.adapters.parser_reading import Document, PageFrame, Reading, Warning, json_object
from app.errors import CATALOGUE, ExtractionFailed, IngestError, InternalError, JobTimeout, StorageFailed
from app.extraction import PDF, frames

__all__ = ["Document", "PageFrame", "ParserKilled", "ParserProcess", "Warning"]

MEMORY_BYTES = 512 * 1024 * 1024
#: The share of its time after which pdfium gives way to pypdf.
FIRST_ENGINE_SHARE = 0.7
#: Seconds that a child may take to get ready; they are not counted as the file's.
START_SECONDS = 20.0
#: How many children in a row may die before they are ready (whoever runs out of memory kills them, too).
START_TRIES = 3

_PROGRAM = Path(__file__).resolve().parents[1] / "extraction" / "parser_main.py"
_NO_FILE = "blob_missing"
_FAILURES = {_NO_FILE, *(code for code, entry in CATALOGUE.items() if entry.type == "extraction_failed")}
#: What pypdf may be able to read although pdfium could not.
_WORTH_ANOTHER_ENGINE = {"corrupt_document", "unsupported_feature"}


class ParserKilled(Exception):
    """`ParserProcess.kill` was called while a file was read."""


class _GaveUp(Exception):
    """An attempt on the file is over with `error`, and another one may do better.

    `doubt` is what to raise if the other one finds no word: pypdf passes over what it cannot follow, so where pdfium
    ran out of time or memory its silence proves nothing.
    """

    def __init__(self, error: IngestError, *, doubt: IngestError | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.doubt = doubt


class ParserProcess:
    """One resident child that parses untrusted files, one at a time.

    One thread at a time reads; `kill` may be called from any other. `command` replaces the child's program, which
    gets the parent's process id and the memory limit as its arguments.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = MEMORY_BYTES,
        extra_env: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self._command = list(command or [sys.executable, "-I", os.fspath(_PROGRAM)])
        self._memory_bytes = memory_bytes
        self._env = dict(extra_env or {})
        self._lock = threading.Lock()  # for the fields below
        self._child: ParserChild | None = None
        self._reading = False  # between the call of `read` and its end
        self._busy = False  # the child has a request that it has not answered to the end
        self._killed = False

    @property
    def pid(self) -> int | None:
        """The process id of the child, if there is one."""
        child = self._child
        return child.pid if child else None

    def read(
        self, path: Path, media_type: str, *, timeout: float, max_pages: int, max_characters: int
    ) -> Iterator[PageFrame | Document]:
        """Yield the pages of the file in order, each when it has been read, and at last the one `Document`.

        `timeout` is in seconds of wall clock, from when the child has the request.
        Raises `ExtractionFailed`, `JobTimeout`, `ParserKilled`; `StorageFailed` if the file is not there, and
        `InternalError` if no child can be started.
        """
        with self._lock:
            self._reading, self._killed = True, False
        return self._read(Reading(path, media_type, max_pages, max_characters), timeout)

    def kill(self) -> None:
        """End the child now; a running `read` raises `ParserKilled`, the next one starts a fresh child."""
        with self._lock:
            self._killed = self._reading
            if self._child and self._reading:
                self._child.kill()  # the reading thread closes the pipes, under its own hands
            elif self._child:
                self._drop()

    def close(self) -> None:
        """End the child; may be called again, and `read` after it starts a new one."""
        self.kill()

    def _read(self, reading: Reading, timeout: float) -> Iterator[PageFrame | Document]:
        try:
            yield from self._attempts(reading, timeout)
        finally:  # also where the caller stops in the middle: a child at work on an unwanted file is of no use
            with self._lock:
                self._reading = False
                if self._busy:
                    self._drop()
                elif self._child:
                    self._child.log_said()

    def _attempts(self, reading: Reading, timeout: float) -> Iterator[PageFrame | Document]:
        child = self._first_child()
        deadline = time.monotonic() + timeout
        is_pdf = reading.media_type == PDF
        first_deadline = deadline - (1 - FIRST_ENGINE_SHARE) * timeout if is_pdf else deadline
        try:
            yield from self._attempt(child, reading, "pdfium" if is_pdf else "", first_deadline)
            return
        except _GaveUp as gave_up:
            if isinstance(gave_up.error, JobTimeout) and not is_pdf:
                raise gave_up.error from gave_up
            doubt = gave_up.doubt
        try:
            yield from self._second_attempt(reading, deadline, doubt)
        except _GaveUp as gave_up:
            raise gave_up.error from gave_up

    def _second_attempt(
        self, reading: Reading, deadline: float, doubt: IngestError | None
    ) -> Iterator[PageFrame | Document]:
        """Read the rest with a child that is as good as new, a PDF by the other engine."""
        try:
            child = self._started_child(deadline)
        except ChildDied as error:
            raise _no_child() from error
        except DeadlinePassed as error:
            raise JobTimeout from error
        words = reading.words
        for item in self._attempt(child, reading, "pypdf" if reading.media_type == PDF else "", deadline):
            if doubt and isinstance(item, Document) and reading.words == words:
                raise doubt
            yield item

    def _attempt(
        self, child: ParserChild, reading: Reading, engine: str, deadline: float
    ) -> Iterator[PageFrame | Document]:
        """Let the child read what is still to come; raises `_GaveUp` where another one may do better."""
        try:
            self._busy = True
            child.send(reading.request(engine, deadline))
            while True:
                kind, content = child.receive(deadline, reading.largest_page())
                if self._killed:
                    raise ParserKilled
                if kind != frames.PAGE:
                    break
                yield reading.take_page(content)
                if pause := reading.pause(time.monotonic()):
                    child.let_gather(pause)
            yield self._finish(reading, kind, content)
        except ChildDied as error:
            self._drop_dead()
            # pdfium aborts the process when its memory ends; other deaths say nothing about the rest of the file.
            doubt = ExtractionFailed("resource_limit") if child.aborted else None
            raise _GaveUp(ExtractionFailed("parser_crashed"), doubt=doubt) from error
        except DeadlinePassed as error:
            self._drop_dead()
            raise _GaveUp(JobTimeout(), doubt=JobTimeout()) from error

    def _finish(self, reading: Reading, kind: bytes, content: bytes) -> Document:
        """Return the document that ends a file, or raise the failure that does."""
        told = json_object(content)
        code = str(told.get("code"))
        if kind not in (frames.DOCUMENT, frames.FAILURE) or (kind == frames.FAILURE and code not in _FAILURES):
            raise ChildDied
        self._busy = False
        if told.get("last") is True:
            self._replace()
        if kind == frames.FAILURE:
            raise self._failure(reading, code)
        return reading.document(told)

    def _failure(self, reading: Reading, code: str) -> Exception:
        if code == _NO_FILE:
            return StorageFailed(code)
        error = ExtractionFailed(code)
        again = reading.media_type == PDF and not reading.pages and code in _WORTH_ANOTHER_ENGINE
        return _GaveUp(error) if again else error

    def _first_child(self) -> ParserChild:
        """Return a child that waits for work; raises `InternalError` if none can start."""
        try:
            return self._started_child(time.monotonic() + START_SECONDS)
        except (ChildDied, DeadlinePassed) as error:
            raise _no_child() from error

    def _started_child(self, deadline: float) -> ParserChild:
        """Return a child that waits for work; one that died at its start says nothing about the file, so that others
        are tried. Raises `ChildDied` and `DeadlinePassed`."""
        for _ in range(START_TRIES - 1):
            try:
                return self._ready_child(deadline)
            except ChildDied:
                continue
        return self._ready_child(deadline)

    def _ready_child(self, deadline: float) -> ParserChild:
        """Return the child there is, or a fresh one; raises `ChildDied` and `DeadlinePassed` where none gets ready."""
        with self._lock:
            if self._killed:
                raise ParserKilled
            if self._child and not self._child.is_sound():
                self._drop()
            child = self._child = self._child or self._start()
        try:
            child.await_ready(deadline)
        except (ChildDied, DeadlinePassed):
            self._drop_dead()
            raise
        return child

    def _start(self) -> ParserChild:
        arguments = [str(os.getpid()), str(self._memory_bytes)]
        try:
            return ParserChild([*self._command, *arguments], self._env)
        except OSError as error:
            raise ChildDied from error

    def _replace(self) -> None:
        """Start the successor of a child that has done its share, so that it warms up while the result is stored."""
        with self._lock:
            self._drop()
            try:
                self._child = self._start()
            except ChildDied:
                pass  # the next file tries again, and reports it

    def _drop_dead(self) -> None:
        with self._lock:
            self._drop()
            if self._killed:
                raise ParserKilled

    def _drop(self) -> None:
        """Forget the child, dead or alive; the lock is held."""
        child, self._child, self._busy = self._child, None, False
        if child:
            child.close()


def _no_child() -> InternalError:
    """No fault of the file, so it is worth another attempt when the machine is better."""
    error = InternalError("internal")
    error.retryable = True
    return error
