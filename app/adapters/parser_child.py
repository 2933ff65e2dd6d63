"""One run of the parser child: the process, its pipes, and frames read from it under a deadline.

Nothing that comes through the pipe is trusted: lengths are checked before memory is given to them.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

import structlog

from app.extraction import frames

_CHUNK = 64 * 1024
#: Half of what a pipe takes.
_ROOMY = 32 * 1024
_MILLISECONDS_MOST = 2**31 - 1
#: What is logged of a child's words about one file.
LINES_LOGGED, LONGEST_LINE = 10, 500

log = structlog.get_logger()


class ChildDied(Exception):
    """The child is gone, or says what no sound child would say."""


class DeadlinePassed(Exception):
    """The child has not answered in time."""


class ParserChild:
    """A started child. One thread reads; `kill` may come from any, under the lock of the owner."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Start the process in a session of its own, so that a Ctrl-C of the terminal does not reach it."""
        request_end, self._requests = os.pipe()
        self._answers, answer_end = os.pipe()
        self._said, said_end = os.pipe()
        for end in (self._said, said_end):
            os.set_blocking(end, False)  # a child that says too much loses it, and waits for nobody
        try:
            self._process = subprocess.Popen(
                command,
                stdin=request_end,
                stdout=answer_end,
                stderr=said_end,
                cwd="/",
                env=dict(env),
                start_new_session=True,
            )
        except BaseException:
            self._close_pipes()
            raise
        finally:
            os.close(request_end)
            os.close(answer_end)
            os.close(said_end)
        self._poll = select.poll()
        self._poll.register(self._answers, select.POLLIN)
        self._buffer = bytearray()
        self._last_chunk = 0
        self.pid = self._process.pid
        self._ready = False

    def is_sound(self) -> bool:
        """Tell whether it lives and, once ready, has said nothing that nobody asked for."""
        if self._process.poll() is not None:
            return False
        return not self._ready or (not self._buffer and not self._poll.poll(0))

    @property
    def aborted(self) -> bool:
        """Whether it ended itself by `abort`, once it is closed."""
        return self._process.returncode == -signal.SIGABRT

    def await_ready(self, deadline: float) -> None:
        """Wait until it has imported what it needs; raises `ChildDied` and `DeadlinePassed`."""
        if not self._ready:
            kind, _ = self.receive(deadline, 0)
            if kind != frames.READY:
                raise ChildDied
            self._ready = True

    def send(self, request: bytes) -> None:
        """Write a request; it fits into the empty pipe, so this does not block. Raises `ChildDied`."""
        try:
            os.write(self._requests, request)
        except OSError as error:
            raise ChildDied from error

    def receive(self, deadline: float, largest: int) -> tuple[bytes, bytes]:
        """Return kind and content of the next frame.

        `deadline` is in seconds of the monotonic clock, `largest` the most bytes that a page may take.
        Raises `ChildDied` and `DeadlinePassed`; after either the child is of no more use.
        """
        head = frames.HEADER.size
        while len(self._buffer) < head:
            self._fill(deadline)
        kind, length = frames.HEADER.unpack_from(self._buffer)
        if kind not in frames.KINDS or length > (largest if kind == frames.PAGE else frames.SMALL_FRAME):
            raise ChildDied
        end = head + length
        while len(self._buffer) < end:
            self._fill(deadline)
        with memoryview(self._buffer) as view:
            content = bytes(view[head:end])
        del self._buffer[:end]
        return kind, content

    def let_gather(self, seconds: float) -> None:
        """Look away for a moment, unless a frame has begun to come, or frames come in bursts that might fill the pipe.

        Each frame that is awaited costs two changes of process; those that have gathered in the pipe cost one, and are
        no less safe there: it outlives the child.
        """
        if not self._buffer and self._last_chunk < _ROOMY:
            time.sleep(seconds)

    def _fill(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0 or not self._poll.poll(min(left * 1000 + 1, _MILLISECONDS_MOST)):
            raise DeadlinePassed
        try:
            chunk = os.read(self._answers, _CHUNK)
        except OSError as error:
            raise ChildDied from error
        if not chunk:
            raise ChildDied
        self._last_chunk = len(chunk)
        self._buffer += chunk

    def log_said(self) -> None:
        """What it wrote to stderr becomes lines of our log: the first few since the last call, cut short."""
        try:
            said = os.read(self._said, _CHUNK)
        except OSError:  # it has said nothing
            return
        lines = [line for line in said.decode("utf-8", "backslashreplace").splitlines() if line.strip()]
        for line in lines[:LINES_LOGGED]:
            log.info("parser_said", line=line[:LONGEST_LINE])
        if len(lines) > LINES_LOGGED:
            log.info("parser_said_more", lines=len(lines) - LINES_LOGGED)

    def kill(self) -> None:
        """End the child and all it may have started, at once; whoever reads from it learns it as `ChildDied`."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the child, take its exit status and close the pipes."""
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self.log_said()
        self._close_pipes()

    def _close_pipes(self) -> None:
        os.close(self._requests)
        os.close(self._answers)
        os.close(self._said)
