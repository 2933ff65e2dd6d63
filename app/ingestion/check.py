"""Is anything lost, doubled or left over? The seven invariants over everything that Redis and the blob store hold.

I1 every 202 has a record · I2 every record is in exactly one terminal state, reached once a run · I3 one committed
result per completed job, its text a function of the upload · I4 blobs are those of records that may still need them ·
I5 every live record is in exactly one place · I6 attempts and losses are bounded · I7 a client's view never goes back.

Changes nothing. Meant for a system that was drained; on one that is at work the jobs under way are told apart from
what is wrong: Redis is read in slices, each at one moment, and a blob that is missed is looked for again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from app.adapters.blob_store import StoredResult, StoredUpload
from app.adapters.evidence import SLICE, Evidence, JobEvidence, Stray
from app.adapters.places import SPENT_AFTER_MS
from app.adapters.result_file import ResultReader
from app.domain.job import SCHEMA, Job, JobStatus
from app.errors import StorageFailed
from app.ingestion.housekeeping import PRUNE_RESULT_AFTER, RESTORE_AFTER
from app.ingestion.invariants import Violation, of_job
from app.ingestion.story import story_of
from app.services import Services

#: How much later than its rule says something may be cleared away (seconds): sweeps and batches go in slices.
GRACE_SECONDS = 600.0
#: A failure that says itself that the upload is not there, or not what it was.
_Thing = TypeVar("_Thing")
_WITHOUT_BYTES = frozenset({"blob_missing", "blob_corrupt"})


@dataclass
class Report:
    """`unfinished` says what is still under way, and how much of it; none: the system is drained."""

    jobs: int = 0
    results: int = 0
    unfinished: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)


def check(
    services: Services,
    *,
    accepted: Iterable[str] = (),
    texts: Mapping[str, str] | None = None,
    grace: float = GRACE_SECONDS,
) -> Report:
    """`accepted` are ids that were answered with a 202 and not deleted since; `texts` what must have been read of them.

    Raises QueueUnavailable, StorageUnavailable.
    """
    return _Check(services, dict(texts or {}), grace).run([*accepted, *(texts or {})])


class _Check:
    def __init__(self, services: Services, texts: dict[str, str], grace: float) -> None:
        self._services, self._texts, self._grace = services, texts, grace
        self._evidence = Evidence(services.redis)
        self._report = Report()
        self._read: dict[tuple[str, ...], tuple[str, str]] = {}
        self._now = services.jobs.now()

    def run(self, accepted: Sequence[str]) -> Report:
        for job_ids in _slices(dict.fromkeys(accepted)):
            for seen in self._evidence.of(job_ids):
                if seen.job is None:
                    self._broken("I1", seen.job_id, "was accepted and has no record")
        for seen in self._evidence.each():
            self._look_at(seen)
        for stray in self._evidence.strays():
            self._broken(*_meaning(stray))
        self._uploads()
        self._results()
        self._deliveries()
        return self._report

    def _broken(self, invariant: str, job_id: str, what: str) -> None:
        self._report.violations.append(Violation(invariant, job_id, what))

    # ---- records --------------------------------------------------------------------------------------------

    def _look_at(self, seen: JobEvidence) -> None:
        self._report.jobs += 1
        self._report.violations += of_job(seen, self._services.policy)
        job = seen.job
        if job is None or job.schema > SCHEMA:
            return
        if not job.status.is_final:
            self._report.unfinished[f"{job.status.value} jobs"] += 1
        if job.status is JobStatus.COMPLETED:
            self._result_of(job)
        else:
            self._bytes_of(job)
        if "spent" in seen.places and seen.places["spent"] + self._grace * 1000 < self._now:
            self._broken("I4", job.id, "its upload has done its duty, and the sweep has not removed it")

    def _still(self, job: Job) -> bool:
        """Is that still the record? What was missed between two looks may have been removed rightly."""
        return self._services.jobs.get(job.id) == job

    def _bytes_of(self, job: Job) -> None:
        if job.failure is not None and job.failure.code in _WITHOUT_BYTES:
            return
        try:
            manifest = self._services.blobs.manifest(job.id)
        except StorageFailed:
            manifest = None
        if (manifest is None or (manifest.size, manifest.sha256) != (job.file.size, job.file.sha256)) and self._still(
            job
        ):
            self._broken("I4", job.id, f"is {job.status.value} and its upload is {'other' if manifest else 'missing'}")

    # ---- results --------------------------------------------------------------------------------------------

    def _result_of(self, job: Job) -> None:
        self._report.results += 1
        try:
            with self._services.blobs.open_result(job.id, job.result_token or "-") as file:
                reader = ResultReader(file)
                data, document = b"".join(reader.iter_text()), reader.document
        except (StorageFailed, ValueError) as error:
            if self._still(job):
                self._broken("I3", job.id, f"is completed and its result is {getattr(error, 'code', 'nameless')}")
            return
        if {document.get("sha256"), (job.result or {}).get("sha256")} != {job.file.sha256}:
            self._broken("I3", job.id, "its result was read from other bytes than were uploaded")
        if job.id in self._texts and data.decode("utf-8", "replace") != self._texts[job.id]:
            self._broken("I3", job.id, "its result is another text than was uploaded")
        # the same bytes read by the same engine, with nothing left out, are the same text
        same = (job.file.sha256, job.file.type, str(document.get("engine")), str(document.get("warnings")))
        digest = hashlib.sha256(data).hexdigest()
        earlier, twin = self._read.setdefault(same, (digest, job.id))
        if earlier != digest:
            self._broken("I3", job.id, f"its text differs from that of {twin}, which is of the same bytes")

    # ---- the blob store -------------------------------------------------------------------------------------

    def _uploads(self) -> None:
        after = ""
        while page := self._services.blobs.list_uploads(after):
            for uploads in _slices(page):
                for upload, seen in zip(uploads, self._evidence.of([u.job_id for u in uploads]), strict=True):
                    self._upload(upload, seen)
            after = page[-1].job_id

    def _upload(self, upload: StoredUpload, seen: JobEvidence) -> None:
        if seen.buried_at is not None:
            if seen.buried_at + self._grace * 1000 < self._now:
                self._broken("I4", upload.job_id, "was deleted, and its upload is still there")
        elif seen.job is None:
            if upload.age_seconds > RESTORE_AFTER + self._grace:
                self._broken("I1", upload.job_id, "its bytes were stored, and it has no record")
            else:
                self._report.unfinished["uploads without a record yet"] += 1
        elif seen.job.status is JobStatus.COMPLETED and "spent" not in seen.places:
            due = (seen.job.completed_at or 0) + SPENT_AFTER_MS + self._grace * 1000
            if due < self._now and self._services.blobs.manifest(upload.job_id) is not None:
                self._broken("I4", upload.job_id, "is completed, and nobody will remove its upload")

    def _results(self) -> None:
        after = ""
        while page := self._services.blobs.list_results(after):
            for results in _slices(page):
                for result, seen in zip(results, self._evidence.of([r.job_id for r in results]), strict=True):
                    self._stored_result(result, seen.job)
            after = page[-1].job_id

    def _stored_result(self, result: StoredResult, job: Job | None) -> None:
        wanted = job is not None and (job.status is not JobStatus.COMPLETED or job.result_token == result.token)
        if not wanted and result.age_seconds > PRUNE_RESULT_AFTER + self._grace:
            self._broken("I4", result.job_id, f"no record points to its result {result.token[:8]}")
        elif job is None:
            self._report.unfinished["results without a record"] += 1

    # ---- the queues -----------------------------------------------------------------------------------------

    def _deliveries(self) -> None:
        for priority, (lying, waiting) in self._evidence.deliveries().items():
            if lying != waiting:
                what = "missing" if lying < waiting else "surplus"
                self._report.unfinished[f"{what} deliveries of priority {priority.value}"] += abs(lying - waiting)


def _meaning(stray: Stray) -> tuple[str, str, str]:
    if stray.where == "key":
        return "I1", stray.job_id, "an Idempotency-Key names it, and it has no record"
    if stray.where == "hash":
        return "I5", stray.job_id, "has a record and stands in no list"
    return "I5", stray.job_id, f"has no record, and something is left of it: {stray.where}"


def _slices(things: Iterable[_Thing]) -> Iterator[list[_Thing]]:
    rest = iter(things)
    while slice_ := list(islice(rest, SLICE)):
        yield slice_


def lines_of(services: Services, report: Report, *, stories: int = 20) -> Iterator[str]:
    """The report in words; each violation with its job's whole history, for the first `stories` jobs."""
    told: set[str] = set()
    for violation in report.violations:
        yield str(violation)
        if violation.job_id and violation.job_id not in told and len(told) < stories:
            told.add(violation.job_id)
            yield from (f"    {line}" for line in story_of(services, violation.job_id))
    if report.unfinished:
        yield "not drained: " + ", ".join(f"{n} {what}" for what, n in sorted(report.unfinished.items()))
    yield f"{report.jobs} jobs, {report.results} results, {len(report.violations)} violations"
