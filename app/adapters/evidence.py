"""What Redis holds about jobs, read as evidence: records, logs and places, in slices, each slice at one moment.

Reads only. Judges nothing: what may stand where is the business of `ingestion/invariants.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import redis
from rq import Queue

from app.adapters.job_store import JobStore
from app.adapters.redis_client import PREFIX, translated
from app.domain.job import PRIORITIES, Job, Priority
from app.errors import CATALOGUE

#: How many jobs are read in one transaction.
SLICE = 100
WAITING = tuple(f"waiting:{priority.value}" for priority in PRIORITIES)
#: Since when each of these waits; an older version adds nothing there.
SINCE = tuple(f"since:{priority.value}" for priority in PRIORITIES)
ENDED = ("ended:completed", "ended:failed", "ended:cancelled")
BY_CODE = tuple(f"failed:{code}" for code in CATALOGUE)
#: The sorted sets in which a job may stand.
PLACES = ("jobs", "pending", "retrying", "leases", "newer", "spent", *ENDED, *WAITING, *SINCE, *BY_CODE)


@dataclass(frozen=True)
class JobEvidence:
    """One job at one moment. `fields` are those of its hash but the record; `log_life` is in ms (-1: for ever)."""

    job_id: str
    job: Job | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    log: tuple[tuple[str, Job], ...] = ()
    log_life: int = -2
    places: Mapping[str, int] = field(default_factory=dict)
    buried_at: int | None = None


@dataclass(frozen=True)
class Stray:
    """Something that stands where no record is; `where` is a place, `log`, `hash` or `key`."""

    job_id: str
    where: str


class Evidence:
    """All methods raise QueueUnavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    # ---- jobs -----------------------------------------------------------------------------------------------

    def each(self) -> Iterator[JobEvidence]:
        """All jobs that are listed, oldest first."""
        start = 0
        while ids := self._listed(start):
            yield from self.of(ids)
            start += len(ids)

    def _listed(self, start: int) -> list[str]:
        with translated():
            found: Any = self._redis.zrange(f"{PREFIX}jobs", start, start + SLICE - 1)
        return [job_id.decode() for job_id in found]

    def of(self, job_ids: Sequence[str]) -> list[JobEvidence]:
        """What there is about each of these, at one moment."""
        if not job_ids:
            return []
        with translated():
            pipe: Any = self._redis.pipeline(transaction=True)
            for place in (*PLACES, "tombs"):
                pipe.zmscore(f"{PREFIX}{place}", list(job_ids))
            for job_id in job_ids:
                pipe.hgetall(f"{PREFIX}job:{job_id}")
                pipe.xrange(f"{PREFIX}log:{job_id}")
                pipe.pttl(f"{PREFIX}log:{job_id}")
            answers = pipe.execute()
        scores, rest = answers[: len(PLACES) + 1], answers[len(PLACES) + 1 :]
        return [
            _evidence(job_id, [row[n] for row in scores], *rest[3 * n : 3 * n + 3]) for n, job_id in enumerate(job_ids)
        ]

    # ---- what has no record ---------------------------------------------------------------------------------

    def strays(self) -> Iterator[Stray]:
        """Whatever is named after a job that has no record, or a record that is in no list."""
        for place in PLACES[1:]:
            yield from self._strays_in(place)
        with translated():
            keys: Iterator[bytes] = self._redis.scan_iter(f"{PREFIX}*", count=1000)
            for slice_ in iter(lambda: [key.decode()[len(PREFIX) :] for key in islice(keys, SLICE)], []):
                yield from self._stray_keys(slice_)

    def _strays_in(self, place: str) -> Iterator[Stray]:
        with translated():
            members: Iterator[Any] = self._redis.zscan_iter(f"{PREFIX}{place}", count=1000)
            for slice_ in iter(lambda: [member.decode() for member, _ in islice(members, SLICE)], []):
                for seen in self.of(self._unlisted(slice_)):
                    if place in seen.places and "jobs" not in seen.places:
                        yield Stray(seen.job_id, place)

    def _stray_keys(self, keys: Sequence[str]) -> Iterator[Stray]:
        named = [key.partition(":") for key in keys]
        for seen in self.of(self._unlisted([name for kind, _, name in named if kind in ("job", "log")])):
            if seen.job is not None and "jobs" not in seen.places:
                yield Stray(seen.job_id, "hash")
            elif seen.job is None and seen.log:
                yield Stray(seen.job_id, "log")
        for job_id in self._keyed([key for key, (kind, _, _) in zip(keys, named, strict=True) if kind == "idem"]):
            yield Stray(job_id, "key")

    def _unlisted(self, job_ids: Sequence[str]) -> list[str]:
        ids = list(dict.fromkeys(job_ids))
        if not ids:
            return []
        with translated():
            scores: Any = self._redis.zmscore(f"{PREFIX}jobs", ids)
        return [job_id for job_id, score in zip(ids, scores, strict=True) if score is None]

    def _keyed(self, keys: Sequence[str]) -> list[str]:
        """Jobs that an Idempotency-Key says are there, and are not; asked again, as they may be deleted meanwhile."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for key in keys:
                pipe.hmget(f"{PREFIX}{key}", ["job", "done"])
            named = [(key, job.decode()) for key, (job, done) in zip(keys, pipe.execute(), strict=True) if job and done]
            gone = set(self._unlisted([job_id for _, job_id in named]))
            return [job_id for key, job_id in named if job_id in gone and self._redis.exists(f"{PREFIX}{key}")]

    # ---- the queues -----------------------------------------------------------------------------------------

    def deliveries(self) -> dict[Priority, tuple[int, int]]:
        """Of each priority how many deliveries lie in its list and how many jobs wait, at one moment."""
        with translated():
            pipe = self._redis.pipeline(transaction=True)
            for priority in PRIORITIES:
                pipe.llen(f"{Queue.redis_queue_namespace_prefix}{priority.value}")
                pipe.zcard(f"{PREFIX}waiting:{priority.value}")
            numbers = pipe.execute()
        return {priority: (numbers[2 * n], numbers[2 * n + 1]) for n, priority in enumerate(PRIORITIES)}


def _evidence(
    job_id: str, scores: Sequence[float | None], fields: dict[bytes, bytes], log: list[Any], life: int
) -> JobEvidence:
    *standing, buried = scores
    return JobEvidence(
        job_id,
        JobStore.load(fields[b"record"]) if b"record" in fields else None,
        {name.decode(): value.decode() for name, value in fields.items() if name != b"record"},
        tuple((entry.decode(), JobStore.load(said[b"record"])) for entry, said in log),
        int(life),
        {place: int(score) for place, score in zip(PLACES, standing, strict=True) if score is not None},
        None if buried is None else int(buried),
    )
