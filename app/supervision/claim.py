"""What makes a data folder this run's own: the lock, so that two never share one, and the secrets that are kept in it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import socket
from pathlib import Path
from typing import IO

from app.setting_values import SHORTEST_SECRET


class CannotRun(Exception):
    """Why nothing can be started here; one sentence that says what to do."""


def claim_folder(data_dir: Path, url: str) -> IO[str]:
    """Make the folder and lock it for as long as the returned file is open; `url` is told to whoever comes second."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (data_dir / "run.lock").open("a+")
    except OSError as error:
        raise CannotRun(
            f"The folder {data_dir} cannot be written ({error.strerror}): make it writable, or set DATA_DIR to another."
        ) from error
    if not _lock(file):
        other = running_at(data_dir) or "an address that it has not told yet"
        file.close()
        raise CannotRun(f"It runs already, at {other}: stop that one, or set DATA_DIR and PORT to start another.")
    file.truncate(0)
    file.write(json.dumps({"url": url, "pid": os.getpid()}))
    file.flush()
    return file


def running_at(data_dir: Path) -> str | None:
    """The URL of the run that holds this folder."""
    try:
        with (data_dir / "run.lock").open("r+") as file:
            if _lock(file):
                return None
            url: str = json.load(file)["url"]
    except (OSError, ValueError, KeyError):
        return None
    return url


def kept_secret(path: Path) -> str:
    """The secret in this file, which is made, readable by its owner alone, if there is none yet."""
    try:
        if len(kept := path.read_text().strip()) >= SHORTEST_SECRET:
            return kept
    except FileNotFoundError:
        pass
    secret, partial = secrets.token_urlsafe(32), path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        file.write(f"{secret}\n")
    partial.replace(path)
    return secret


def check_port(host: str, port: int) -> None:
    """Raises `CannotRun` unless the web server could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
    except PermissionError as error:
        raise CannotRun(f"PORT {port} is reserved for the system: set PORT to a number above 1023.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotRun(f"PORT {port} is taken by another program: set PORT to a free one.") from error
        raise CannotRun(f"HOST {host} is no address of this machine: set HOST to one that is.") from error


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
