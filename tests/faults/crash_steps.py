"""Counts a process's steps to the outside, and kills it right before or after the n-th.

A step is something sent to Redis, a request to the bucket, a write to a file or pipe, an fsync, a rename or a removal. Only those of the main thread
count, from the moment `arm` is called: what other threads do beside it is not the same twice.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.faults.crash_bucket import name_of
from tests.faults.crashing import steps_of

BEFORE, AFTER = "before", "after"
#: Of the module `os`: what our code changes files and pipes with. Descriptors up to 2 are the log's.
SYSTEM = ("write", "fsync", "replace", "rename", "unlink")


@dataclass
class Steps:
    """`number` counts from 1; 0 kills nobody, so that all steps are met and named in `met`."""

    number: int = 0
    when: str = BEFORE
    met: list[str] = field(default_factory=list)
    _answer_is_due: bool = False

    def begins(self, name: str) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if self._answer_is_due:  # nobody read the answer of the step before
            self._die()
        self.met.append(name)
        if len(self.met) == self.number:
            if self.when == BEFORE:
                self._die()
            self._answer_is_due = True

    def ended(self) -> None:
        if self._answer_is_due and threading.current_thread() is threading.main_thread():
            self._die()

    def _die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def arm(steps: Steps) -> None:
    """From now on, for as long as the process lives."""
    _arm_redis(steps)
    _arm_bucket(steps)
    for name in SYSTEM:
        setattr(os, name, _counted(steps, name, getattr(os, name)))


def _arm_redis(steps: Steps) -> None:
    from redis.connection import AbstractConnection

    send, read = AbstractConnection.send_packed_command, AbstractConnection.read_response

    def sending(self: Any, command: Any, *args: Any, **options: Any) -> None:
        sent = command.encode() if isinstance(command, str) else b"".join(command)
        steps.begins("+".join(sorted(steps_of(sent))))
        send(self, command, *args, **options)

    def reading(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return read(self, *args, **options)
        finally:
            steps.ended()

    AbstractConnection.send_packed_command, AbstractConnection.read_response = sending, reading


def _arm_bucket(steps: Steps) -> None:
    import urllib3

    real = urllib3.PoolManager.urlopen

    def asking(self: Any, method: str, url: str, *args: Any, **options: Any) -> Any:
        steps.begins(name_of(method, url))
        try:
            return real(self, method, url, *args, **options)
        finally:
            steps.ended()

    urllib3.PoolManager.urlopen = asking


def _counted(steps: Steps, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def step(*args: Any, **options: Any) -> Any:
        if name == "write" and args[0] <= 2:
            return real(*args, **options)
        steps.begins(f"os.{name}")
        try:
            return real(*args, **options)
        finally:
            steps.ended()

    return step
