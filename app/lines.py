"""Lines to files that may be slow, full or closed: a thread writes them, and alone may block.
A reader that has stopped costs lines, which are counted, and never holds up the service."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

LINES_KEPT = 2_000


class Lines:
    """The thread starts with the first line, and once more in a process that was forked since."""

    def __init__(self, note: Callable[[int], tuple[int, str]], *, on_drop: Callable[[int], None] | None = None) -> None:
        """`note` makes the line, and where it goes, that tells how many were dropped; `on_drop` is told each time."""
        self._note, self._on_drop = note, on_drop
        self.dropped = 0
        self._untold = 0
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lines: SimpleQueue[tuple[int, str] | None] = SimpleQueue()
        self._writer: threading.Thread | None = None

    def put(self, to: int, line: str) -> None:
        """To the file descriptor `to`; never waits."""
        if self._pid != os.getpid():
            self._begin()
        if self._lines.qsize() >= LINES_KEPT:
            self._drop(1)
            return
        self._lines.put((to, line))
        if self._writer is None:
            self._start()

    def close(self, seconds: float = 1.0) -> None:
        """Write what is left, as far as somebody reads it."""
        if self._writer is not None and self._pid == os.getpid():
            self._lines.put(None)
            self._writer.join(seconds)

    def _start(self) -> None:
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, daemon=True, name="lines")
                self._writer.start()

    def _write_all(self) -> None:
        while (item := self._lines.get()) is not None:
            if self._write(*item) and self._untold:
                untold, self._untold = self._untold, 0
                self._write(*self._note(untold))

    def _write(self, to: int, line: str) -> bool:
        data = f"{line}\n".encode(errors="backslashreplace")
        try:
            while data:
                data = data[os.write(to, data) :]
        except OSError:  # the disk is full, or the reader has gone
            self._drop(1)
            return False
        return True

    def _drop(self, number: int) -> None:
        with self._lock:
            self.dropped += number
            self._untold += number
        if self._on_drop:
            self._on_drop(number)

    def tell_drops(self, on_drop: Callable[[int], None]) -> None:
        """From now on to somebody who counts them, and those before at once."""
        self._on_drop = on_drop
        if self.dropped:
            on_drop(self.dropped)
