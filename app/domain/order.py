"""Which of the waiting jobs is next: strict priorities, a share for each owner within one, and ageing across them.

Pure: the rule as the scripts (`stand` in common.lua, claim.lua) carry it out, which a test holds against this.

*Share.* Each job gets a place in its priority's line, a number in the scale of milliseconds: `QUANTUM` behind the last
one of its owner, but not in front of the job that was served last, nor of newcomers that came before it. So owners take
turns, one owner's jobs stay in order, and whoever has few jobs waits for about as many of each other owner. It is
start-time fair queueing (Goyal, Vin and Cheng, 1996), counted in jobs.
*Back again.* A job that was claimed before (tried again, given back, lost) stands in front of those that were not.
*Ageing.* A line whose longest waiting job has waited for n times the ageing time counts as n priorities higher. On the
height of another it takes turns with that one as if it were one owner more; above it, it goes first.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection
from dataclasses import dataclass, field

from app.domain.job import PRIORITIES, Priority

#: How far behind an owner's last job its next one stands.
QUANTUM = 1_000


def height_of(priority: Priority, waited_ms: int, aging_ms: int) -> int:
    """The rank that a job counts for which has waited so long; 0 is urgent."""
    return max(0, priority.rank - waited_ms // aging_ms) if aging_ms else priority.rank


@dataclass
class Line:
    """The waiting of one priority: `jobs` by place, `since` when each waits (ms), the last place of each lane."""

    jobs: list[tuple[int, str]] = field(default_factory=list)
    since: dict[str, int] = field(default_factory=dict)
    lanes: dict[tuple[str, bool], int] = field(default_factory=dict)
    served: int | None = None
    arrived: int = 0
    risen: int = 0

    def add(self, job_id: str, *, owner: str = "", came_back: bool = False, since: int, now: int) -> None:
        if not self.jobs:
            self.__init__()  # type: ignore[misc]  # nobody waits, so nobody owes anything
        if self.served is None:
            self.served = now
        first = self.served if came_back else max(self.served, self.arrived + 1)
        place = max(first, self.lanes.get((owner, came_back), 0) + QUANTUM)
        if place == first and not came_back:
            self.arrived = place
        self.lanes[owner, came_back] = place
        insort(self.jobs, (place, job_id))
        self.since[job_id] = since

    def take(self) -> str:
        place, job_id = self.jobs.pop(0)
        del self.since[job_id]
        self.served = max(self.served or 0, place)
        return job_id

    def waited(self, now: int) -> int:
        """How long the longest has waited, in ms."""
        return now - min(self.since.values()) if self.since else 0


class Order:
    """All lines. `aging_ms` is the ageing time, 0 for none."""

    def __init__(self, aging_ms: int = 0) -> None:
        self.lines = {priority: Line() for priority in PRIORITIES}
        self._aging_ms = aging_ms

    def next(
        self, called: Priority, *, serves: Collection[Priority] = (), paused: Collection[Priority] = (), now: int
    ) -> tuple[str, Priority] | None:
        """The job that a worker takes which was called for that priority, and whose line it leaves."""
        if called in paused:
            return None
        lower = [p for p in PRIORITIES if p in serves and p not in paused and p.rank > called.rank]
        chosen = self._chosen(called, [p for p in lower if self._height(p, now) <= called.rank], now)
        return (self.lines[chosen].take(), chosen) if self.lines[chosen].jobs else None

    def _height(self, priority: Priority, now: int) -> int:
        return height_of(priority, self.lines[priority].waited(now), self._aging_ms)

    def _over(self, priority: Priority, now: int) -> int:
        """How long it has counted for its height."""
        steps = priority.rank - self._height(priority, now)
        return self.lines[priority].waited(now) - steps * self._aging_ms

    def _chosen(self, called: Priority, risen: list[Priority], now: int) -> Priority:
        if not risen:
            return called
        own = self.lines[called]
        highest = min(risen, key=lambda p: (self._height(p, now), -self._over(p, now)))
        height, ours = self._height(highest, now), self._height(called, now)
        if not own.jobs or height < ours:
            return highest
        place = max(own.served or 0, own.risen + QUANTUM)
        if height > ours or place > own.jobs[0][0]:
            return called
        own.risen = place
        return highest
