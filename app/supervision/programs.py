"""One program that is kept running: a command in its own process group, or the embedded server; and what its environment
is. When to start it again is decided here, from the time that is passed in."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Protocol

from app.adapters.embedded import EmbeddedServer, EmbeddedServerFailed
from app.adapters.tether import tethered
from app.settings import Settings
from app.supervision.output import Output

FIRST_DELAY, LONGEST_DELAY = 0.2, 10.0
STEADY_SECONDS = 30.0
"""Who ran this long is not in a loop of crashes, and starts again after the first delay."""


class Program(Protocol):
    """Something that runs and may end; `poll` is None while it runs."""

    name: str

    def start(self) -> None: ...
    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Command:
    """A command line in its own process group, whose output goes through `output`; it ends with us."""

    def __init__(self, name: str, command: list[str], *, output: Output, cwd: Path, env: dict[str, str]) -> None:
        self.name = name
        self._command, self._output, self._cwd, self._env = command, output, cwd, env
        self._process: subprocess.Popen[bytes] | None = None
        self._swept = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._swept = False
        self._process = subprocess.Popen(
            tethered(self._command),
            cwd=self._cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        self._output.follow(self.name, self._process.stdout)

    def poll(self) -> int | None:
        if self._process is None:
            return 0
        status = self._process.poll()
        if status is not None:
            self._sweep()
        return status

    def terminate(self) -> None:
        if self._process:
            self._process.terminate()

    def kill(self) -> None:
        if self._process and self.poll() is None:
            self._sweep()
            self._process.kill()  # before it has a group, that alone reaches it
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)

    def _sweep(self) -> None:
        """Kill its whole group: what it left behind may hold its port. Once only, for its number may come again."""
        if self._process and not self._swept:
            self._swept = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


class ServerProgram:
    """The embedded Valkey as a program; it stops in one step, so `terminate` waits for it."""

    name = "valkey"

    def __init__(self, server: EmbeddedServer, seconds: float = 1.2) -> None:
        self._server, self._seconds = server, seconds

    def start(self) -> None:
        self._server.start()

    def poll(self) -> int | None:
        return self._server.poll()

    def terminate(self) -> None:
        self._server.stop(self._seconds)

    def kill(self) -> None:
        self._server.stop(self._seconds)


class Kept:
    """A program that is started when it is due, and due again some time after it ended."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._delay = FIRST_DELAY
        self._due: float | None = 0.0
        self._started = 0.0

    def look(self, now: float) -> str | None:
        """Start it if that is due; one sentence if it has ended."""
        if self._due is None:
            how = self.program.poll()
            return None if how is None else self._ended(ending(how), now)
        if now < self._due:
            return None
        self._due, self._started = None, now
        try:
            self.program.start()
        except (OSError, EmbeddedServerFailed) as error:
            return self._ended(f"could not be started ({error})", now)
        return None

    def _ended(self, how: str, now: float) -> str:
        if now - self._started >= STEADY_SECONDS:
            self._delay = FIRST_DELAY
        self._due, delay = now + self._delay, self._delay
        self._delay = min(delay * 2, LONGEST_DELAY)
        return f"{self.program.name} {how}; starting it again in {delay:g} s"


def ending(status: int) -> str:
    """How a program ended, in words."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment of a process that is to see the same settings, with what was found or made since."""
    names = ("host", "port", "data_dir", "redis_url")
    secrets = {"ADMIN_TOKEN": settings.admin_token, "CRON_SECRET": settings.cron_secret}
    return {
        **os.environ,
        **{name.upper(): str(value) for name in names if (value := getattr(settings, name)) is not None},
        **{name: secret.get_secret_value() for name, secret in secrets.items() if secret},
        "PYTHONUNBUFFERED": "1",
        "TZ": "UTC",
    }
