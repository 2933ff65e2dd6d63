"""Starts a program in its own process group that ends when the process that started it ends.
Run as a script in between, because a hook between fork and exec is not safe beside threads."""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tethered(command: list[str], death_signal: signal.Signals = signal.SIGKILL) -> list[str]:
    """The command line that runs `command` so; `death_signal` is what it gets when its parent is gone.

    On Linux the kernel sees to that, and there the parent is the *thread* that started it: start from one that stays.
    Elsewhere only the group is made.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal)), *command]


def main(parent: int, death_signal: int, command: list[str]) -> None:
    """Become `command`; never returns."""
    os.setpgid(0, 0)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # gone before the kernel was told
        raise SystemExit(1)
    os.execvp(command[0], command)  # noqa: S606 - the very purpose, and without a shell


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
