"""The faults of the soak: which process is killed, frozen, told to stop or cut off from its disk, by seed; and the diary of it.

All of it happens in one thread, the one that started everything (see `app/adapters/tether.py`). What is dead is started again
at the next turn; what was frozen goes on when its time has come.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import CATALOGUE, QueueUnavailable
from tests.processes import Deployment, Process, children_of

WORKERS = 3
#: Seconds: a frozen process stands still for one of these at least, and at most.
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 20.0
#: How long a holder of a job is looked for before any other worker will do (seconds).
LOOK_SECONDS = 0.5
STOP_SECONDS = 20.0
#: The last words of a program that finds no Redis at its start; whoever looks after it starts it again.
REFUSED = CATALOGUE["queue_unavailable"].message
_RENAME_EXCHANGE = 2
_HERE = -100


@dataclass(frozen=True)
class Entry:
    """One line of the diary: what was done to whom (a process id, 0 for what is none), from when until when (ms)."""

    kind: str
    pid: int
    began: int
    ended: int


@dataclass
class Role:
    """A place that is always to be taken by one process."""

    name: str
    arguments: tuple[str, ...]
    process: Process | None = None
    told_to_end: bool = False


@dataclass
class Diary:
    entries: list[Entry] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    refused_starts: int = 0
    ended_by_itself: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(count for kind, count in self.counts.items() if kind.startswith("kill"))

    def note(self, kind: str, *pids: int, began: int | None = None) -> None:
        now = now_ms()
        self.entries += [Entry(kind, pid, began or now, now) for pid in pids or (0,)]


def now_ms() -> int:
    return int(time.time() * 1000)


class Hail:
    """The processes of one installation, and what is done to them."""

    def __init__(self, at: Deployment, *, seed: int, longest_pause: float = LONGEST_PAUSE) -> None:
        self._at, self._chance, self._longest = at, random.Random(f"faults {seed}"), longest_pause
        self.diary = Diary()
        workers = [Role(f"worker-{n}", ("worker.py",)) for n in range(WORKERS)]
        self._web = Role("web", ("-m", "gunicorn", "app:create_app()"))
        self._scheduler = Role("scheduler", ("scheduler.py",))
        self._workers, self._roles = workers, [self._web, *workers, self._scheduler]
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._started = 0
        self._server_is_frozen = self._storage_is_away = False
        self._kinds: list[tuple[int, str, Callable[[], bool]]] = [
            (26, "kill worker", self._kill_worker),
            (18, "kill parser child", self._kill_child),
            (8, "kill web", lambda: self._kill(self._web)),
            (8, "kill web's serving process", self._kill_serving),
            (6, "kill scheduler", lambda: self._kill(self._scheduler)),
            (3, "kill Valkey", self._kill_server),
            (7, "freeze worker", self._freeze_worker),
            (2, "freeze parser child", self._freeze_child),
            (2, "freeze web", lambda: self._freeze(self._web)),
            (1, "freeze scheduler", lambda: self._freeze(self._scheduler)),
            (1, "freeze Valkey", self._freeze_server),
            (4, "stop worker", self._stop_worker),
            (2, "stop web", lambda: self._tell_to_end(self._web)),
            (1, "stop scheduler", lambda: self._tell_to_end(self._scheduler)),
            (1, "restart Valkey", self._restart_server),
            (5, "storage away", self._storage_away),
        ]

    # ---- turns ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.turn()

    def strike(self) -> None:
        """One fault, chosen by the seed among those that can be now."""
        weights = [weight for weight, _, _ in self._kinds]
        while True:
            _, kind, strike = self._chance.choices(self._kinds, weights)[0]
            if strike():
                self.diary.counts[kind] += 1
                return

    def turn(self) -> None:
        """What is due: the frozen go on, the dead are started again."""
        due = [what for at, what in self._later if at <= time.monotonic()]
        self._later = [(at, what) for at, what in self._later if at > time.monotonic()]
        for what in due:
            what()
        for role in self._roles:
            if role.process is None or not role.process.is_alive:
                self._start(role)

    def calm(self) -> None:
        """Everything goes on and runs; no more faults."""
        for _, what in self._later:
            what()
        self._later = []
        self.turn()

    def stop(self) -> None:
        self.calm()
        for role in self._roles:
            if role.process:
                role.process.end()

    def _start(self, role: Role) -> None:
        if role.process is not None:
            self._bury(role, role.process)
        self._started += 1
        log = self._at.folder / f"{self._started}-{role.name}.log"
        environment = self._at.environment(LOG_LEVEL="warning")
        role.process, role.told_to_end = Process(list(role.arguments), env=environment, log=log), False

    def _bury(self, role: Role, process: Process) -> None:
        """Its group goes with it; one that nobody had told to end is noted, but for a start without Redis."""
        code = process.popen.returncode
        last = (process.says().strip().splitlines() or [""])[-1][:300]
        if code == 1 and REFUSED in last:
            self.diary.refused_starts += 1
        elif not role.told_to_end:
            self.diary.ended_by_itself.append(f"{role.name} ended with {code}: {last}")
        process.end()

    # ---- kills ------------------------------------------------------------------------------------------------

    def _kill(self, role: Role) -> bool:
        if role.process is None or not role.process.is_alive:
            return False
        role.told_to_end = True
        pids = [role.process.pid, *children_of(role.process.pid)]
        began = now_ms()
        role.process.end()  # the group
        self.diary.note("kill", *pids, began=began)
        self._start(role)
        return True

    def _kill_worker(self) -> bool:
        role = self._a_worker()
        if role is None or role.process is None:
            return False
        role.told_to_end = True
        began = now_ms()
        role.process.kill()
        self.diary.note("kill", role.process.pid, began=began)
        self._start(role)
        return True

    def _a_worker(self) -> Role | None:
        """One that holds a job, if there is one within half a second; else any."""
        alive = [role for role in self._workers if role.process and role.process.is_alive]
        give_up = time.monotonic() + LOOK_SECONDS
        while alive and time.monotonic() < give_up:
            with contextlib.suppress(QueueUnavailable):
                holders = [lease.holder for lease in self._at.services.jobs.leases()]
                held = [role for role in alive if role.process and _holds(role.process.pid, holders)]
                if held:
                    return self._chance.choice(held)
            time.sleep(0.005)
        return self._chance.choice(alive) if alive else None

    def _kill_child(self) -> bool:
        role = self._a_worker()
        return bool(role and role.process and self._kill_one_of(children_of(role.process.pid), "kill child"))

    def _kill_serving(self) -> bool:
        process = self._web.process
        return bool(process and self._kill_one_of(children_of(process.pid), "kill"))

    def _kill_one_of(self, pids: list[int], kind: str) -> bool:
        if not pids:
            return False
        pid, began = self._chance.choice(pids), now_ms()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.diary.note(kind, pid, began=began)
        return True

    # ---- Redis ------------------------------------------------------------------------------------------------

    def _kill_server(self) -> bool:
        """Not while its log waits for the disk: with everysec it answers before it writes then, and loses with its life
        up to two seconds that it had said were done. That is what a loss of power costs, and no news."""
        return not self._server_is_frozen and self._server_again(self._kill_server_between_syncs, "Valkey killed")

    def _kill_server_between_syncs(self) -> None:
        give_up = time.monotonic() + LOOK_SECONDS
        while self._at.redis.info("persistence").get("aof_pending_bio_fsync") and time.monotonic() < give_up:
            time.sleep(0.002)
        self._at.kill_server()

    def _restart_server(self) -> bool:
        return self._server_again(self._at.server.stop, "Valkey restarted")

    def _server_again(self, end: Callable[[], None], kind: str) -> bool:
        if self._server_is_frozen:
            return False
        began = now_ms()
        end()
        time.sleep(self._chance.choice((0, 0, 0.2, 1, 3)))
        self._at.server.start()
        self.diary.note(kind, began=began)
        return True

    def _freeze_server(self) -> bool:
        pid = self._at.server.pid
        if self._server_is_frozen or pid is None:
            return False
        self._server_is_frozen = True
        self._freeze_pids([pid], "Valkey frozen", then=lambda: setattr(self, "_server_is_frozen", False))
        return True

    # ---- freezing ---------------------------------------------------------------------------------------------

    def _freeze_worker(self) -> bool:
        """With its child or alone."""
        role = self._a_worker()
        if role is None or role.process is None:
            return False
        children = children_of(role.process.pid) if self._chance.random() < 0.5 else []
        self._freeze_pids([role.process.pid, *children], "frozen")
        return True

    def _freeze_child(self) -> bool:
        role = self._a_worker()
        children = children_of(role.process.pid) if role and role.process else []
        if children:
            self._freeze_pids(children, "child frozen")
        return bool(children)

    def _freeze(self, role: Role) -> bool:
        if role.process is None or not role.process.is_alive:
            return False
        self._freeze_pids([role.process.pid, *children_of(role.process.pid)], "frozen")
        return True

    def _freeze_pids(self, pids: list[int], kind: str, *, then: Callable[[], None] = lambda: None) -> None:
        began = now_ms()
        for pid in pids:
            _send(pid, signal.SIGSTOP)

        def go_on() -> None:
            for pid in pids:
                _send(pid, signal.SIGCONT)
            self.diary.note(kind, *pids, began=began)
            then()

        length = SHORTEST_PAUSE + (self._longest - SHORTEST_PAUSE) * self._chance.random() ** 2
        self._later.append((time.monotonic() + length, go_on))

    # ---- told to end ------------------------------------------------------------------------------------------

    def _stop_worker(self) -> bool:
        role = self._a_worker()
        return bool(role and self._tell_to_end(role))

    def _tell_to_end(self, role: Role) -> bool:
        """It has its time; who is not gone by then is killed, as by any supervisor."""
        process = role.process
        if process is None or not process.is_alive or role.told_to_end:
            return False
        role.told_to_end = True
        process.send(signal.SIGTERM)
        self.diary.note("told to end", process.pid)

        def last_word() -> None:
            if process.is_alive:
                self.diary.note("kill", process.pid, *children_of(process.pid))
                process.end()

        self._later.append((time.monotonic() + STOP_SECONDS, last_word))
        return True

    # ---- the disk ---------------------------------------------------------------------------------------------

    def _storage_away(self) -> bool:
        """The folder is a file for a moment, so that nothing in it can be reached; open files stay open."""
        blobs, other = self._at.data_dir / "blobs", self._at.data_dir / "not-a-folder"
        if self._storage_is_away or not blobs.is_dir():
            return False
        other.touch()
        began = now_ms()
        try:
            exchange(blobs, other)
        except OSError:  # not on every file system
            return False
        self._storage_is_away = True

        def back() -> None:
            exchange(blobs, other)
            self._storage_is_away = False
            self.diary.note("storage away", began=began)

        self._later.append((time.monotonic() + self._chance.choice((0.1, 0.3, 1, 3)), back))
        return True


def exchange(one: Path, other: Path) -> None:
    """Each gets the other's name, in one step."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2")


def _holds(pid: int, holders: list[str]) -> bool:
    return any(f".{pid}." in holder for holder in holders)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
