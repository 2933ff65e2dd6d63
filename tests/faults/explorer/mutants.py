"""Each safeguard taken out once: the explorer has to find what it is there for, or it proves nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from app.adapters.job_queues import JobQueues
from app.adapters.job_store import JobStore
from app.adapters.result_file import ResultReader
from app.domain.job import Job
from app.errors import StorageFailed
from app.ingestion import cancel, housekeeping, process
from app.ingestion.holding import Holding
from app.ingestion.rescue import Sweep
from tests.faults.explorer import casts
from tests.faults.explorer.cast import Found
from tests.faults.explorer.casts import CASTS
from tests.faults.explorer.search import Search
from tests.faults.explorer.world import World

#: A search without the safeguard gives up after that many states.
MOST = 60_000


@dataclass(frozen=True)
class Mutant:
    """What is taken out, and the cast in which that does harm."""

    name: str
    cast: str
    without: Callable[[World], AbstractContextManager[object]]

    def search(self) -> Found:
        cast = next(cast for cast in CASTS if cast.name == self.cast)
        for faults in range(cast.faults + 1):  # the fewest crashes first: a schedule with fewer is soon found
            search = Search(replace(cast, faults=faults), most=MOST, seed=1)
            with self.without(search.world):
                found = search.run()
            if found.violations:
                return found
        return found


def script(name: str, old: str, new: str) -> Callable[[World], AbstractContextManager[object]]:
    @contextlib.contextmanager
    def without(world: World) -> Iterator[None]:
        world.replace_script(name, old, new)
        yield

    return without


def code(target: object, name: str, new: Any) -> Callable[[World], AbstractContextManager[object]]:
    return lambda world: mock.patch.object(target, name, new)


def _replaced_at_any_lease(store: JobStore, old: Job, new: Job, *, lease: int | None = None) -> bool:
    return _REPLACE(store, old, new)


def _refused_is_gone(holding: Holding, change: Callable[[Job, int], Job]) -> bool:
    new = change(holding._job, holding._jobs.now())
    if holding._jobs.replace(holding._job, new):
        holding._job = new
        return True
    return False


def _pointed_to(services: Any, holding: Holding) -> Job | None:
    """As it was: the record points to what another claim wrote, which may drop it at that moment."""
    for token in services.blobs.results_of(holding.job.id):
        with contextlib.suppress(StorageFailed), services.blobs.open_result(holding.job.id, token) as file:
            found = ResultReader(file).document
            end = process._completed_with(found)
            return holding.end(lambda job, now, end=end, token=token: replace(end(job, now), result_token=token))
    return None


def _pruned_though_live(services: Any) -> int:
    for result in services.blobs.list_results():
        job = services.jobs.get(result.job_id)
        if job is None or job.result_token != result.token:
            services.blobs.delete_result(result.job_id, result.token)
    return 0


def _lost_for_ever(job: Job, *, now: int) -> Job:
    return _LOST(replace(job, losses=0), now=now)


def _bytes_first(services: Any, job_id: str, *, only_final: bool = False) -> bool:
    """The upload is removed before the record says that it may be."""
    services.blobs.delete_upload(job_id)
    return _DELETE(services, job_id, only_final=only_final)


_REPLACE, _LOST, _DELETE = JobStore.replace, Job.lost, cancel.delete
_BOTH = "if (stands[1] or '') .. ':' .. (stands[2] or '') ~= ARGV[4] then return 0 end"
MUTANTS = (
    Mutant("the fence", "two workers, a sweep, a canceller", script("replace", _BOTH, "")),
    Mutant("the version in the fence", "two who cancel, one who retries", script("replace", _BOTH, "if (stands[2] or '') ~= string.match(ARGV[4], ':(.*)$') then return 0 end")),
    Mutant("the token in the fence", "Redis comes back a second older", script("replace", _BOTH, "if (stands[1] or '') ~= string.match(ARGV[4], '^(.*):') then return 0 end")),
    Mutant("the lease that was read", "two sweeps, a lease that ran out", code(JobStore, "replace", _replaced_at_any_lease)),
    Mutant("the look at the leases", "a worker, a whole sweep, time", code(Sweep, "_judge", lambda sweep, swept: None)),
    Mutant("the count in the sweep", "an upload", code(JobQueues, "balance", lambda queues, priority: 0)),
    Mutant("the staging of retries", "a failing worker, a sweep", code(JobStore, "stage", lambda store, limit=0: [])),
    Mutant("the tombstone", "deleted, and housekeeping late", script("bury", "redis.call('ZADD', prefix .. 'tombs', now, id)", "")),
    Mutant("the look at the tombs", "one key, deleted meanwhile", script("add", "if redis.call('ZSCORE', prefix .. 'tombs', id) then return {'deleted'} end", "if false then return {} end")),
    Mutant("only what is final is cleared away", "expired while it is retried", script("bury", "if ARGV[4] == '1' and", "if false and")),
    Mutant("a claim leaves the other places", "a retry that is due", script("claim", "redis.call('ZREM', prefix .. 'retrying', id)", "")),
    Mutant("a claim that was sent twice", "a worker, its lost answers", script("claim", "if held[1] == token then", "if false then")),
    Mutant("an own write that was refused", "a worker, its lost answers", code(Holding, "_replace", _refused_is_gone)),
    Mutant("a copy of another claim's result", "an upload that goes missing", code(process, "_rescued_result", _pointed_to)),
    Mutant("an id that is there already", "one key, the same once more", script("add", "if existing then return {'exists', existing} end", "")),
    Mutant("the id that a key keeps", "one key, two uploads", script("hold_key", "local id = entry[1] or ARGV[4]", "local id = ARGV[4]")),
    Mutant("a result that may still be committed", "pruned while it is worked on", code(housekeeping, "prune_results", _pruned_though_live)),
    Mutant("the restore of what has no record", "an upload", code(housekeeping, "restore", lambda *args: 0)),
    Mutant("the end of losses", "the third loss", code(Job, "lost", _lost_for_ever)),
    Mutant("record before bytes in a deletion", "deleted in mid-work", code(casts, "delete", _bytes_first)),
)  # fmt: skip

assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
assert {mutant.cast for mutant in MUTANTS} <= {cast.name for cast in CASTS}
