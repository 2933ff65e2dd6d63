"""What the kernel tells of processes: how much processor time each has had, and how much of the machine others took."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Times:
    """Seconds of processor time: of a process itself, and of the children that it has waited for."""

    parent: int
    own: float
    waited_for: float


def times_of(pid: int) -> Times:
    """Raises OSError where there is no such process."""
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    user, system, user_below, system_below = (int(field) / _TICK for field in fields[11:15])
    return Times(int(fields[1]), user + system, user_below + system_below)


def children_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if times_of(int(entry.name)).parent == pid:
                    found.append(int(entry.name))
    return found


def below(pid: int) -> float:
    """Processor time of all children a process ever had: those that ended are summed up in itself."""
    total = times_of(pid).waited_for
    for child in children_of(pid):
        with contextlib.suppress(OSError):
            spent = times_of(child)
            total += spent.own + spent.waited_for
    return total


def busy_seconds() -> float:
    """Processor time of everything on this machine since it started."""
    with Path("/proc/stat").open() as file:
        user, nice, system, _, _, irq, soft, steal = (int(field) / _TICK for field in file.readline().split()[1:9])
    return user + nice + system + irq + soft + steal


def most_memory(pid: int) -> int:
    """The most that was ever resident, in bytes."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


class Meter:
    """Processor time by role between `start` and `stop`, and the share of the machine that others used meanwhile."""

    def __init__(self, *, workers: list[int] | None = None, server: int | None = None) -> None:
        self._workers, self._server = workers or [], server
        self.spent: dict[str, float] = {}
        self.wall = self.others = 0.0

    def start(self) -> None:
        self._before, self._busy, self._began = self._now(), busy_seconds(), time.monotonic()

    def stop(self) -> None:
        self.wall = time.monotonic() - self._began
        now, busy = self._now(), busy_seconds() - self._busy
        self.spent = {role: now[role] - self._before[role] for role in now}
        self.others = max(0.0, busy - sum(self.spent.values())) / (self.wall * (os.cpu_count() or 1))

    def _now(self) -> dict[str, float]:
        me = os.getpid()
        ours = [*self._workers, *([self._server] if self._server else [])]
        found = {
            "worker": sum(times_of(pid).own for pid in self._workers),
            "child": sum(below(pid) for pid in self._workers),
            "server": times_of(self._server).own if self._server else 0.0,
        }
        bench = times_of(me)
        pool = sum(times_of(child).own for child in children_of(me) if child not in ours)
        return {**found, "bench": bench.own + bench.waited_for + pool}


def wait_for_quiet(*, share: float = 0.08, seconds: float = 30) -> None:
    """Until others use no more than that share of all cores, or the time is over: who measures then is told by `others`."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        before = busy_seconds()
        time.sleep(0.5)
        if busy_seconds() - before <= share * 0.5 * (os.cpu_count() or 1):
            return


def yardstick() -> float:
    """Microseconds of processor time for a fixed piece of work: tells a slow hour of the machine from slow code."""
    record = {f"member {number}": ["a few words", number, None, {"deep": number / 7}] for number in range(20)}
    best = float("inf")
    for _ in range(20):
        began = time.process_time()
        for _ in range(50):
            json.loads(json.dumps(record))
        best = min(best, time.process_time() - began)
    return best / 50 * 1e6
