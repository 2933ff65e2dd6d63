"""The faults of the soak: which process is killed, frozen, told to stop or cut off from its neighbours, by seed.

All of it happens in one thread, the one that started everything (see `app/adapters/tether.py`). What is dead is started again
at the next turn; what was frozen or cut off goes on when its time has come.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.errors import CATALOGUE, QueueUnavailable
from bench.soak_diary import LONGEST_PAUSE, Diary, Hand, now_ms
from bench.soak_neighbours import LOOK_SECONDS, Bucket, Cable, Folder, Kind, Valkey
from tests.processes import Deployment, Process, children_of
from tests.s3_servers import MinioServer

WORKERS = 3
STOP_SECONDS = 20.0
#: The last words of a program that finds no Redis at its start; whoever looks after it starts it again.
REFUSED = CATALOGUE["queue_unavailable"].message


@dataclass
class Role:
    """A place that is always to be taken by one process."""

    name: str
    arguments: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    process: Process | None = None
    told_to_end: bool = False


class Hail:
    """The processes of one installation, and what is done to them."""

    def __init__(
        self, at: Deployment, minio: MinioServer | None, *, seed: int, longest_pause: float = LONGEST_PAUSE
    ) -> None:
        """`minio` holds the blobs; without one they are in the folder."""
        self._at, self._hand = at, Hand(seed, longest_pause)
        self._chance = self._hand.chance
        self._cables = {f"worker-{n}": Cable(at, self._hand, f"worker-{n}") for n in range(WORKERS)}
        self._workers = [Role(name, ("worker.py",), {"REDIS_URL": c.url}) for name, c in self._cables.items()]
        self._web = Role("web", ("-m", "gunicorn", "app:create_app()"))
        self._scheduler = Role("scheduler", ("scheduler.py",))
        self._roles = [self._web, *self._workers, self._scheduler]
        self._started = 0
        self._storage = Bucket(minio, self._hand) if minio else Folder(at, self._hand)
        self._kinds = [*self._own_kinds(), *Valkey(at, self._hand).kinds(), *self._storage.kinds()]

    def _own_kinds(self) -> list[Kind]:
        return [
            (26, "kill worker", self._kill_worker),
            (18, "kill parser child", self._kill_child),
            (8, "kill web", lambda: self._kill(self._web)),
            (8, "kill web's serving process", self._kill_serving),
            (6, "kill scheduler", lambda: self._kill(self._scheduler)),
            (7, "freeze worker", self._freeze_worker),
            (2, "freeze parser child", self._freeze_child),
            (2, "freeze web", lambda: self._freeze(self._web)),
            (1, "freeze scheduler", lambda: self._freeze(self._scheduler)),
            (5, "cut off worker", self._cut_off_worker),
            (4, "stop worker", self._stop_worker),
            (2, "stop web", lambda: self._tell_to_end(self._web)),
            (1, "stop scheduler", lambda: self._tell_to_end(self._scheduler)),
        ]

    @property
    def diary(self) -> Diary:
        return self._hand.diary

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
        self._hand.turn()
        self._storage.turn()
        for role in self._roles:
            if role.process is None or not role.process.is_alive:
                self._start(role)

    def calm(self) -> None:
        """Everything goes on and runs; no more faults."""
        self._hand.turn(everything=True)
        self.turn()

    def stop(self) -> None:
        self.calm()
        for role in self._roles:
            if role.process:
                role.process.end()
        for cable in self._cables.values():
            cable.end()

    def _start(self, role: Role) -> None:
        if role.process is not None:
            self._bury(role, role.process)
        self._started += 1
        log = self._at.folder / f"{self._started}-{role.name}.log"
        environment = self._at.environment(LOG_LEVEL="warning", **role.settings)
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

    # ---- freezing and cutting off ------------------------------------------------------------------------------

    def _freeze_worker(self) -> bool:
        """With its child or alone."""
        role = self._a_worker()
        if role is None or role.process is None:
            return False
        children = children_of(role.process.pid) if self._chance.random() < 0.5 else []
        self._hand.freeze([role.process.pid, *children], "frozen")
        return True

    def _freeze_child(self) -> bool:
        role = self._a_worker()
        children = children_of(role.process.pid) if role and role.process else []
        if children:
            self._hand.freeze(children, "child frozen")
        return bool(children)

    def _freeze(self, role: Role) -> bool:
        if role.process is None or not role.process.is_alive:
            return False
        self._hand.freeze([role.process.pid, *children_of(role.process.pid)], "frozen")
        return True

    def _cut_off_worker(self) -> bool:
        role = self._a_worker()
        return bool(role and role.process and self._cables[role.name].cut(role.process.pid))

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

        self._hand.later(STOP_SECONDS, last_word)
        return True


def _holds(pid: int, holders: list[str]) -> bool:
    return any(f".{pid}." in holder for holder in holders)
