"""The embedded Valkey: one private server for one data folder, reached by a Unix socket only.
Starts it, stops it, and finds an instance that runs already; speaks to no other Redis."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import quote

from app.adapters.server_binaries import server_binaries
from app.adapters.tether import tethered

SOCKET_PATH_LIMIT = 103
"""Bytes; macOS has 104 with the closing zero, Linux a few more."""
START_SECONDS = 120.0
STOP_SECONDS = 5.0
INSTALL = (
    "No Valkey or Redis server of version 6.2 or later was found, and none came with the packages.\n"
    "Install one (apt install valkey-server, apt install redis-server, brew install valkey),\n"
    "or set REDIS_URL to a server that runs already."
)
OPTIONS = {
    "port": "0",
    "unixsocketperm": "600",
    "daemonize": "no",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    "stream-node-max-bytes": "1024",  # each job has a log of its own, and a node takes 4 kB at once by default
    "loglevel": "warning",
}


class EmbeddedServerFailed(Exception):
    """The embedded server cannot run; the text is for the person at the terminal."""


class EmbeddedServer:
    """The server of one data folder. Start it from a thread that lives as long as the server should (see `tether`)."""

    def __init__(self, data_dir: Path, *, give_up: Callable[[], bool] = lambda: False) -> None:
        """`give_up` is asked while it loads its log, which may be long."""
        self.folder = data_dir / "redis"
        self._give_up = give_up
        self._process: subprocess.Popen[bytes] | None = None
        self._adopted = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> str:
        """Start it, or take over one that outlived its parent; its URL, once it answers."""
        _private_folder(self.folder)
        if running := find(self.folder.parent):
            self._adopted = self._process is None
            return running
        failure = EmbeddedServerFailed(INSTALL)
        for binary in server_binaries():
            try:
                return self._start(binary)
            except EmbeddedServerFailed as error:  # another version may be able to read the data
                failure = error
        raise failure

    def poll(self) -> int | None:
        """None while it runs, else how it ended."""
        if self._adopted:
            return None if find(self.folder.parent) else 0
        return self._process.poll() if self._process else 0

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End it, its log written and synced; after `seconds` the hard way."""
        process, self._process = self._process, None
        if self._adopted:
            _ask_to_end(self.folder)
            self._adopted = False
        elif process and process.poll() is None:
            process.terminate()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, binary: str) -> str:
        path = _socket_path(self.folder)
        with _locked(self.folder / "server.lock") as lock:
            self._process = subprocess.Popen(
                tethered(_command(binary, self.folder, path), signal.SIGTERM),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[lock.fileno()],  # so that the server itself holds the lock, for as long as it lives
            )
        try:
            self._await_answer(path)
        except EmbeddedServerFailed:
            self.stop()
            raise
        url = f"unix://{quote(str(path))}"
        note = {"url": url, "socket": str(path), "run_id": _run_id(path)}
        (self.folder / "server.json").write_text(json.dumps(note))
        return url

    def _await_answer(self, path: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not _ask(path, "PING").startswith("+PONG"):
            if self.poll() is not None or time.monotonic() > deadline or self._give_up():
                raise EmbeddedServerFailed(f"The embedded Valkey did not start: {_last_words(self.folder)}")
            time.sleep(0.01)


def find(data_dir: Path) -> str | None:
    """The URL of the instance that runs on this data folder, known by the run id that it noted at its start."""
    note = _note(data_dir / "redis")
    if not note or _run_id(Path(note["socket"])) != note["run_id"]:
        return None
    return note["url"]


def _note(folder: Path) -> dict[str, str] | None:
    try:
        note: dict[str, str] = json.loads((folder / "server.json").read_text())
    except (OSError, ValueError):
        return None
    return note


def _command(binary: str, folder: Path, path: Path) -> list[str]:
    options = {**OPTIONS, "dir": str(folder), "unixsocket": str(path), "logfile": str(folder / "server.log")}
    (folder / "server.log").write_bytes(b"")
    return [binary, *(word for name, value in options.items() for word in (f"--{name}", value))]


def _private_folder(folder: Path) -> Path:
    """`folder`, made if need be, that nobody else can look into."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.lstat()
        if status.st_uid != os.getuid() or folder.is_symlink():
            raise EmbeddedServerFailed(f"The folder {folder} belongs to somebody else; move it away or set DATA_DIR.")
        folder.chmod(0o700)
    except OSError as error:
        raise EmbeddedServerFailed(f"The folder {folder} cannot be used: {error.strerror}.") from error
    return folder


def _socket_path(folder: Path) -> Path:
    """Inside the folder, or where its path is too long for a socket, in a private folder of this user."""
    path = folder / "server.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16] + ".sock"
    for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - the folder in it is checked to be ours alone
        path = Path(base) / f"ingest-{os.getuid()}" / name
        if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
            _private_folder(path.parent)
            return path
    raise EmbeddedServerFailed("The path of DATA_DIR is too long for a socket; set DATA_DIR to a shorter one.")


def _locked(path: Path) -> IO[bytes]:
    """The lock file, locked: two servers on one folder would write into one log."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise EmbeddedServerFailed(
            f"Another server holds {path.parent} and does not answer; end it, or set DATA_DIR to another folder."
        ) from error
    return file


def _ask(path: Path, command: str) -> str:
    """The beginning of the server's answer, or nothing if it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(65536).decode(errors="replace")
    except OSError:
        return ""


def _run_id(path: Path) -> str:
    found = re.search(r"^run_id:(\w+)", _ask(path, "INFO server"), re.MULTILINE)
    return found[1] if found else ""


def _ask_to_end(folder: Path) -> None:
    """End the instance that was taken over, if it is still there."""
    if (note := _note(folder)) and find(folder.parent):
        _ask(Path(note["socket"]), "SHUTDOWN")


def _last_words(folder: Path) -> str:
    try:
        lines = (folder / "server.log").read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it said nothing."
