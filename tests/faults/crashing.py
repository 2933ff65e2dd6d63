"""Runs a program of ours that kills or freezes itself, once, right before or after one chosen step to the outside.

usage: CRASH=PLAN python tests/faults/crashing.py PROGRAM [ARGUMENT…]    (PROGRAM may be `-m MODULE`)

A plan is JSON: `when` is `before` or `after` (the answer has come), `step` a Redis command or the name of one of our
scripts, `holding` a text that has to be in what is sent, `note` a file that is made first: where it exists, nothing
happens any more, so that a program that is started again by its parent goes on. `signal` is what it sends itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import runpy
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_BULK = re.compile(rb"\$(\d+)\r\n")


@dataclass(frozen=True)
class Plan:
    when: str
    step: str
    note: str
    holding: str = ""
    signal: str = "SIGKILL"

    def means(self, sent: bytes) -> bool:
        return self.step in steps_of(sent) and self.holding.encode() in sent

    def carry_out(self) -> None:
        try:
            os.close(os.open(self.note, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.Signals[self.signal])


def steps_of(sent: bytes) -> set[str]:
    """The names of all commands in what is sent; a script of ours goes by its own name."""
    names = set()
    at = 0
    while at < len(sent):  # *<words>\r\n, then $<length>\r\n<word>\r\n for each
        end = sent.index(b"\r\n", at)
        count, at = int(sent[at + 1 : end]), end + 2
        words = []
        for _ in range(count):
            head = _BULK.match(sent, at)
            assert head
            words.append(sent[head.end() : head.end() + int(head[1])])
            at = head.end() + int(head[1]) + 2
        names.add(_name_of(words))
    return names


def _name_of(words: list[bytes]) -> str:
    command = words[0].decode().upper()
    if command == "EVALSHA":
        return _SCRIPTS.get(words[1].decode(), command)
    if command == "EVAL":
        return _SCRIPTS.get(hashlib.sha1(words[1]).hexdigest(), command)
    return command


def _scripts() -> dict[str, str]:
    folder = ROOT / "app" / "adapters" / "lua"
    common = (folder / "common.lua").read_text()
    return {hashlib.sha1((common + path.read_text()).encode()).hexdigest(): path.stem for path in folder.glob("*.lua")}


_SCRIPTS = _scripts()


def arm(plan: Plan) -> None:
    from redis.connection import AbstractConnection

    send, read = AbstractConnection.send_packed_command, AbstractConnection.read_response

    def sending(self: Any, command: Any, *args: Any, **options: Any) -> None:
        sent = command.encode() if isinstance(command, str) else b"".join(command)
        self.is_the_step = plan.means(sent)
        if self.is_the_step and plan.when == "before":
            plan.carry_out()
        send(self, command, *args, **options)

    def reading(self: Any, *args: Any, **options: Any) -> Any:
        answer = read(self, *args, **options)  # an error is raised, and is not the answer that is waited for
        if getattr(self, "is_the_step", False) and plan.when == "after" and answer is not None:
            plan.carry_out()
        return answer

    AbstractConnection.send_packed_command, AbstractConnection.read_response = sending, reading


def run_program(arguments: list[str]) -> None:
    """As the interpreter would with these arguments."""
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def main(arguments: list[str]) -> None:
    sys.path[0] = str(ROOT)
    arm(Plan(**json.loads(os.environ["CRASH"])))
    run_program(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
