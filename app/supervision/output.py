"""The terminal: what the supervisor says and what its children log, written by a thread that alone may block."""

from __future__ import annotations

import json
import os
import threading
from typing import IO

from app.lines import Lines

STDOUT, STDERR = 1, 2
LONGEST_LINE = 16_384


class Output:
    """Lines to stdout (`say`) and stderr (`log`), in the order in which they came."""

    def __init__(self, out: int = STDOUT, err: int = STDERR) -> None:
        self._out, self._err = out, err
        self._readable = os.isatty(err)
        self._lines = Lines(lambda dropped: (err, f"{dropped} lines were dropped here, because nobody read them"))

    def say(self, line: str) -> None:
        self._put(self._out, line)

    def log(self, name: str, line: str) -> None:
        self._put(self._err, f"{name:<9} {readable(line) if self._readable else line}")

    def follow(self, name: str, pipe: IO[bytes]) -> None:
        """Log everything that comes out of `pipe`, to its end, in a thread of its own."""
        threading.Thread(target=self._follow, args=(name, pipe), daemon=True, name=f"output of {name}").start()

    def close(self, seconds: float = 1.0) -> None:
        """Write what is left, as far as somebody reads it."""
        self._lines.close(seconds)

    def _follow(self, name: str, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(LONGEST_LINE):
                self.log(name, line.decode(errors="replace").rstrip("\r\n"))

    def _put(self, to: int, line: str) -> None:
        self._lines.put(to, line)


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
