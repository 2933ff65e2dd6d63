"""A parser child that is there whenever a file needs one: started, tried again, replaced, and ended from any thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence

from app.adapters.parser_child import ChildDied, DeadlinePassed, ParserChild
from app.errors import InternalError

#: Seconds that a child may take to get ready; they are not counted as the file's.
START_SECONDS = 20.0
#: How many children in a row may die before they are ready (whoever runs out of memory kills them, too).
START_TRIES = 3


class ParserKilled(Exception):
    """`ParserProcess.kill` was called while a file was read."""


class KeptChild:
    """One thread at a time has a file read, between `begin` and `end`; `kill` may be called from any other."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], *, memory_bytes: int) -> None:
        """`command` gets this process's id and the memory limit as its arguments."""
        self._command, self._env, self._memory_bytes = list(command), dict(env), memory_bytes
        self._lock = threading.Lock()  # for the fields below
        self._child: ParserChild | None = None
        self._reading = False  # between `begin` and `end`
        self._busy = False  # the child has a request that it has not answered to the end
        self._killed = False

    @property
    def pid(self) -> int | None:
        """The process id of the child, if there is one."""
        child = self._child
        return child.pid if child else None

    # ---- one file -------------------------------------------------------------------------------------------

    def begin(self) -> None:
        with self._lock:
            self._reading, self._killed = True, False

    def asked(self) -> None:
        self._busy = True

    def answered(self, *, last: bool) -> None:
        """To the end; `last`: the child has done its share, and a fresh one is to read the next file."""
        self._busy = False
        if last:
            self._replace()

    def raise_if_killed(self) -> None:
        """Raises `ParserKilled` if `kill` was called since the file began."""
        if self._killed:
            raise ParserKilled

    def end(self) -> None:
        """Also where the caller stops in the middle: a child at work on an unwanted file is of no use."""
        with self._lock:
            self._reading = False
            if self._busy:
                self._drop()
            elif self._child:
                self._child.log_said()

    def kill(self) -> None:
        """End the child now; what is read ends with `ParserKilled`, the next file gets a fresh child."""
        with self._lock:
            self._killed = self._reading
            if self._child and self._reading:
                self._child.kill()  # the reading thread closes the pipes, under its own hands
            elif self._child:
                self._drop()

    # ---- the child for it -----------------------------------------------------------------------------------

    def first(self) -> ParserChild:
        """Return a child that waits for work; raises `InternalError` if none can start."""
        try:
            return self.ready(time.monotonic() + START_SECONDS)
        except (ChildDied, DeadlinePassed) as error:
            raise no_child() from error

    def ready(self, deadline: float) -> ParserChild:
        """Return a child that waits for work; one that died at its start says nothing about the file, so that others
        are tried. Raises `ChildDied` and `DeadlinePassed`."""
        for _ in range(START_TRIES - 1):
            try:
                return self._one_ready(deadline)
            except ChildDied:
                continue
        return self._one_ready(deadline)

    def _one_ready(self, deadline: float) -> ParserChild:
        """Return the child there is, or a fresh one; raises `ChildDied` and `DeadlinePassed` where none gets ready."""
        with self._lock:
            self.raise_if_killed()
            if self._child and not self._child.is_sound():
                self._drop()
            child = self._child = self._child or self._start()
        try:
            child.await_ready(deadline)
        except (ChildDied, DeadlinePassed):
            self.drop_dead()
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

    def drop_dead(self) -> None:
        with self._lock:
            self._drop()
            self.raise_if_killed()

    def _drop(self) -> None:
        """Forget the child, dead or alive; the lock is held."""
        child, self._child, self._busy = self._child, None, False
        if child:
            child.close()


def no_child() -> InternalError:
    """No fault of the file, so it is worth another attempt when the machine is better."""
    error = InternalError("internal")
    error.retryable = True
    return error
