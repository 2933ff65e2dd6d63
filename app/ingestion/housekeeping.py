"""What the batch does after its jobs, in slices: restore what has bytes and no record, prune what nothing needs,
expire what is old. The blob store outlives Redis, so whatever was accepted is restored and never pruned."""

from __future__ import annotations

import structlog

from app.adapters.places import SPENT_AFTER_MS
from app.domain.job import Job, JobStatus
from app.errors import IngestError, QueueUnavailable, RequestRefused, StorageFailed
from app.ingestion.cleanup import expire
from app.ingestion.submit import add_and_deliver, manifest_print, restored
from app.services import Services

SLICE = 500
#: Bytes with a manifest but no record are somebody's accepted upload when they are older than this (seconds).
RESTORE_AFTER = 60.0
#: A result that no record points to is left alone for that long: its worker may be about to say so (seconds).
PRUNE_RESULT_AFTER = 3_600.0
#: Unfinished files of broken uploads go a day after their last write (seconds).
PRUNE_PARTIAL_AFTER = 86_400.0
#: A tombstone stays for two days, and then until its bytes are seen gone (ms).
TOMB_LIFE_MS = 2 * 86_400_000

log = structlog.get_logger()


def keep_house(services: Services) -> int:
    """One slice of each duty; gives how many old jobs were removed. Raises QueueUnavailable, StorageUnavailable."""
    installation = services.binding()  # a Redis that is not this store's must not make its uploads look like rubbish
    look_at_uploads(services, installation)
    prune_results(services)
    services.blobs.prune_partials(PRUNE_PARTIAL_AFTER)
    bury_deeper(services)
    return expire(services, limit=SLICE)


def look_at_uploads(services: Services, installation: str, *, older_than: float = RESTORE_AFTER) -> int:
    """The next slice of uploads. Those without a record become waiting jobs again (gives how many). Those of deleted jobs
    go, whose deletion was killed half way; and what was stored once more after its job was completed: the sweep had
    removed it before, and does not look again."""
    uploads = services.blobs.list_uploads(services.notes.cursor("uploads"), SLICE)
    records = services.jobs.get_many([upload.job_id for upload in uploads])
    alone = [upload for upload, record in zip(uploads, records, strict=True) if record is None]
    buried = services.jobs.buried([upload.job_id for upload in alone])
    spent = {job.id for job in records if job is not None and _is_spent(services, job)}
    for upload in uploads:
        if upload.job_id in buried or (upload.job_id in spent and upload.age_seconds >= older_than):
            services.blobs.delete_upload(upload.job_id)
    lost = [upload for upload in alone if upload.job_id not in buried and upload.age_seconds >= older_than]
    oldest_first = sorted(lost, key=lambda upload: -upload.age_seconds)  # as they came in: so the line gives its places
    count = _restore_all(services, [upload.job_id for upload in oldest_first], installation)
    services.notes.move_cursor("uploads", _next_start([upload.job_id for upload in uploads]))
    return count


def _restore_all(services: Services, job_ids: list[str], installation: str) -> int:
    """Until Redis refuses: it may be full, and then needs all that the batch does besides. The walk comes round again."""
    count = 0
    for job_id in job_ids:
        try:
            count += restore(services, job_id, installation)
        except QueueUnavailable:
            log.warning("restore_refused", job_id=job_id)
            break
    return count


def _is_spent(services: Services, job: Job) -> bool:
    ended = job.completed_at or 0
    return job.status is JobStatus.COMPLETED and ended + SPENT_AFTER_MS < services.jobs.now()


def restore(services: Services, job_id: str, installation: str) -> int:
    """The upload's job waits again: 1, or 0 where there is none to restore. Raises QueueUnavailable, StorageUnavailable."""
    try:
        manifest = services.blobs.manifest(job_id)
        if manifest is None or services.jobs.is_buried(job_id):
            return 0
        job = restored(manifest)
    except StorageFailed:  # it stays for whoever looks into it, and holds up nobody else's
        log.warning("manifest_not_readable", job_id=job_id)
        return 0
    try:
        add_and_deliver(services, job, installation=installation, print_=manifest_print(manifest))
    except RequestRefused:  # deleted meanwhile
        return 0
    log.warning("job_restored", job_id=job_id)
    return 1


def prune_results(services: Services) -> int:
    """Results are listed first and the record read after, so that none is taken for rubbish that became current.

    Those of a deleted job go at once: nothing may be left of it that a rebuild could list."""
    results = services.blobs.list_results(services.notes.cursor("results"), SLICE)
    buried = services.jobs.buried([result.job_id for result in results])
    old = [result for result in results if result.age_seconds >= PRUNE_RESULT_AFTER or result.job_id in buried]
    records = services.jobs.get_many([result.job_id for result in old])
    count = 0
    for result, job in zip(old, records, strict=True):
        current = job is not None and (job.status is not JobStatus.COMPLETED or job.result_token == result.token)
        if not current:
            services.blobs.delete_result(result.job_id, result.token)
            count += 1
    services.notes.move_cursor("results", _next_start([result.job_id for result in results]))
    return count


def _next_start(slice_ids: list[str]) -> str:
    """Where the walk goes on: at the start again when this slice was the last, so that no batch looks at nothing."""
    return slice_ids[-1] if len(slice_ids) >= SLICE else ""


def bury_deeper(services: Services) -> None:
    """Tombstones that have stood long enough; a last time their bytes are removed, whoever may have brought them since."""
    oldest = services.jobs.tombs(until=services.jobs.now() - TOMB_LIFE_MS, limit=SLICE)
    done = []
    for job_id in oldest:
        try:
            services.blobs.delete_upload(job_id)
        except IngestError:
            continue
        done.append(job_id)
    services.jobs.forget_tombs(done)
