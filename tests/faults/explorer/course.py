"""How far one actor has come: the answers that it was given, what it does next, and what it may still touch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import redis

from app.services import Services
from tests.faults.explorer.actor import Halt, Player, run, services_of
from tests.faults.explorer.footprint import Footprint
from tests.faults.explorer.world import Failed, Request, World

LOST = Failed(redis.ConnectionError("the answer was lost"))


class Move(NamedTuple):
    """One step: the store after it, how far the actor is then, and what it read and wrote."""

    store: int
    log: int
    reads: int
    writes: int
    is_read: bool
    is_judged: bool


class Course:
    """A log is a number that stands for a sequence of answers; 0 is none. Logs are one where nothing can tell them apart:
    where only the time of an answer differs and the code did not look at it before its next step, and where the code has
    ended with the same result.
    """

    def __init__(self, name: str, program: Callable[[Services], object], world: World) -> None:
        self.name, self._program, self._world = name, program, world
        self.is_time = name.startswith("time")
        self._player = Player(name)
        self._services = services_of(self._player)
        self._answers: list[tuple[int, Any, int]] = []
        self._known: dict[tuple[int, str, int | None], tuple[int, bool]] = {}
        self._ended: dict[str, int] = {}
        self.moves: dict[tuple[Any, ...], Move] = {}
        self._before: list[set[int]] = []
        self.next: list[Request | None] = []
        self.results: list[Any] = []
        #: What is read and written from each log on, as far as it has been seen.
        self.reads: list[int] = []
        self.writes: list[int] = []
        self.is_relied_on = bytearray()
        self.has_grown = False
        self._played(-1, None, 0)

    def begin(self) -> None:
        """From now on `has_grown` says whether more is touched than was relied on."""
        self.has_grown = False
        self.is_relied_on = bytearray(len(self.is_relied_on))

    def move(self, log: int, store: int, clients: list[str]) -> Move:
        """The next step in that store. `clients` are those whose connection to Redis stands."""
        request = self.next[log]
        assert request
        is_asking = request[0] == "clients"  # the only answer that is not the store's
        key = (log, store, *clients) if is_asking else (log, store)
        known = self.moves.get(key)
        if known is None:
            if is_asking:
                told = [{"name": name} for name in clients]
                known = self._moved(log, told, store, store, Footprint(self._world.footprints.clients, 0))
            else:
                answer, later, touched = self._world.carry_out(store, request)
                known = self._moved(log, answer, store, later, touched)
            self.moves[key] = known
        return known

    def unheard(self, log: int, store: int) -> Move:
        """The same step, and its answer is lost."""
        request = self.next[log]
        assert request
        _, later, touched = self._world.carry_out(store, request)
        return self._moved(log, LOST, store, later, touched)

    def _moved(self, log: int, answer: Any, before: int, store: int, touched: Footprint) -> Move:
        after, looked = self._answered(log, answer, self._world.stores[store].now)
        reads = touched.reads | self._world.footprints.time if looked else touched.reads
        self._before[after].add(log)
        self._note(log, reads | self.reads[after], touched.writes | self.writes[after])
        is_read = store == before and not touched.writes
        is_judged = bool(touched.writes & self._world.footprints.judged)
        return Move(store, after, reads, touched.writes, is_read, is_judged)

    def _answered(self, log: int, answer: Any, now: int) -> tuple[int, bool]:
        """The log with one answer more, and whether the code looked at the time of it."""
        told = repr(answer)
        known = self._known.get((log, told, None)) or self._known.get((log, told, now))
        if known is None:
            after = self._played(log, answer, now)
            looked = self._player.looked_at_time
            if self.next[after] is None:
                after = self._ended.setdefault(repr(self.results[after]), after)
            known = self._known[log, told, now if looked else None] = after, looked
        return known

    def _played(self, log: int, answer: Any, now: int) -> int:
        self._answers.append((log, answer, now))
        self._before.append(set())
        self.reads.append(0)
        self.writes.append(0)
        self.is_relied_on.append(0)
        made = at = len(self._answers) - 1
        answers = []
        while at:
            at, given, then = self._answers[at]
            answers.append((given, then))
        self._player.rewind(answers[::-1])
        request, result = None, None
        try:
            result = run(self._player, self._program, self._services)
        except Halt:
            request = self._player.pending
        self.next.append(request)
        self.results.append(result)
        return made

    def _note(self, log: int, reads: int, writes: int) -> None:
        """What is touched later on is told to every log before."""
        to_tell = [log]
        while to_tell:
            log = to_tell.pop()
            more = self.reads[log] | reads, self.writes[log] | writes
            if more != (self.reads[log], self.writes[log]):
                self.reads[log], self.writes[log] = more
                self.has_grown |= bool(self.is_relied_on[log])
                to_tell += self._before[log]
