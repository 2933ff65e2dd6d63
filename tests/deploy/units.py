"""The systemd units of `deploy/` as a test reads them: each service together with the drop-in that is for all of them."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from app.settings import ROOT

UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
INSTALLED = "/opt/ingest"


def lines_of(service: str) -> list[tuple[str, str, str]]:
    """Section, name and value of each line, the shared drop-in last, as systemd reads them."""
    found, section = [], ""
    for path in (UNITS / service, UNITS / "ingest-.service.d" / "hardening.conf"):
        for line in path.read_text().splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif "=" in line and not line.startswith("#"):
                name, _, value = line.partition("=")
                found.append((section, name, value))
    return found


def values_of(service: str, name: str) -> list[str]:
    return [value for _, found, value in lines_of(service) if found == name]


def command_of(service: str) -> list[str]:
    """What it starts, without arguments that are left empty."""
    (line,) = values_of(service, "ExecStart")
    return [part for part in shlex.split(line) if not part.startswith("$")]


def allowed_calls(service: str) -> set[str]:
    """The names of the system calls that are left to it."""
    allowed: set[str] = set()
    for value in values_of(service, "SystemCallFilter"):
        names = {name for word in value.lstrip("~").split() for name in _expanded(word)}
        allowed = allowed - names if value.startswith("~") else allowed | names
    return allowed


def _expanded(word: str) -> set[str]:
    if not word.startswith("@"):
        return {word}
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", word], capture_output=True, text=True, check=True
    ).stdout
    words = [line.strip() for line in told.splitlines()[1:] if line.startswith("    ")]
    return {name for found in words if not found.startswith("#") for name in _expanded(found)}


def install(folder: Path) -> None:
    """The units as on a machine, with this copy in the place of what is installed there."""
    for path in UNITS.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(UNITS)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text().replace(INSTALLED, str(ROOT)))
