"""After Redis was wiped, or is another one: the stored files are adopted. Every accepted job runs again, and what was
finished is listed from its result.

Only the last step writes the store's id into Redis. Until then uploads, batch and housekeeping refuse to work, so that
nothing is pruned that is still to be listed; a rebuild that was killed is simply called again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from app.adapters.blob_store import StoredResult, StoredUpload
from app.adapters.result_file import ResultReader
from app.domain.job import Job
from app.errors import RequestRefused, StorageFailed
from app.ingestion.housekeeping import restore
from app.ingestion.relist import finished, has_facts
from app.ingestion.submit import manifest_of, manifest_print
from app.services import Services

#: How many files are looked at together, between two words about how far it is.
SLICE = 500
#: Threads that ask the store at once: a bucket takes its time for each answer.
ASKING = 8

_Stored = TypeVar("_Stored", StoredUpload, StoredResult)


@dataclass(frozen=True)
class Rebuilt:
    """The installation that both sides carry now, and what became of the files; `unknown` results were whole, but
    written by a version that did not store the facts of the job."""

    installation: str = ""
    uploads: int = 0
    restored: int = 0
    results: int = 0
    listed: int = 0
    unknown: int = 0


def rebuild(services: Services, *, tell: Callable[[Rebuilt], None] = lambda so_far: None) -> Rebuilt:
    """May be repeated; `tell` is called after each slice. Raises QueueUnavailable, StorageUnavailable."""
    stored = services.blobs.installation()
    if stored is None:
        stored = services.jobs.installation() or services.binding()
        services.blobs.set_installation(stored)
    with ThreadPoolExecutor(ASKING) as pool:
        rebuilt = _Rebuild(services, pool, tell).run()
    services.jobs.set_installation(stored)
    return replace(rebuilt, installation=stored)


class _Rebuild:
    def __init__(self, services: Services, pool: ThreadPoolExecutor, tell: Callable[[Rebuilt], None]) -> None:
        self._services, self._pool, self._tell = services, pool, tell
        self._noted = services.jobs.installation() or ""  # what Redis says as long as it is not the store's

    def run(self) -> Rebuilt:
        """Uploads first: a job whose file is there runs again, whatever it has left among the results."""
        done = Rebuilt()
        for uploads in _slices(self._services.blobs.list_uploads):
            oldest_first = sorted(uploads, key=lambda upload: -upload.age_seconds)  # they wait in the order of arrival
            job_ids = self._without_record([upload.job_id for upload in oldest_first])
            restored = sum(self._pool.map(self._restore, job_ids))
            done = replace(done, uploads=done.uploads + len(uploads), restored=done.restored + restored)
            self._tell(done)
        for results in _slices(self._services.blobs.list_results):
            tokens: dict[str, list[str]] = {}
            for result in results:
                tokens.setdefault(result.job_id, []).append(result.token)
            wanted = [(job_id, tokens[job_id]) for job_id in self._without_record(list(tokens))]
            outcomes = list(self._pool.map(self._list, wanted))
            done = replace(
                done,
                results=done.results + len(results),
                listed=done.listed + outcomes.count("listed"),
                unknown=done.unknown + outcomes.count("unknown"),
            )
            self._tell(done)
        return done

    def _without_record(self, job_ids: Sequence[str]) -> list[str]:
        records = self._services.jobs.get_many(job_ids)
        return [job_id for job_id, record in zip(job_ids, records, strict=True) if record is None]

    def _restore(self, job_id: str) -> int:
        return restore(self._services, job_id, self._noted)

    def _list(self, found: tuple[str, list[str]]) -> str:
        """`listed`, `unknown`, or nothing where no result of that job is whole or the job was deleted."""
        job_id, tokens = found
        jobs, unknown = [], ""
        for token in tokens:
            try:
                job = self._finished(job_id, token)
            except StorageFailed:  # torn: its worker died while it wrote
                continue
            if job is None:
                unknown = "unknown"
            else:
                jobs.append(job)
        if not jobs:
            return unknown
        last = max(jobs, key=lambda job: job.updated_at)  # the claim that wrote later held the job later
        try:
            self._services.jobs.add(last, installation=self._noted, fingerprint=manifest_print(manifest_of(last)))
        except RequestRefused:  # deleted
            return ""
        return "listed"

    def _finished(self, job_id: str, token: str) -> Job | None:
        with self._services.blobs.open_result(job_id, token) as file:
            document = ResultReader(file).document
        return finished(document, job_id, token) if has_facts(document) else None


def _slices(list_page: Callable[[str, int], list[_Stored]]) -> Iterator[list[_Stored]]:
    after = ""
    while page := list_page(after, SLICE):
        yield page
        after = page[-1].job_id
