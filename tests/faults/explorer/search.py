"""All orders of steps of a cast, with crashes and lost answers, each state looked at once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis

from app.domain.job import JobStatus
from app.ingestion.rescue import Sweep
from app.services import Services
from tests.faults.explorer.actor import Direct, Halt, Player, deterministic, run, services_of
from tests.faults.explorer.drain import Drain, flaws_of
from tests.faults.explorer.world import Failed, Request, World

Program = Callable[[Services], object]
CRASHED = -1
LOST = Failed(redis.ConnectionError("the answer was lost"))


@dataclass(frozen=True)
class Cast:
    """Who plays. `faults` is how many crashes (and, with `lost`, lost answers) there may be in one schedule.

    `still` says that nobody takes stored uploads away, `loses_bytes` that somebody does who must not.
    """

    name: str
    setup: Program
    actors: Mapping[str, Program]
    faults: int = 1
    lost: bool = False
    still: bool = False
    loses_bytes: bool = False
    promises: Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[str]] | None = None


@dataclass
class Found:
    """What an exploration came to. A violation is what is wrong, and the steps that lead there."""

    cast: str
    states: int = 0
    schedules: int = 0
    ends: int = 0
    steps: int = 0
    is_whole: bool = True
    violations: list[tuple[str, list[str]]] = field(default_factory=list)

    def __str__(self) -> str:
        cut, schedules = ("", _short(self.schedules)) if self.is_whole else (", cut off", "?")
        return (
            f"{self.cast:34} {self.states:8,} states {schedules:>8} schedules {self.ends:5} ends"
            f" {self.steps:7,} steps carried out, {len(self.violations)} violations{cut}"
        )


def _short(number: int) -> str:
    return f"{number:,}" if number < 1_000_000 else f"{number:.1e}"


START_STEP: Request = ("start",)


class _Constant:
    """The steps whose answer nobody in that cast changes."""

    def __init__(self, cast: Cast) -> None:
        self._fixed: set[Request] = {
            ("blob", "installation"),
            ("redis", ("GET", "ingest:installation"), ()),
            ("redis", ("SMEMBERS", "ingest:paused"), ()),
            ("redis", ("ZRANGE", "ingest:workers", 0, -1), ()),
        }
        if not any("restart" in name for name in cast.actors):
            self._fixed.add(("info",))
        if not any(name.startswith("time") for name in cast.actors):
            self._fixed.add(START_STEP)
        self._still = cast.still

    def __contains__(self, request: Request) -> bool:
        return request in self._fixed or (self._still and request[:2] == ("blob", "bytes_of"))


State = tuple[int, tuple[int, ...], int]  # store, how far each actor is, faults left


class Search:
    """`most` states are looked at; `stop_at` violations end it. With a seed the order is shuffled, which only matters
    where it is cut off."""

    def __init__(self, cast: Cast, *, most: int = 10**9, stop_at: int = 1, seed: int | None = None) -> None:
        self.cast, self._most, self._stop_at = cast, most, stop_at
        self._random = None if seed is None else random.Random(seed)
        self.world = World()
        self._names = list(cast.actors)
        self._players = [Player(name) for name in self._names]
        self._services = [services_of(player) for player in self._players]
        self._logs: list[tuple[int, Any, int]] = [(-1, None, 0)] * (len(self._names) + 10)
        self._log_ids: dict[tuple[int, str, int, int], int] = {}
        self._next: dict[tuple[int, int], tuple[str, Any]] = {}
        self._from: dict[State, tuple[State, str]] = {}
        self._flaws: dict[int, list[str]] = {}
        self.found = Found(cast.name)
        self._texts: dict[str, str] = {}
        self._times = [name.startswith("time") for name in self._names]
        self._constant = _Constant(cast)

    # ---- an actor -------------------------------------------------------------------------------------------

    def _outcome(self, actor: int, log: int) -> tuple[str, Any]:
        """`("next", request)` or `("done", result)` of an actor that was given those answers."""
        known = self._next.get((actor, log))
        if known is None:
            answers, at = [], log
            while at >= len(self._names):
                at, answer, now = self._logs[at]
                answers.append((answer, now))
            known = self._next[actor, log] = self._play(actor, answers[::-1])
        return known

    def _play(self, actor: int, answers: list[tuple[Any, int]]) -> tuple[str, Any]:
        player = self._players[actor]
        player.rewind(answers)
        try:
            return "done", run(player, self.cast.actors[self._names[actor]], self._services[actor])
        except Halt:
            return "next", player.pending

    def _answered(self, actor: int, log: int, answer: Any, now: int) -> int:
        key = (log, repr(answer), now, actor)
        known = self._log_ids.get(key)
        if known is None:
            known = self._log_ids[key] = len(self._logs)
            self._logs.append((log, answer, now))
        return known

    # ---- states ---------------------------------------------------------------------------------------------

    def run(self) -> Found:
        with deterministic(self.world):
            drain = Drain(self.world)
            counts: dict[State, int] = {}
            stack = [(self._start(), False)]
            while stack:
                state, is_left = stack.pop()
                if is_left:
                    counts[state] = sum(counts.get(after, 0) for _, after in self._after(state)) or 1
                elif state not in counts:
                    counts[state] = 0
                    self.found.states += 1
                    after = [(after, label) for label, after in self._after(state)]
                    self._look_at(state, after, drain)
                    if self._is_enough():
                        break
                    if self._random:
                        self._random.shuffle(after)
                    stack.append((state, True))
                    for next_, label in after:
                        if next_ not in counts:
                            self._from.setdefault(next_, (state, label))
                            stack.append((next_, False))
            self.found.schedules = counts.get(self._first, 0)
        self.found.steps, self.found.ends = self.world.carried_out, drain.looked_at
        return self.found

    def _is_enough(self) -> bool:
        self.found.is_whole = self.found.states < self._most
        return len(self.found.violations) >= self._stop_at or not self.found.is_whole

    def _start(self) -> State:
        setup = Direct("setup", self.world, self.world.empty)
        services = services_of(setup)
        run(setup, lambda it: Sweep(it).run(), services)  # so that there is a note of one, as in each running system
        result = run(setup, self.cast.setup, services)
        if isinstance(result, dict):
            self._texts |= result
        at = tuple(self._run_on(actor, setup.store, actor) for actor in range(len(self._names)))
        self._first: State = (setup.store, at, self.cast.faults)
        return self._first

    def _after(self, state: State) -> Iterator[tuple[str, State]]:
        store, at, faults = state
        for actor, log in enumerate(at):
            if log == CRASHED:
                continue
            kind, request = self._outcome(actor, log)
            if kind == "done":
                continue
            name = self._names[actor]
            answer, later = self._carry_out(store, at, request)
            log_after = self._answered(actor, log, answer, self.world.stores[later].now)
            moved = self._moved(at, actor, self._run_on(actor, later, log_after))
            yield f"{name}: {self.told(request)}", (later, moved, faults)
            if faults and not self._times[actor]:
                yield (
                    f"{name} crashes before {self.told(request)}",
                    (store, self._moved(at, actor, CRASHED), faults - 1),
                )
                if self.cast.lost and request[0] in ("redis", "pipe"):
                    unheard = self._answered(actor, log, LOST, self.world.stores[later].now)
                    lost = self._moved(at, actor, self._run_on(actor, later, unheard))
                    yield f"{name}: {self.told(request)}, and its answer is lost", (later, lost, faults - 1)

    def _run_on(self, actor: int, store: int, log: int) -> int:
        """Steps whose answer is always the same are no choice: whoever else acts before or after makes no difference."""
        while True:
            kind, request = self._outcome(actor, log)
            if kind == "done" or not (request in self._constant or (request == START_STEP and self._times[actor])):
                return log
            answer, _ = self.world.carry_out(store, request)
            log = self._answered(actor, log, answer, self.world.stores[store].now)

    def _carry_out(self, store: int, at: tuple[int, ...], request: Request) -> tuple[Any, int]:
        if request[0] != "clients":
            return self.world.carry_out(store, request)
        return [{"name": name} for name, log in zip(self._names, at, strict=True) if log != CRASHED], store

    @staticmethod
    def _moved(at: tuple[int, ...], actor: int, log: int) -> tuple[int, ...]:
        return (*at[:actor], log, *at[actor + 1 :])

    # ---- judging --------------------------------------------------------------------------------------------

    def _look_at(self, state: State, after: list[tuple[State, str]], drain: Drain) -> None:
        store = state[0]
        if store not in self._flaws:
            self._flaws[store] = flaws_of(self.world, store)
        flaws = list(self._flaws[store])
        for next_, _ in after:
            flaws += self._false_losses(state, next_)
        if not after and not flaws:
            flaws += self._flaws_of_end(state, drain)
        if flaws:
            self.found.violations.append((flaws[0], self._way_to(state)))

    def _false_losses(self, before: State, after: State) -> Iterator[str]:
        """A loss is charged only where the lease had run out, or the holder was dead."""
        if before[0] == after[0]:
            return
        old = self.world.jobs(before[0])
        for job_id, job in self.world.jobs(after[0]).items():
            was = old.get(job_id)
            if was and was.claim and job.losses > was.losses:
                leases = dict(self.world.value(before[0], b"ingest:leases") or ())
                alive = {n for n, log in zip(self._names, before[1], strict=True) if log != CRASHED}
                if leases.get(job_id.encode(), 0) >= self.world.stores[before[0]].now and was.claim.holder in alive:
                    yield f"false loss: {was.claim.holder} lives and holds {job_id}"

    def _flaws_of_end(self, state: State, drain: Drain) -> Iterator[str]:
        store, at, _ = state
        results = {
            name: self._outcome(actor, log)[1]
            for actor, (name, log) in enumerate(zip(self._names, at, strict=True))
            if log != CRASHED
        }
        jobs = self.world.jobs(store)
        for job_id, job in jobs.items():
            abandoned = job.status is JobStatus.PROCESSING and job.claim and job.claim.holder in results
            if abandoned and not self.world.stores[store].restarts:  # else a claim that Redis forgot and remembers
                yield f"its worker has ended, and {job_id} is held by it"
        gone = frozenset(
            str(result[1]) for result in results.values() if isinstance(result, tuple) and result[0] == "deleted"
        )
        if self.cast.promises:
            yield from self.cast.promises(results, jobs)
        made = {
            result[1]: result[2] for result in results.values() if isinstance(result, tuple) and result[0] == "accepted"
        }
        may_be_gone = any("delet" in name or "expir" in name for name in self._names)
        texts = {} if may_be_gone or self.cast.loses_bytes else {**self._texts, **made}
        yield from drain.flaws(store, texts=texts, gone=gone, loses_bytes=self.cast.loses_bytes)

    def _way_to(self, state: State) -> list[str]:
        way = []
        while state in self._from:
            state, label = self._from[state]
            way.append(label)
        return way[::-1]

    def told(self, request: Request) -> str:
        kind, *rest = request
        if kind == "redis":
            args = rest[0]
            if args[0] == "EVALSHA":
                return self.world.scripts.get(args[1], "?")
            return " ".join(str(part)[:40] for part in args[:3])
        if kind == "pipe":
            return "pipeline " + ",".join(sorted({args[0] for args, _ in rest[0]}))
        return " ".join(str(part)[:40] for part in (kind, *rest[:2]))
