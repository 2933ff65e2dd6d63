"""What the soak does to the neighbours of our processes: Valkey, the folder or MinIO, and the network of each worker."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from bench.soak_diary import Hand, now_ms, send
from tests.processes import Deployment, Process, free_port
from tests.s3_servers import MinioServer

#: A part of the soak's faults: how often it comes beside the others, its name, and what brings it about (False: not now).
Kind = tuple[int, str, Callable[[], bool]]
#: How long it is waited for that Valkey's log is on the disk (seconds).
LOOK_SECONDS = 0.5
_RENAME_EXCHANGE = 2
_HERE = -100


class Valkey:
    def __init__(self, at: Deployment, hand: Hand) -> None:
        self._at, self._hand = at, hand
        self._is_frozen = False

    def kinds(self) -> list[Kind]:
        return [
            (3, "kill Valkey", self._kill),
            (1, "freeze Valkey", self._freeze),
            (1, "restart Valkey", self._restart),
        ]

    def _kill(self) -> bool:
        """Not while its log waits for the disk: with everysec it answers before it writes then, and loses with its life
        up to two seconds that it had said were done. That is what a loss of power costs, and no news."""
        return self._again(self._kill_between_syncs, "Valkey killed")

    def _kill_between_syncs(self) -> None:
        give_up = time.monotonic() + LOOK_SECONDS
        while self._at.redis.info("persistence").get("aof_pending_bio_fsync") and time.monotonic() < give_up:
            time.sleep(0.002)
        self._at.kill_server()

    def _restart(self) -> bool:
        return self._again(self._at.server.stop, "Valkey restarted")

    def _again(self, end: Callable[[], None], kind: str) -> bool:
        if self._is_frozen:
            return False
        began = now_ms()
        end()
        time.sleep(self._hand.chance.choice((0, 0, 0.2, 1, 3)))
        self._at.server.start()
        self._hand.diary.note(kind, began=began)
        return True

    def _freeze(self) -> bool:
        pid = self._at.server.pid
        if self._is_frozen or pid is None:
            return False
        self._is_frozen = True
        self._hand.freeze([pid], "Valkey frozen", then=lambda: setattr(self, "_is_frozen", False))
        return True


class Folder:
    """The blob store on the disk of this machine."""

    def __init__(self, at: Deployment, hand: Hand) -> None:
        self._blobs, self._other = at.data_dir / "blobs", at.data_dir / "not-a-folder"
        self._hand, self._is_away = hand, False

    def kinds(self) -> list[Kind]:
        return [(5, "storage away", self._away)]

    def turn(self) -> None:
        """Nothing of it can die."""

    def _away(self) -> bool:
        """The folder is a file for a moment, so that nothing in it can be reached; open files stay open."""
        if self._is_away or not self._blobs.is_dir():
            return False
        self._other.touch()
        began = now_ms()
        try:
            exchange(self._blobs, self._other)
        except OSError:  # not on every file system
            return False
        self._is_away = True

        def back() -> None:
            exchange(self._blobs, self._other)
            self._is_away = False
            self._hand.diary.note("storage away", began=began)

        self._hand.later(self._hand.chance.choice((0.1, 0.3, 1, 3)), back)
        return True


class Bucket:
    """The blob store in a MinIO; one that ended is started again at the next turn that is late enough."""

    def __init__(self, minio: MinioServer, hand: Hand) -> None:
        self._minio, self._hand = minio, hand
        self._is_frozen = False
        self._start_at = 0.0

    def kinds(self) -> list[Kind]:
        return [(5, "kill MinIO", self._kill), (3, "freeze MinIO", self._freeze), (2, "restart MinIO", self._restart)]

    def turn(self) -> None:
        if not self._minio.is_alive and time.monotonic() >= self._start_at:
            self._minio.start_again()

    def _kill(self) -> bool:
        return self._ended_by(signal.SIGKILL, "MinIO killed")

    def _restart(self) -> bool:
        return self._ended_by(signal.SIGTERM, "MinIO restarted")

    def _ended_by(self, number: signal.Signals, kind: str) -> bool:
        if self._is_frozen or not self._minio.is_alive:
            return False
        send(self._minio.pid, number)
        self._start_at = time.monotonic() + self._hand.chance.choice((0, 0, 0.3, 1, 3))
        self._hand.diary.note(kind)
        return True

    def _freeze(self) -> bool:
        if self._is_frozen or not self._minio.is_alive:
            return False
        self._is_frozen = True
        self._hand.freeze([self._minio.pid], "MinIO frozen", then=lambda: setattr(self, "_is_frozen", False))
        return True


class Cable:
    """The network of one worker, which reaches Valkey through a relay that may be stopped."""

    def __init__(self, at: Deployment, hand: Hand, name: str) -> None:
        self._hand, self._is_cut, port = hand, False, free_port()
        self.url = f"redis://127.0.0.1:{port}"
        path = unquote(at.url.removeprefix("unix://"))
        arguments = ["-m", "bench.soak_relay", str(port), path]
        self._relay = Process(arguments, env=dict(os.environ), log=at.folder / f"relay-{name}.log")
        self.pid = self._relay.pid

    def cut(self, pid: int) -> bool:
        """Cuts off the worker with that process id."""
        if self._is_cut:
            return False
        self._is_cut = True
        self._hand.cut(self.pid, pid, then=lambda: setattr(self, "_is_cut", False))
        return True

    def end(self) -> None:
        self._relay.end()


def exchange(one: Path, other: Path) -> None:
    """Each gets the other's name, in one step."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2")
