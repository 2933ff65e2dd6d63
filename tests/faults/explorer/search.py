"""All orders of steps of a cast, with crashes and lost answers, each state looked at once."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from app.domain.job import JobStatus
from app.ingestion.rescue import Sweep
from tests.faults.explorer.actor import Direct, deterministic, run, services_of
from tests.faults.explorer.cast import Cast, Found
from tests.faults.explorer.course import Course, Move
from tests.faults.explorer.drain import Drain, flaws_of
from tests.faults.explorer.world import World

CRASHED = -1
#: Schedules at random, before the search.
WALKS = 100


State = tuple[int, ...]  # store, how far each actor is, faults left


class Search:
    """`most` states are looked at; `stop_at` violations end it. With a seed the order is shuffled, which only matters
    where it is cut off. `every_order` leaves nothing out but states met before.

    Where the next step of an actor touches nothing that any other may still touch, that step goes first and the orders
    with the others are left out: each of them comes to the same end through stores that differ only in what nobody looks
    at. A crash before a read is the same as one right after it; before a private write it is tried, unless somebody may
    still ask who is connected: then all orders are. What the others may still touch is what they were seen to touch, so
    the search is repeated until nothing is seen that was not known when it began. States cannot come again (an answer is
    never taken back), so no step is put off for ever.
    """

    def __init__(
        self, cast: Cast, *, most: int = 10**9, stop_at: int = 1, seed: int | None = None, every_order: bool = False
    ) -> None:
        self.cast, self._most, self._stop_at, self._every_order = cast, most, stop_at, every_order
        self._random = None if seed is None else random.Random(seed)
        self.world = World()
        self._flaws: dict[int, list[str]] = {}
        self._losses: dict[int, bool] = {}
        self.found = Found(cast.name)
        self._texts: dict[str, str] = {}

    def run(self) -> Found:
        with deterministic(self.world):
            self._drain = Drain(self.world)
            self._courses = [Course(name, program, self.world) for name, program in self.cast.actors.items()]
            self._first = start = self._start()
            self._walk(start)
            while self._look_through(start):
                self.found.passes += 1
        self.found.steps, self.found.ends = self.world.carried_out, self._drain.looked_at
        return self.found

    @property
    def ends(self) -> frozenset[object]:
        return self._drain.kinds

    def _start(self) -> State:
        setup = Direct("setup", self.world, self.world.empty)
        services = services_of(setup)
        run(setup, lambda it: Sweep(it).run(), services)  # so that there is a note of one, as in each running system
        result = run(setup, self.cast.setup, services)
        if isinstance(result, dict):
            self._texts |= result
        return (setup.store, *(0 for _ in self._courses), self.cast.faults)

    def _walk(self, start: State) -> None:
        """To know beforehand most of what is touched."""
        chance = random.Random(1)
        for _ in range(WALKS):
            state = start
            while live := self._live(state):
                choices = list(self._choices(state, chance.choice(live)))
                state = (choices[0] if chance.random() < 0.8 else chance.choice(choices))[1]

    def _look_through(self, start: State) -> bool:
        """Every state once. True if it has to be done again: more was touched than was known."""
        for course in self._courses:
            course.begin()
        self.found.states = 0
        counts = self._counts = dict[State, int]()
        way: list[tuple[State, list[State], Iterator[State]]] = []

        def enter(state: State) -> None:
            counts[state] = 0
            after = self._after(state)
            way.append((state, after, iter(after)))
            self._look_at(state, after, way)

        enter(first := self._settled(start))
        while way and not self._is_enough():
            state, after, rest = way[-1]
            for next_ in rest:
                if next_ not in counts:
                    enter(next_)
                    break
            else:
                way.pop()
                counts[state] = sum(counts[one] for one in after) or 1
        self.found.schedules = counts[first]
        return not self._is_enough() and any(course.has_grown for course in self._courses)

    def _is_enough(self) -> bool:
        self.found.is_whole = self.found.states < self._most
        return len(self.found.violations) >= self._stop_at or not self.found.is_whole

    # ---- states ---------------------------------------------------------------------------------------------

    def _after(self, state: State) -> list[State]:
        free = self._free(state)
        movers = [free[0]] if free else self._live(state)
        after = [
            next_ if next_ in self._counts else self._settled(next_)
            for actor in movers
            for _, next_ in self._choices(state, actor)
        ]
        if self._random:
            self._random.shuffle(after)
        return after

    def _live(self, state: State) -> list[int]:
        """The actors that have a next step; counted from 1, as their places in a state."""
        return [n for n, course in enumerate(self._courses, 1) if state[n] != CRASHED and course.next[state[n]]]

    def _choices(self, state: State, actor: int) -> Iterator[tuple[str, State]]:
        course, log, faults = self._courses[actor - 1], state[actor], state[-1]
        move = self._move(state, actor)
        yield "", self._moved(state, actor, move.store, move.log)
        if faults and not course.is_time:
            if self._may_be_lost(course, log):
                unheard = course.unheard(log, state[0])
                yield ", and its answer is lost", self._moved(state, actor, unheard.store, unheard.log, faults - 1)
            yield ": a crash before it", self._moved(state, actor, state[0], CRASHED, faults - 1)

    def _may_be_lost(self, course: Course, log: int) -> bool:
        request = course.next[log]
        return self.cast.lost and request is not None and request[0] in ("redis", "pipe")

    def _move(self, state: State, actor: int) -> Move:
        course = self._courses[actor - 1]
        return course.moves.get((state[actor], state[0])) or course.move(state[actor], state[0], self._connected(state))

    def _connected(self, state: State) -> list[str]:
        return [course.name for n, course in enumerate(self._courses, 1) if state[n] != CRASHED]

    @staticmethod
    def _moved(state: State, actor: int, store: int, log: int, faults: int | None = None) -> State:
        return (store, *state[1:actor], log, *state[actor + 1 : -1], state[-1] if faults is None else faults)

    # ---- steps whose order makes no difference ---------------------------------------------------------------

    def _settled(self, state: State, told: list[str] | None = None) -> State:
        """Steps that go first, and that nothing else can happen at, are no state of their own."""
        while free := self._free(state):
            actor, move, is_alone = free
            if not is_alone:
                break
            if told is not None:
                told.append(f"{self._courses[actor - 1].name}: {self._next_step(state, actor)}")
            state = self._moved(state, actor, move.store, move.log)
        return state

    def _free(self, state: State) -> tuple[int, Move, bool] | None:
        """An actor whose next step goes first; and whether nothing else can happen there, not even a crash."""
        found, faults = None, state[-1]
        if self._every_order:
            return None
        for actor, course in enumerate(self._courses, 1):
            log = state[actor]
            if log == CRASHED or not course.next[log]:
                continue
            move = course.moves.get((log, state[0])) or self._move(state, actor)
            if move.is_judged or not self._is_apart(state, actor, move):
                continue
            if not faults or course.is_time:
                return actor, move, True
            reads_on = move.is_read and course.next[move.log] is not None
            if reads_on and not self._may_be_lost(course, log):
                return actor, move, True
            if reads_on or not self._is_asked_for(state, actor):
                found = actor, move, False
        return found

    def _is_apart(self, state: State, actor: int, move: Move) -> bool:
        """Whether nobody else may still touch what that step touches."""
        reads, writes, unshared = move.reads, move.writes, move.writes & ~self.world.footprints.groups
        if state[-1] and reads & self.world.footprints.clients:
            return False
        for other, course in enumerate(self._courses, 1):
            log = state[other]
            if other != actor and log != CRASHED:
                theirs = course.writes[log]
                if reads & theirs or writes & course.reads[log] or unshared & theirs:
                    return False
        for other, course in enumerate(self._courses, 1):
            if other != actor and state[other] != CRASHED:
                course.is_relied_on[state[other]] = 1
        return True

    def _is_asked_for(self, state: State, actor: int) -> bool:
        """Whether somebody else may still ask who is connected."""
        return any(
            course.reads[state[other]] & self.world.footprints.clients
            for other, course in enumerate(self._courses, 1)
            if other != actor and state[other] != CRASHED
        )

    # ---- judging --------------------------------------------------------------------------------------------

    def _look_at(self, state: State, after: list[State], way: list[tuple[State, list[State], Iterator[State]]]) -> None:
        self.found.states += 1
        store = state[0]
        if store not in self._flaws:
            self._flaws[store] = flaws_of(self.world, store)
        flaws = list(self._flaws[store])
        for next_ in after:
            flaws += self._false_losses(state, next_)
        if not after and not flaws:
            flaws += self._flaws_of_end(state)
        if flaws:
            self.found.violations.append((flaws[0], self._told_way([one[0] for one in way])))

    def _false_losses(self, before: State, after: State) -> Iterator[str]:
        """A loss is charged only where the lease had run out, or the holder was dead."""
        if before[0] == after[0] or not self._has_losses(after[0]):
            return
        old = self.world.jobs(before[0])
        for job_id, job in self.world.jobs(after[0]).items():
            was = old.get(job_id)
            if was and was.claim and job.losses > was.losses:
                leases = dict(self.world.value(before[0], b"ingest:leases") or ())
                alive = self._connected(before)
                if leases.get(job_id.encode(), 0) >= self.world.stores[before[0]].now and was.claim.holder in alive:
                    yield f"false loss: {was.claim.holder} lives and holds {job_id}"

    def _has_losses(self, store: int) -> bool:
        if store not in self._losses:
            self._losses[store] = any(job.losses for job in self.world.jobs(store).values())
        return self._losses[store]

    def _flaws_of_end(self, state: State) -> Iterator[str]:
        store = state[0]
        results = {
            course.name: course.results[log]
            for course, log in zip(self._courses, state[1:-1], strict=True)
            if log != CRASHED
        }
        jobs = self.world.jobs(store)
        for job_id, job in jobs.items():
            abandoned = job.status is JobStatus.PROCESSING and job.claim and job.claim.holder in results
            late = self.cast.lost and "time" in self.cast.actors  # it sent its claim again until it was too late
            if abandoned and not late and not self.world.stores[store].restarts:  # else one that Redis forgot
                yield f"its worker has ended, and {job_id} is held by it"
        gone = frozenset(
            str(result[1]) for result in results.values() if isinstance(result, tuple) and result[0] == "deleted"
        )
        if self.cast.promises:
            yield from self.cast.promises(results, jobs)
        made = {
            result[1]: result[2] for result in results.values() if isinstance(result, tuple) and result[0] == "accepted"
        }
        may_be_gone = any("delet" in name or "expir" in name for name in self.cast.actors)
        texts = {} if may_be_gone or self.cast.loses_bytes else {**self._texts, **made}
        yield from self._drain.flaws(store, texts=texts, gone=gone, loses_bytes=self.cast.loses_bytes)

    def _told_way(self, states: list[State]) -> list[str]:
        way: list[str] = []
        self._settled(self._first, way)
        for state, next_ in itertools.pairwise(states):
            way += self._told_step(state, next_)
        return way

    def _told_step(self, state: State, next_: State) -> list[str]:
        for actor in self._live(state):
            course = self._courses[actor - 1]
            for what, after in self._choices(state, actor):
                told = [f"{course.name}: {self._next_step(state, actor)}{what}"]
                if self._settled(after, told) == next_:
                    return told
        return [  # since then it was learnt that other steps do not go first
            f"{self._courses[actor - 1].name}: {self._next_step(state, actor)} …"
            for actor in self._live(state)
            if state[actor] != next_[actor]
        ]

    def _next_step(self, state: State, actor: int) -> str:
        kind, *rest = self._courses[actor - 1].next[state[actor]] or ("nothing",)
        if kind == "redis":
            args = rest[0]
            if args[0] == "EVALSHA":
                return self.world.scripts.get(args[1], "?")
            return " ".join(str(part)[:40] for part in args[:3])
        if kind == "pipe":
            return "pipeline " + ",".join(sorted({args[0] for args, _ in rest[0]}))
        return " ".join(str(part)[:40] for part in (kind, *rest[:2]))
