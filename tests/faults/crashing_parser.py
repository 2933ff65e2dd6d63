"""The parser child, which kills itself, once, right before or after its n-th write into its pipe (see `crash_points.py`)."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.extraction import parser_main

PLAN = json.loads(os.environ["CRASH"])
REAL, COUNT = os.write, [0]


def is_first() -> bool:
    try:
        os.close(os.open(PLAN["note"], os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


FIRST = is_first()


def write(fd: int, data: bytes) -> int:
    COUNT[0] += 1
    is_the_step = FIRST and COUNT[0] == PLAN["number"]
    if is_the_step and PLAN["when"] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    written = REAL(fd, data)
    if is_the_step:
        os.kill(os.getpid(), signal.SIGKILL)
    return written


os.write = write
parser_main.main()
