"""The loop that keeps all programs running until it is told to stop, and the order in which they stop."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType

from app.supervision.output import Output
from app.supervision.programs import Kept, Program

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Phase = tuple[float, list[Program]]
Wait = Callable[[float], None]


class StopSignals:
    """Counts the signals that say stop, and waits in a way that these and any child's end cut short."""

    def __init__(self) -> None:
        self.count = 0
        self._reader, writer = os.pipe()
        for end in (self._reader, writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in STOP_SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup stays in force
                signal.signal(number, self._note)

    def wait(self, seconds: float) -> None:
        if select.select([self._reader], [], [], max(seconds, 0))[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._reader, 4096)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1


class Supervisor:
    """`phases` are the programs in the order in which they stop, each with the second by which it should have;
    `server` is what all of them need: first to start, last to stop."""

    def __init__(self, phases: list[Phase], *, server: Program | None, output: Output, wait: Wait) -> None:
        self._phases, self._server, self._output, self._wait = phases, server, output, wait
        programs = [program for _, phase in phases for program in phase]
        self._kept = [Kept(program) for program in ([server, *programs] if server else programs)]

    def look(self, now: float) -> None:
        """Start what is due, and say what has ended."""
        for kept in self._kept:
            if said := kept.look(now):
                self._output.log("run", said)

    def stop(self, hard: Callable[[], bool] = lambda: False) -> None:
        """Stop the phases one after the other, or all at once as soon as `hard` says so."""
        began = time.monotonic()
        for until, programs in self._phases:
            for program in programs:
                program.terminate()
            while _running(programs) and time.monotonic() < began + until and not hard():
                self._wait(0.1)
        for _, programs in self._phases:
            for program in programs:
                program.kill()
        if self._server:
            self._server.terminate()


def _running(programs: list[Program]) -> bool:
    return any(program.poll() is None for program in programs)
