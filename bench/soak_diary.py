"""What the soak has done, to whom and when: the diary that losses are compared with, and the hand that writes it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

#: Seconds: a frozen process stands still for one of these at least, and at most.
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 20.0
#: What a network held back may be carried out that much after it has healed (ms).
LATE_MS = 2_000


@dataclass(frozen=True)
class Entry:
    """One line of the diary: what was done to whom (a process id, 0 for what is none), from when until when (ms)."""

    kind: str
    pid: int
    began: int
    ended: int


@dataclass
class Diary:
    entries: list[Entry] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    refused_starts: int = 0
    ended_by_itself: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(count for kind, count in self.counts.items() if kind.startswith("kill"))

    def note(self, kind: str, *pids: int, began: int | None = None, late: int = 0) -> None:
        """From `began` until now, and `late` ms more for what may still come of it."""
        now = now_ms()
        self.entries += [Entry(kind, pid, began or now, now + late) for pid in pids or (0,)]


def now_ms() -> int:
    return int(time.time() * 1000)


class Hand:
    """Chooses by the seed, stops and lets go on, and keeps in mind what is due later."""

    def __init__(self, seed: int, longest_pause: float) -> None:
        self.chance, self.diary = random.Random(f"faults {seed}"), Diary()
        self._longest = longest_pause
        self._later: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, what))

    def turn(self, *, everything: bool = False) -> None:
        """What is due is done."""
        now = time.monotonic()
        due = [what for at, what in self._later if everything or at <= now]
        self._later = [] if everything else [(at, what) for at, what in self._later if at > now]
        for what in due:
            what()

    def freeze(self, pids: list[int], kind: str, *, then: Callable[[], None] = lambda: None) -> None:
        """For a while, short ones more often than long ones."""
        length = SHORTEST_PAUSE + (self._longest - SHORTEST_PAUSE) * self.chance.random() ** 2
        self.stop_for(length, pids, lambda began: self.diary.note(kind, *pids, began=began), then=then)

    def cut(self, relay: int, pid: int, *, then: Callable[[], None]) -> None:
        """The network of that process is gone for a while, often for longer than a lease. What it had sent comes late."""
        length = SHORTEST_PAUSE + (1.25 * self._longest - SHORTEST_PAUSE) * self.chance.random()
        self.stop_for(
            length, [relay], lambda began: self.diary.note("cut off", pid, began=began, late=LATE_MS), then=then
        )

    def stop_for(
        self, seconds: float, pids: list[int], note: Callable[[int], None], *, then: Callable[[], None]
    ) -> None:
        began = now_ms()
        for pid in pids:
            send(pid, signal.SIGSTOP)

        def go_on() -> None:
            for pid in pids:
                send(pid, signal.SIGCONT)
            note(began)
            then()

        self.later(seconds, go_on)


def send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
