"""The resident parser child as its worker sees it: a file in, frames of page text out, whatever the file does.

Holds the deadline, gives a file a second chance where that may help, and turns each way of ending into one error. The
text passes through as UTF-8 bytes and is never decoded here.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from app.adapters.parser_child import ChildDied, DeadlinePassed, ParserChild
from app.adapters.parser_keeping import KeptChild, ParserKilled, no_child
from app.adapters.parser_reading import Document, PageFrame, Reading, Warning, json_object
from app.errors import CATALOGUE, ExtractionFailed, IngestError, JobTimeout, StorageFailed
from app.extraction import PDF, frames

__all__ = ["Document", "PageFrame", "ParserKilled", "ParserProcess", "Warning"]

MEMORY_BYTES = 512 * 1024 * 1024
#: The share of its time after which pdfium gives way to pypdf.
FIRST_ENGINE_SHARE = 0.7

_PROGRAM = Path(__file__).resolve().parents[1] / "extraction" / "parser_main.py"
_NO_FILE = "blob_missing"
_FAILURES = {_NO_FILE, *(code for code, entry in CATALOGUE.items() if entry.type == "extraction_failed")}
#: What pypdf may be able to read although pdfium could not.
_WORTH_ANOTHER_ENGINE = {"corrupt_document", "unsupported_feature"}


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
        program = command or [sys.executable, "-I", os.fspath(_PROGRAM)]
        self._kept = KeptChild(program, extra_env or {}, memory_bytes=memory_bytes)

    @property
    def pid(self) -> int | None:
        """The process id of the child, if there is one."""
        return self._kept.pid

    def read(
        self, path: Path, media_type: str, *, timeout: float, max_pages: int, max_characters: int
    ) -> Iterator[PageFrame | Document]:
        """Yield the pages of the file in order, each when it has been read, and at last the one `Document`.

        `timeout` is in seconds of wall clock, from when the child has the request.
        Raises `ExtractionFailed`, `JobTimeout`, `ParserKilled`; `StorageFailed` if the file is not there, and
        `InternalError` if no child can be started.
        """
        self._kept.begin()
        return self._read(Reading(path, media_type, max_pages, max_characters), timeout)

    def kill(self) -> None:
        """End the child now; a running `read` raises `ParserKilled`, the next one starts a fresh child."""
        self._kept.kill()

    def close(self) -> None:
        """End the child; may be called again, and `read` after it starts a new one."""
        self._kept.kill()

    def _read(self, reading: Reading, timeout: float) -> Iterator[PageFrame | Document]:
        try:
            yield from self._attempts(reading, timeout)
        finally:
            self._kept.end()

    def _attempts(self, reading: Reading, timeout: float) -> Iterator[PageFrame | Document]:
        child = self._kept.first()
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
            child = self._kept.ready(deadline)
        except ChildDied as error:
            raise no_child() from error
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
            self._kept.asked()
            child.send(reading.request(engine, deadline))
            while True:
                kind, content = child.receive(deadline, reading.largest_page())
                self._kept.raise_if_killed()
                if kind != frames.PAGE:
                    break
                yield reading.take_page(content)
                if pause := reading.pause(time.monotonic()):
                    child.let_gather(pause)
            yield self._finish(reading, kind, content)
        except ChildDied as error:
            self._kept.drop_dead()
            # pdfium aborts the process when its memory ends; other deaths say nothing about the rest of the file.
            doubt = ExtractionFailed("resource_limit") if child.aborted else None
            raise _GaveUp(ExtractionFailed("parser_crashed"), doubt=doubt) from error
        except DeadlinePassed as error:
            self._kept.drop_dead()
            raise _GaveUp(JobTimeout(), doubt=JobTimeout()) from error

    def _finish(self, reading: Reading, kind: bytes, content: bytes) -> Document:
        """Return the document that ends a file, or raise the failure that does."""
        told = json_object(content)
        code = str(told.get("code"))
        if kind not in (frames.DOCUMENT, frames.FAILURE) or (kind == frames.FAILURE and code not in _FAILURES):
            raise ChildDied
        self._kept.answered(last=told.get("last") is True)
        if kind == frames.FAILURE:
            raise self._failure(reading, code)
        return reading.document(told)

    def _failure(self, reading: Reading, code: str) -> Exception:
        if code == _NO_FILE:
            return StorageFailed(code)
        error = ExtractionFailed(code)
        again = reading.media_type == PDF and not reading.pages and code in _WORTH_ANOTHER_ENGINE
        return _GaveUp(error) if again else error
