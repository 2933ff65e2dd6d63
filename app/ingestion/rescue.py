"""The sweep: offered twice a second by a thread in every process, run by whoever wins; each step is one compare-and-set.

It finds what a kill, a lost notice or a lost answer left behind: claims whose holder is dead, retries that are due,
deliveries that are missing or too many, uploads that have done their duty.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
import structlog

from app.adapters.job_queues import JobQueues
from app.adapters.job_store import LEASE_MS, JobStore, Lease
from app.adapters.sweep_notes import Outlook, SweepNotes
from app.domain.job import PRIORITIES, Job, JobStatus, Priority
from app.errors import IngestError, QueueUnavailable, RequestRefused, StorageUnavailable
from app.services import Services

EVERY_SECONDS = 0.5
#: While Redis is away: the sooner somebody sees it back, the fewer claims are taken for older than its return.
AWAY_SECONDS = 0.1
#: A holder that was missed among Redis's clients for that long, in look after look, is dead: four turns, less what they may
#: come early and take themselves. One that lives and lost its connections is back at its next renewal, within a second.
MISSED_MS = 1_750
#: After a time in which nobody looked (Redis stood still, or all who sweep did) who had a claim has that long to come back.
CALM_MS = 3_000
#: Of a sweep, for removing what has done its duty; the rest is for the next one.
REMOVING_SECONDS = 0.2

log = structlog.get_logger()


@dataclass
class Swept:
    """What one sweep did, in numbers."""

    rescued: int = 0
    staged: int = 0
    delivered: int = 0
    removed: int = 0


class Sweep:
    def __init__(
        self,
        services: Services,
        client: redis.Redis | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`client` is the sweep's own, without retries, so that an outage is felt and not waited out."""
        self._services, self._clock = services, clock
        self.is_away = False
        self._jobs = services.jobs if client is None else JobStore(client)
        self._queues = services.queues if client is None else JobQueues(client)
        self._notes = services.notes if client is None else SweepNotes(client)

    def offer(self) -> Swept | None:
        """One turn, if nobody else has it. An outage of Redis is noted, not raised."""
        try:
            swept = self.run() if self._notes.take_turn(self._services.name) else None
        except QueueUnavailable:
            self.is_away = True
            return None
        self.is_away = False
        return swept

    def run(self) -> Swept:
        """All duties once. Raises QueueUnavailable."""
        swept = Swept()
        self._judge(swept)
        self._stage(swept)
        self._balance(swept)
        self._remove_spent(swept)
        return swept

    # ---- who is dead ----------------------------------------------------------------------------------------

    def _judge(self, swept: Swept) -> None:
        leases = self._jobs.leases()
        seen = self._notes.outlook()
        if not leases:
            return
        renewed = {lease.holder: lease.renewed for lease in leases if lease.holder}
        missed = self._notes.missed_for(renewed, looked_at=seen.now)
        dead = {holder for holder, age in missed.items() if age >= MISSED_MS}
        for lease in leases:
            if self._is_lost(lease, dead=dead, seen=seen):
                swept.rescued += self._declare_lost(lease, seen=seen)

    @staticmethod
    def _is_lost(lease: Lease, *, dead: set[str], seen: Outlook) -> bool:
        """After an outage a claim from before it is judged only when a whole lease has passed: its holder may come
        back first and keep its job. Who claimed since then was back already."""
        if seen.is_older(lease.since) and seen.now < seen.back + LEASE_MS:
            return False
        is_watched = lease.since >= seen.steady or seen.now >= seen.steady + CALM_MS + MISSED_MS
        return (lease.holder in dead and is_watched) or lease.deadline < seen.now

    def _declare_lost(self, lease: Lease, *, seen: Outlook) -> bool:
        """A claim from before an outage goes back uncounted: its holder may have ended it in the second that Redis
        forgot, or have died with the whole machine, and neither is the file's fault."""
        job = self._jobs.get(lease.job_id)
        if job is None or job.status is not JobStatus.PROCESSING:
            return False
        now = self._jobs.now()
        new = job.given_back(now=now) if seen.is_older(lease.since) else job.lost(now=now)
        try:
            if not self._jobs.replace(job, new, lease=lease.deadline):
                return False
        except RequestRefused:  # of a newer version, whose own sweep looks after it
            return False
        log.warning("worker_lost", job_id=job.id, request_id=job.request_id, holder=lease.holder, losses=new.losses)
        self._follow_up(job, new)
        return True

    def _follow_up(self, job: Job, lost: Job) -> None:
        if job.claim is not None:
            self._services.workers.forget(job.claim.holder)
            self._queues.forget_worker(job.claim.holder)
        if lost.status is JobStatus.PENDING:
            self._queues.deliver(lost)
        elif lost.status is JobStatus.FAILED:
            self._queues.note_failed(lost, keep_seconds=self._services.settings.retention_days * 86_400)

    # ---- what is due ----------------------------------------------------------------------------------------

    def _stage(self, swept: Swept) -> None:
        for job_id, priority in self._jobs.stage():
            swept.staged += 1
            if not self._notify(priority, job_id):
                return

    def _balance(self, swept: Swept) -> None:
        for priority in PRIORITIES:
            missing = self._queues.balance(priority)
            for job_id in self._jobs.waiting_ids(priority, missing) if missing else ():
                if not self._notify(priority, job_id):
                    return
                swept.delivered += 1

    def _notify(self, priority: Priority, job_id: str) -> bool:
        """A Redis that is full takes no delivery: a later sweep's count makes it, and the batch needs none."""
        try:
            self._queues.notify(priority, job_id)
        except QueueUnavailable:
            return False
        return True

    def _remove_spent(self, swept: Swept) -> None:
        """Uploads of jobs that were completed a minute ago: nothing leaves that state, so they are not needed again.
        As many as go in a short time: a bucket takes milliseconds for each, and the next look at the living is due."""
        done: list[str] = []
        give_up = self._clock() + REMOVING_SECONDS
        for job_id in self._jobs.spent():
            try:
                self._services.blobs.delete_upload(job_id)
            except StorageUnavailable:
                break
            done.append(job_id)
            if self._clock() >= give_up:
                break
        self._jobs.forget_spent(done)
        swept.removed += len(done)


class SweepThread(threading.Thread):
    """Offers the sweep twice a second for as long as the process lives."""

    def __init__(self, services: Services) -> None:
        super().__init__(name="sweep", daemon=True)
        self._services = services
        self._sweep = Sweep(services, services.sweep_client if services.url else None)
        self._end = threading.Event()

    def run(self) -> None:
        while True:
            try:
                self._sweep.offer()
            except IngestError as error:
                log.warning("sweep_broke_off", code=error.code)
            except Exception:
                log.exception("sweep_failed")
            if self._end.wait(AWAY_SECONDS if self._sweep.is_away else EVERY_SECONDS):
                return

    def stop(self) -> None:
        self._end.set()
