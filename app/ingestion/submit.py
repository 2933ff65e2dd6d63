"""One upload on its way in: the bytes are durable before the record, the record before the notice."""

from __future__ import annotations

import time
from dataclasses import replace

import structlog

from app.adapters.blob_store import Manifest, UploadWriter
from app.adapters.idempotency import KeyHold, digest, fingerprint
from app.domain.ids import new_job_id
from app.domain.job import FileInfo, Job, Priority
from app.errors import QueueUnavailable, StorageFailed, StorageUnavailable, ValidationFailed
from app.ingestion.waiting import seconds_to_drain, snapshot_of
from app.services import Services

#: The hold on an Idempotency-Key is renewed at most that often while bytes arrive, in seconds.
TOUCH_SECONDS = 5.0

#: Who was refused for overload is asked to come back when that share of the waiting jobs is worked off.
ROOM_TO_COME_BACK = 0.01

log = structlog.get_logger()


class Intake:
    """From the first byte to the job. Whoever opens one ends it with `accept` or `abandon`."""

    def __init__(
        self, services: Services, *, idempotency_key: str | None = None, request_id: str | None = None
    ) -> None:
        """Raises QueueUnavailable (also `overloaded`), ValidationFailed `idempotency_running`, before a byte is read."""
        self._services, self._request_id = services, request_id
        self._installation = services.recent_binding()
        self._refuse_overload()
        services.jobs.now()  # from here on the time is known without Redis
        self._key = digest(idempotency_key) if idempotency_key else None
        self._owner = services.keys.new_owner()
        self._touched = time.monotonic()
        self._queue_left = False
        self._hold = self._take_key(new_job_id())
        self.job_id = self._hold.job_id

    def open(self, expected_bytes: int | None = None) -> UploadWriter:
        """Where the bytes go. Raises StorageUnavailable `storage_full` while it is cheap to say so."""
        free = self._services.blobs.room_for_uploads()
        if free is not None and free - (expected_bytes or 0) < self._services.settings.min_free_bytes:
            raise StorageUnavailable("storage_full", retry_after=60)
        return self._services.blobs.new_upload()

    def touch(self) -> None:
        """Bytes arrive: the key stays ours. Cheap; call it with each chunk."""
        at = time.monotonic()
        if self._key and self._hold.state == "ours" and at - self._touched > TOUCH_SECONDS:
            self._touched = at
            self._take_key(self.job_id)

    def accept(
        self, *, filename: str, media_type: str, priority: Priority, user_id: str | None, writer: UploadWriter
    ) -> Job:
        """Makes the bytes, then the record, then the notice; a repeat under the same key gives the job that is there.

        Raises ValidationFailed `idempotency_mismatch`, StorageUnavailable, QueueUnavailable.
        """
        print_ = fingerprint(sha256=writer.sha256, name=filename, priority=priority.value, user_id=user_id)
        earlier = self._repeated(print_)
        if earlier is not None:
            writer.discard()
            return earlier
        file = FileInfo(filename, writer.size, media_type, writer.sha256)
        now = self._services.jobs.clock.known_now()  # nothing is asked of Redis until the bytes are safe
        job = Job.new(
            self.job_id,
            priority=priority,
            file=file,
            now=now,
            user_id=user_id,
            idempotency_key=self._key,
            request_id=self._request_id,
        )
        writer.commit(manifest_of(job))
        try:
            added = add_and_deliver(self._services, job, installation=self._installation, print_=print_)
        except QueueUnavailable:
            self._queue_left = True
            raise
        if not _is_same(added, job):  # it ended while ours was held up, and its bytes had gone
            raise ValidationFailed("idempotency_mismatch")
        return added

    def abandon(self) -> None:
        """The upload failed: a repeat under the same key may go on at once.

        Where Redis has just not answered it is not asked again: the client has waited long enough.
        """
        if self._key and self._hold.state == "ours" and not self._queue_left:
            try:
                self._services.keys.let_go(self._key, owner=self._owner)
            except QueueUnavailable:
                pass  # the hold runs out by itself

    # ---- the key ----------------------------------------------------------------------------------------------

    def _take_key(self, job_id: str) -> KeyHold:
        if self._key is None:
            return KeyHold("ours", job_id)
        hold = self._services.keys.hold(self._key, job_id=job_id, owner=self._owner)
        if hold.state == "running":
            raise ValidationFailed("idempotency_running", retry_after=2)
        return hold

    def _repeated(self, print_: str) -> Job | None:
        """The job that an earlier upload under this key has made. Raises `idempotency_mismatch` for other content."""
        if self._key is None:
            return None
        if self._hold.state == "done":
            if self._hold.fingerprint != print_:
                raise ValidationFailed("idempotency_mismatch")
            return self._services.jobs.get(self.job_id)
        manifest = self._services.blobs.manifest(self.job_id)  # of a forerunner that died before its record
        if manifest is not None and manifest_print(manifest) != print_:
            raise ValidationFailed("idempotency_mismatch")
        return None

    def _refuse_overload(self) -> None:
        """The client is told when there will be room again, by the rate at which jobs are worked off."""
        most = self._services.settings.max_waiting_jobs
        surplus = snapshot_of(self._services).waiting - most
        if surplus >= 0:
            jobs = surplus + max(1, round(most * ROOM_TO_COME_BACK))
            raise QueueUnavailable("overloaded", retry_after=max(1, min(seconds_to_drain(self._services, jobs), 600)))


def _is_same(there: Job, sent: Job) -> bool:
    """Of a job that is there the priority may have been changed by hand: it says nothing of what was asked for."""
    return manifest_of(replace(there, priority=sent.priority)).tells_of(manifest_of(sent))


def manifest_of(job: Job) -> Manifest:
    """What is stored beside the bytes: enough to make the job again."""
    return Manifest(
        job_id=job.id,
        name=job.file.name,
        type=job.file.type,
        size=job.file.size,
        sha256=job.file.sha256,
        priority=job.priority.value,
        user_id=job.user_id,
        idempotency_key=job.idempotency_key,
        created_at=job.created_at,
    )


def manifest_print(manifest: Manifest) -> str:
    return fingerprint(sha256=manifest.sha256, name=manifest.name, priority=manifest.priority, user_id=manifest.user_id)


def restored(manifest: Manifest) -> Job:
    """The job that the manifest tells of, as it was accepted, or moved since. Raises StorageFailed for a priority that there is not."""
    try:
        priority = Priority(manifest.moved_to or manifest.priority)
    except ValueError as error:
        raise StorageFailed("blob_corrupt") from error
    file = FileInfo(manifest.name, manifest.size, manifest.type, manifest.sha256)
    return Job.new(
        manifest.job_id,
        priority=priority,
        file=file,
        now=manifest.created_at,
        user_id=manifest.user_id,
        idempotency_key=manifest.idempotency_key,
    )


def add_and_deliver(services: Services, job: Job, *, installation: str, print_: str = "") -> Job:
    """The record, then the notice. A notice that is lost is repaired by the sweep, and so is no error."""
    added = services.jobs.add(job, installation=installation, fingerprint=print_)
    try:
        services.queues.deliver(added)
    except QueueUnavailable:
        log.warning("notice_lost", job_id=job.id)
    return added
