"""The terminal: what the supervisor says and what its children log, written by a thread that alone may block.
A reader that has stopped costs lines, which are counted, and never holds up the service."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
from typing import IO

STDOUT, STDERR = 1, 2
LINES_KEPT = 2_000
LONGEST_LINE = 16_384


class Output:
    """Lines to stdout (`say`) and stderr (`log`), in the order in which they came."""

    def __init__(self, out: int = STDOUT, err: int = STDERR) -> None:
        self._out, self._err = out, err
        self._readable = os.isatty(err)
        self._lines: queue.Queue[tuple[int, str] | None] = queue.Queue(LINES_KEPT)
        self._dropped = 0
        self._writer = threading.Thread(target=self._write_all, daemon=True, name="output")
        self._writer.start()

    def say(self, line: str) -> None:
        self._put(self._out, line)

    def log(self, name: str, line: str) -> None:
        self._put(self._err, f"{name:<9} {readable(line) if self._readable else line}")

    def follow(self, name: str, pipe: IO[bytes]) -> None:
        """Log everything that comes out of `pipe`, to its end, in a thread of its own."""
        threading.Thread(target=self._follow, args=(name, pipe), daemon=True, name=f"output of {name}").start()

    def close(self, seconds: float = 1.0) -> None:
        """Write what is left, as far as somebody reads it."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=seconds)
        self._writer.join(seconds)

    def _follow(self, name: str, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(LONGEST_LINE):
                self.log(name, line.decode(errors="replace").rstrip("\r\n"))

    def _put(self, to: int, line: str) -> None:
        try:
            self._lines.put_nowait((to, line))
        except queue.Full:
            self._dropped += 1

    def _write_all(self) -> None:
        while (item := self._lines.get()) is not None:
            to, line = item
            if self._write(to, line) and self._dropped:
                dropped, self._dropped = self._dropped, 0
                self._write(self._err, f"{dropped} lines were dropped here, because nobody read them")

    def _write(self, to: int, line: str) -> bool:
        data = f"{line}\n".encode(errors="backslashreplace")
        try:
            while data:
                data = data[os.write(to, data) :]
        except OSError:  # the disk is full, or the reader has gone
            self._dropped += 1
            return False
        return True


def readable(line: str) -> str:
    """A log entry in JSON as a person reads it; any other line as it is."""
    try:
        entry = json.loads(line)
        event, level = entry.pop("event"), entry.pop("level", "")
        clock = str(entry.pop("timestamp", ""))[11:19]
    except (ValueError, KeyError, TypeError, AttributeError):
        return line
    rest = " ".join(f"{key}={value}" for key, value in entry.items())
    return f"{clock} {level:<7} {event}  {rest}".rstrip().replace("\n", "\\n").replace("\x1b", "\\x1b")
