"""What a store comes to when healthy processes go on with it, and what was promised: the judge of an end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from app.adapters.evidence import PLACES, JobEvidence
from app.adapters.job_store import JobStore
from app.domain.job import PRIORITIES, Job
from app.domain.retry import RetryPolicy
from app.ingestion.check import check
from app.ingestion.housekeeping import keep_house
from app.ingestion.invariants import of_job
from app.ingestion.process import process_next
from app.ingestion.rescue import Sweep
from app.services import Services
from tests.faults.explorer.actor import Direct, run, services_of
from tests.faults.explorer.world import World

#: How much later (ms) each look at what is left takes place: notes ripen, leases run out, retries fall due.
WAITS = (1_000, 2_500, 2_500, 16_000, 2_500, 62_000, 2_500, 122_000, 2_500, 242_000, 2_500, 2_500)
POLICY = RetryPolicy()
OUR_FAULT = frozenset({"blob_missing", "blob_corrupt", "internal", "parser_crashed"})


def work_off(services: Services) -> None:
    """A worker takes deliveries until there are none; it finds nothing that nobody told it of."""
    for priority in PRIORITIES:
        while taken := services.redis.lpop(f"rq:queue:{priority.value}"):
            process_next(services, priority, delivery=f"rq:job:{taken.decode()}")  # type: ignore[union-attr]


class Drain:
    def __init__(self, world: World) -> None:
        self._world = world
        self._player = Direct("drain", world, 0)
        self._services = services_of(self._player)
        self._known: dict[object, list[str]] = {}

    def flaws(self, store: int, *, texts: Mapping[str, str], gone: frozenset[str], loses_bytes: bool) -> list[str]:
        """What is wrong after all is worked off and cleared away. `gone` are jobs whose deletion was promised."""
        key = (shape(self._world, store), tuple(sorted(texts)), gone)  # one drain is of one cast
        if key not in self._known:
            self._known[key] = list(self._look(store, texts, gone, loses_bytes))
        return self._known[key]

    @property
    def kinds(self) -> frozenset[object]:
        return frozenset(self._known)

    @property
    def looked_at(self) -> int:
        return len(self._known)

    def _look(self, store: int, texts: Mapping[str, str], gone: frozenset[str], loses_bytes: bool) -> Iterator[str]:
        self._player.__init__("drain", self._world, store)  # type: ignore[misc]
        for round_ in WAITS:
            self._go_on(round_)
            if self._is_drained():
                break
        else:
            yield "not drained"
        self._clear_away()
        self._player.now = self._world.stores[self._player.store].now
        report = check(self._services, texts={i: text for i, text in texts.items() if i not in gone}, grace=0)
        yield from (str(violation) for violation in report.violations)
        yield from (f"unfinished: {n} {what}" for what, n in report.unfinished.items())
        end = self._world.stores[self._player.store]
        left = {row[0] for row in (*end.blobs.uploads, *end.blobs.results)} | self._world.jobs(
            self._player.store
        ).keys()
        for job_id, job in self._world.jobs(self._player.store).items():
            if job.failure and job.failure.code in OUR_FAULT and not loses_bytes:
                yield f"{job_id} failed by no fault of its own: {job.failure.code}"
        yield from (f"was deleted, and is there again: {job_id}" for job_id in gone & left)

    def _go_on(self, wait: int) -> None:
        self._player.step(("advance", wait))
        run(self._player, lambda services: Sweep(services).run(), self._services)
        run(self._player, work_off, self._services)

    def _is_drained(self) -> bool:
        jobs = self._world.jobs(self._player.store)
        queues = [self._world.value(self._player.store, f"rq:queue:{p.value}".encode()) for p in PRIORITIES]
        return all(job.status.is_final for job in jobs.values()) and not any(queues)

    def _clear_away(self) -> None:
        """The batch's housekeeping, late enough for each of its rules; it may restore, so what it finds is worked off."""
        for wait in (62_000, 3_700_000, 62_000):
            self._player.step(("advance", wait))
            run(self._player, lambda services: Sweep(services).run(), self._services)
            run(self._player, keep_house, self._services)
            run(self._player, work_off, self._services)


# ---- at every state -------------------------------------------------------------------------------------------------


def evidence(world: World, store: int) -> Iterator[JobEvidence]:
    held = {key: world.value(store, key) for key, _, _ in world.stores[store].keys}
    lives = {key: expires for key, _, expires in world.stores[store].keys}
    places = {place: dict(held.get(f"ingest:{place}".encode(), ())) for place in (*PLACES, "tombs")}
    for job_id, job in world.jobs(store).items():
        name, key = job_id.encode(), f"ingest:log:{job_id}".encode()
        fields = {field.decode(): value.decode() for field, value in held[f"ingest:job:{job_id}".encode()]}
        told = tuple(
            (entry.decode(), JobStore.load(dict(_pairs(said))[b"record"])) for entry, said in held.get(key, ())
        )
        stands = {place: int(scores[name]) for place, scores in places.items() if name in scores}
        life = -1 if lives.get(key) is None else 600_000
        yield JobEvidence(job_id, job, fields, told, life, stands)


def _pairs(flat: tuple[bytes, ...]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def flaws_of(world: World, store: int) -> list[str]:
    """What must hold at every moment: I2, I5, I6 and I7 of each job, and no place without a record."""
    seen = list(evidence(world, store))
    found = [str(violation) for one in seen for violation in of_job(one, POLICY)]
    known = {one.job_id.encode() for one in seen}
    for place in PLACES:
        strays = dict(world.value(store, f"ingest:{place}".encode()) or ()).keys() - known
        found += [f"I5 {stray.decode()}: has no record and stands in {place}" for stray in strays if place != "newer"]
    return found


# ---- what makes two ends alike --------------------------------------------------------------------------------------


def shape(world: World, store: int) -> tuple[Any, ...]:
    """Ends that differ only in times, tokens, holders and in what was told are worked off in the same way."""
    at = world.stores[store]
    jobs = tuple(sorted((job_id, _state(job, at.now)) for job_id, job in world.jobs(store).items()))
    tokens = {job.result_token for job in world.jobs(store).values()} | {
        job.claim.token for job in world.jobs(store).values() if job.claim
    }
    blobs = (
        tuple(row[:3] for row in at.blobs.uploads),
        tuple((row[0], row[1] in tokens, row[2] is None) for row in at.blobs.results),
    )
    others = tuple(
        (key, world.value(store, key))
        for key, _, _ in at.keys
        if key.startswith((b"ingest:idem:", b"ingest:installation", b"ingest:paused", b"ingest:newer"))
    )
    lists = tuple((p, len(world.value(store, f"rq:queue:{p.value}".encode()) or ())) for p in PRIORITIES)
    tombs = tuple(sorted(dict(world.value(store, b"ingest:tombs") or ())))
    stands = tuple(
        (place, tuple(sorted(dict(world.value(store, f"ingest:{place}".encode()) or ())))) for place in PLACES
    )
    return jobs, blobs, others, lists, tombs, stands


def _state(job: Job, now: int) -> tuple[Any, ...]:
    due = job.due_at is not None and job.due_at <= now
    kept = replace(job, created_at=0, updated_at=0, started_at=None, completed_at=None, due_at=None, claim=None)
    outcomes = tuple((a.run, a.number, a.outcome) for a in job.history)
    plain = replace(kept, history=(), result=None, result_token=None, version=1)
    return repr(plain), due, outcomes, job.claim is not None, (job.result or {}).get("pages")
