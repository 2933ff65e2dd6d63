"""Runs a program of ours as it is or, with `--later`, as a later version of it: its records have a higher schema and a
member that this version does not know. With `--door FD` it listens on that open socket, as under a socket unit.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.faults.crashing import run_program  # noqa: E402 - it is found only from there

LATER_SCHEMA = 2


def load_later() -> None:
    """Before anything else imports it: others take the number from it by name."""
    spec = importlib.util.find_spec("app.domain.job")
    assert spec
    assert spec.origin
    source = Path(spec.origin).read_text()
    later = source.replace("\nSCHEMA = 1\n", f"\nSCHEMA = {LATER_SCHEMA}\n")
    later = later.replace("    schema: int = SCHEMA\n", '    schema: int = SCHEMA\n    colour: str = "blue"\n')
    assert later.count("colour") == 1
    module = importlib.util.module_from_spec(spec)
    sys.modules["app.domain.job"] = module
    exec(compile(later, spec.origin, "exec"), module.__dict__)


def open_door(fd: int) -> None:
    """What a program that systemd starts for a socket finds."""
    os.dup2(fd, 3)
    os.set_inheritable(3, True)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))


def main(arguments: list[str]) -> None:
    if arguments[0] == "--door":
        open_door(int(arguments[1]))
        arguments = arguments[2:]
    if arguments[0] == "--later":
        load_later()
        arguments = arguments[1:]
    run_program(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
