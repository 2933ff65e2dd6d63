"""Which containment the child that parses untrusted files has here: one is started, given a file, and looked at."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from app.adapters.parser_process import ParserProcess
from app.errors import IngestError
from app.supervision.findings import Finding, Use, advice, fine, wrong

TOPIC = "parser"
#: As /proc/<pid>/limits calls them, and what we say.
_LIMITS = {
    "Max address space": "memory",
    "Max file size": "files it may write",
    "Max open files": "open files",
    "Max core file size": "core",
}


def of_parser() -> tuple[Use, list[Finding]]:
    parser = ParserProcess()
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "probe.txt"
            path.write_text("words to read")
            list(parser.read(path, "text/plain", timeout=20, max_pages=1, max_characters=100))
        limits, status = _limits_of(parser.pid), _status_of(parser.pid)
    except IngestError as error:
        return Use("parser", "none", ""), [
            wrong(TOPIC, "the child that reads files does not start", why=error.message, do="see ./run test")
        ]
    finally:
        parser.close()
    return _use(limits, status), list(_findings(limits, status, is_root=os.geteuid() == 0))


def _use(limits: Mapping[str, str], status: Mapping[str, str]) -> Use:
    told = [f"{ours} {_readable(limits[name])}" for name, ours in _LIMITS.items() if name in limits]
    told.append(f"new privileges {'no' if status.get('NoNewPrivs') == '1' else 'not forbidden'}")
    told.append(f"system calls {'filtered' if status.get('Seccomp') == '2' else 'not filtered'}")
    return Use("parser", "a child without secrets: " + ", ".join(told), "as a child started here shows in /proc")


def _readable(limit: str) -> str:
    number = int(limit) if limit.isdigit() else 0
    return f"{number // 1024**2} MiB" if number >= 1024**2 else limit


def _findings(limits: Mapping[str, str], status: Mapping[str, str], *, is_root: bool) -> Iterator[Finding]:
    yield fine(TOPIC, "a child was started and has read a file")
    if sys.platform != "linux" or not limits:
        yield advice(
            TOPIC,
            "this system does not hold its memory limit",
            why="a hostile file may take all memory of the machine",
            do="run workers on Linux where others send the files",
        )
    elif limits.get("Max address space") == "unlimited":
        yield wrong(TOPIC, "its memory is not limited", why="one file may take all of it", do="see ./run test")
    if is_root:
        yield advice(
            TOPIC,
            "it runs as root",
            why="a file that breaks out of the reader has the whole machine",
            do="start the service as a user of its own, as the units in deploy/systemd do",
        )
    elif status.get("NoNewPrivs") == "0":
        yield advice(
            TOPIC,
            "it could gain privileges by programs that grant them (set-user-id)",
            why="a file that breaks out of the reader might use one",
            do="start workers by the units in deploy/systemd, or with setpriv --no-new-privs",
        )


def _limits_of(pid: int | None) -> dict[str, str]:
    """The soft limits by name; none where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {line[:26].strip(): line[26:47].strip() for line in lines}


def _status_of(pid: int | None) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
