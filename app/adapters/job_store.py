"""Job records in Redis: the only truth about a job. Every change is one compare-and-set that also writes the log.

Where a record stands besides its own hash is computed from the job (`places`); the scripts in `lua/` move it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import redis
import structlog

from app.adapters.counters import step_counts
from app.adapters.history import marks, run_that_ended
from app.adapters.job_queues import DELIVERY_KEYS, LIST_KEYS
from app.adapters.places import STAGED, lane_of, places, places_entered, places_left
from app.adapters.redis_client import PREFIX, Script, translated
from app.adapters.server_clock import ServerClock
from app.domain.job import PRIORITIES, SCHEMA, Job, JobStatus, Priority
from app.domain.record import from_record, to_record
from app.errors import QueueUnavailable, RequestRefused

#: A claim is a lease of that many milliseconds, renewed each second.
LEASE_MS = 15_000
#: The event log of an ended job is kept that long.
LOG_LIFE_MS = 600_000
#: An Idempotency-Key is remembered that long after its job was accepted.
IDEMPOTENCY_SECONDS = 86_400
NEWER = "This job was written by a newer version of the service."
TRY_AGAIN = "Try again when the update that is under way has ended."
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

log = structlog.get_logger()


@dataclass(frozen=True)
class Lease:
    """A claim as the sweep sees it; `holder` is empty for one that cannot be seen in CLIENT LIST."""

    job_id: str
    deadline: int
    holder: str
    since: int

    @property
    def renewed(self) -> int:
        return self.deadline - LEASE_MS


def _lines(priority: Priority, serves: Sequence[Priority]) -> str:
    """Those that a claim for that priority looks at, each with its rank."""
    lines = [priority, *(p for p in PRIORITIES if p in serves and p.rank > priority.rank)]
    return ",".join(f"{p.value}:{p.rank}" for p in lines)


def _dump(job: Job) -> str:
    return _ENCODER.encode(to_record(job))


def _finished_run(old: Job, new: Job) -> str:
    """What the statistics keep of an attempt that ended a job: when, how, and how long it ran and had waited (ms)."""
    run = run_that_ended(old, new)
    if run is None:
        return ""
    return json.dumps([new.updated_at, new.status.value, run.ran, -1 if run.waited is None else run.waited])


def _totals(old: Job, new: Job) -> str:
    counts = step_counts(old, new)
    return json.dumps(counts) if counts else ""


class JobStore:
    def __init__(self, client: redis.Redis, *, clock: Callable[[], int] | None = None, aging_ms: int = 0) -> None:
        """`clock` replaces the server's (milliseconds): tests pass the time in. After each `aging_ms` of waiting a job
        counts as one priority higher (0: never)."""
        self._redis, self._aging_ms = client, aging_ms
        self.clock = ServerClock(client, clock)
        self._told_newer = False
        self._add = Script(client, "add")
        self._replace = Script(client, "replace")
        self._claim = Script(client, "claim")
        self._renew = Script(client, "renew")
        self._stage = Script(client, "stage")
        self._bury = Script(client, "bury")
        self._pause = Script(client, "pause")

    def now(self) -> int:
        """The server's time in milliseconds, by which all jobs are dated."""
        return self.clock.now()

    # ---- one job --------------------------------------------------------------------------------------------

    def add(self, job: Job, *, installation: str, fingerprint: str = "") -> Job:
        """Writes a new job with its places and first log entry; finding its own id there gives the job that is there.
        Its key is remembered for what is left of a day since it was accepted.

        Raises QueueUnavailable (also when Redis belongs to another blob store), RequestRefused if it was deleted.
        """
        pairs: list[str | int] = [part for pair in places(job).items() for part in pair]
        keep = IDEMPOTENCY_SECONDS - max(0, self.clock.known_now() - job.created_at) // 1000
        key = (job.idempotency_key or "") if keep > 0 else ""  # another job may have it by now
        log_life = LOG_LIFE_MS if job.status.is_final else 0
        answer = self._add(
            self.clock.argument(),
            job.id,
            installation,
            _dump(job),
            key,
            fingerprint,
            keep,
            log_life,
            lane_of(job),
            *pairs,
        )
        if answer[0] == b"foreign":
            raise QueueUnavailable("queue_unavailable", retry_after=30)
        if answer[0] == b"deleted":
            raise RequestRefused("not_found")
        return job if answer[0] == b"added" else self.load(answer[1])

    def get(self, job_id: str) -> Job | None:
        with translated():
            record = self._redis.hget(f"{PREFIX}job:{job_id}", "record")
        return self.load(record) if record else None

    def get_many(self, job_ids: Sequence[str]) -> list[Job | None]:
        """In the order asked for; None where there is no such job."""
        if not job_ids:
            return []
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for job_id in job_ids:
                pipe.hget(f"{PREFIX}job:{job_id}", "record")
            return [self.load(record) if record else None for record in pipe.execute()]

    def claim_next(
        self,
        priority: Priority,
        *,
        holder: str,
        token: str,
        visible: bool = True,
        delivery: str = "",
        serves: Sequence[Priority] = (),
    ) -> Job | None:
        """The next waiting job of that priority, now held under `token`; None if none waits or the priority is paused.
        It may be one of a lower priority among `serves` that has waited so long that it counts as one of this.

        `delivery` is the key of the notice that led here: it is deleted in the same step. Jobs that a newer version wrote
        are set aside for the processes of that version, whose sweep brings them back.
        """
        record, at, newer = self._claim(
            self.clock.argument(),
            priority.value,
            holder,
            token,
            LEASE_MS,
            int(visible),
            SCHEMA,
            delivery,
            _lines(priority, serves),
            self._aging_ms,
            LIST_KEYS,
            DELIVERY_KEYS,
        )
        if newer:
            self._tell_newer(newer.decode())
        self.clock.told(int(at))
        return self.load(record) if record else None

    def replace(self, old: Job, new: Job, *, lease: int | None = None) -> bool:
        """Writes `new` where `old` still stands (and `lease` is still its deadline); False if somebody was first.

        Raises RequestRefused for a record of a newer version: what this one does not know of it would be lost.
        """
        if old.schema > SCHEMA:
            self._tell_newer(old.id)
            raise RequestRefused("wrong_state", NEWER, suggestion=TRY_AGAIN)
        claim, left = new.claim, places_left(old, new)
        return bool(
            self._replace(
                self.clock.argument(),
                old.id,
                f"{old.version}:{old.claim.token if old.claim else ''}",
                new.version,
                _dump(new),
                claim.token if claim else "",
                claim.holder if claim else "",
                claim.since if claim else "",
                "" if lease is None else lease,
                LOG_LIFE_MS if new.status.is_final else 0,
                old.claim.holder if old.claim and not claim else "",
                _finished_run(old, new),
                _totals(old, new),
                ",".join(map(str, marks(old, new))),
                lane_of(new, came_back=old.status is JobStatus.PROCESSING),
                old.progress.percentage,
                len(left),
                *left,
                *places_entered(old, new),
            )
        )

    def _tell_newer(self, job_id: str) -> None:
        """Once in a process: while two versions run side by side there may be thousands."""
        if not self._told_newer:
            self._told_newer = True
            log.warning("newer_record_left_alone", job_id=job_id)

    def renew(self, job_id: str, *, token: str, holder: str) -> bool:
        """The lease runs anew; False when the claim is gone."""
        return bool(self._renew(self.clock.argument(), job_id, token, LEASE_MS, holder))

    def bury(self, job_id: str, *, only_final: bool = False) -> bool:
        """The record becomes a tombstone; False if there is none (or it is not final, where that was asked)."""
        return bool(self._bury(self.clock.argument(), job_id, "1" if only_final else ""))

    @staticmethod
    def load(record: bytes | str) -> Job:
        return from_record(json.loads(record))

    # ---- what is due ----------------------------------------------------------------------------------------

    def stage(self, limit: int = 1000) -> list[tuple[str, Priority]]:
        """Due retries go back to the front of the waiting; so do jobs that an older version set aside."""
        flat = [part.decode() for part in self._stage(self.clock.argument(), limit, STAGED, SCHEMA)]
        return [(job_id, Priority(priority)) for job_id, priority in zip(flat[::2], flat[1::2], strict=True)]

    def waiting_ids(self, priority: Priority, limit: int) -> list[str]:
        """The first that wait, next one first."""
        with translated():
            found: Any = self._redis.zrange(f"{PREFIX}waiting:{priority.value}", 0, limit - 1)
        return [job_id.decode() for job_id in found]

    def leases(self) -> list[Lease]:
        """All claims there are, the latest renewed last; few, at most one for each process."""
        with translated():
            scores: Any = self._redis.zrange(f"{PREFIX}leases", 0, -1, withscores=True)
            pipe = self._redis.pipeline(transaction=False)
            for job_id, _ in scores:
                pipe.hmget(f"{PREFIX}job:{job_id.decode()}", "holder", "since")
            held = pipe.execute()
        return [
            Lease(job_id.decode(), int(score), (holder or b"").decode(), int(since or 0))
            for (job_id, score), (holder, since) in zip(scores, held, strict=True)
        ]

    def spent(self, limit: int = 200) -> list[str]:
        """Jobs whose uploaded file has done its duty."""
        return self._range("spent", limit)

    def forget_spent(self, job_ids: Iterable[str]) -> None:
        self._remove("spent", job_ids)

    def ended_before(self, when: int, limit: int = 200) -> list[str]:
        """Ended jobs, oldest first, whose end was before that time."""
        return [
            job_id for status in ("completed", "failed") for job_id in self._range(f"ended:{status}", limit, until=when)
        ][:limit]

    def tombs(self, *, until: int, limit: int = 200) -> list[str]:
        """Jobs that were deleted before that time (ms), the oldest first."""
        return self._range("tombs", limit, until=until)

    def forget_tombs(self, job_ids: Iterable[str]) -> None:
        self._remove("tombs", job_ids)

    def is_buried(self, job_id: str) -> bool:
        return bool(self.buried([job_id]))

    def buried(self, job_ids: Sequence[str]) -> set[str]:
        """Those of them that were deleted."""
        if not job_ids:
            return set()
        with translated():
            scores: Any = self._redis.zmscore(f"{PREFIX}tombs", list(job_ids))
        return {job_id for job_id, score in zip(job_ids, scores, strict=True) if score is not None}

    def _range(self, place: str, limit: int, *, until: int | None = None) -> list[str]:
        with translated():
            found: Any = self._redis.zrangebyscore(
                f"{PREFIX}{place}", "-inf", self.now() if until is None else until, start=0, num=limit
            )
        return [job_id.decode() for job_id in found]

    def _remove(self, place: str, job_ids: Iterable[str]) -> None:
        ids = list(job_ids)
        if ids:
            with translated():
                self._redis.zrem(f"{PREFIX}{place}", *ids)

    # ---- priorities -----------------------------------------------------------------------------------------

    def pause(self, priority: Priority) -> None:
        self._pause("", priority.value)

    def resume(self, priority: Priority) -> None:
        with translated():
            self._redis.srem(f"{PREFIX}paused", priority.value)

    def paused(self) -> frozenset[Priority]:
        with translated():
            members: Any = self._redis.smembers(f"{PREFIX}paused")
        return frozenset(p for p in PRIORITIES if p.value.encode() in members)

    # ---- whose Redis this is --------------------------------------------------------------------------------

    def installation(self) -> str | None:
        with translated():
            value: Any = self._redis.get(f"{PREFIX}installation")
        return value.decode() if value else None

    def set_installation(self, value: str, *, only_if_unset: bool = False) -> None:
        with translated():
            self._redis.set(f"{PREFIX}installation", value, nx=only_if_unset)

    def is_empty(self) -> bool:
        with translated():
            return not self._redis.exists(f"{PREFIX}jobs")

    def ping(self) -> None:
        """Raises QueueUnavailable if Redis does not answer."""
        with translated():
            self._redis.ping()
