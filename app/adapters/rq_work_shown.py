"""What rq-dashboard shows of the delivery that a worker has in hand: only of one that takes longer, for each showing costs a
round trip, and nothing of ours reads it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

import redis
from rq.job import Job as RqJob
from rq.queue import Queue
from rq.worker import WorkerStatus

from app.adapters.job_queues import BATCH_QUEUE, PROCESS_NEXT

#: A job that takes longer than this is shown to rq-dashboard.
SHOW_AFTER_SECONDS = 0.25
#: And what is shown runs out by itself, should its worker be killed.
SHOWN_SECONDS = 3_600


@dataclass(frozen=True)
class Popped:
    """What was popped: as much of an RQ job as RQ's loop hands on (making a whole one costs as much as a round trip)."""

    id: str

    @property
    def key(self) -> str:
        return str(RqJob.key_for(self.id))


class WorkShown:
    """Begun and ended by the worker's loop; shown by the keeper's thread, while the loop is at work."""

    def __init__(self, client: redis.Redis, *, worker_key: str, worker_name: str) -> None:
        self._client, self._worker_key, self._worker_name = client, worker_key, worker_name
        self._current: tuple[Popped, Queue] | None = None
        self._began: float | None = None
        self.is_shown = False

    @property
    def is_in_hand(self) -> bool:
        return self._began is not None

    def begin(self, delivery: Popped, queue: Queue) -> None:
        self._current, self.is_shown, self._began = (delivery, queue), False, time.monotonic()

    def end(self) -> float:
        """How long it took, in seconds."""
        began, self._began = self._began, None
        return 0.0 if began is None else time.monotonic() - began

    def show_if_long(self) -> bool:
        """True if it is shown from now on."""
        began, current = self._began, self._current
        if self.is_shown or began is None or current is None or time.monotonic() - began <= SHOW_AFTER_SECONDS:
            return False
        delivery, queue = current
        self.is_shown = True
        pipe = self._client.pipeline()
        if queue.name != BATCH_QUEUE:  # the hash went with the claim
            job = queue.create_job(PROCESS_NEXT, args=(queue.name,), job_id=delivery.id, description="ingest")
            job.worker_name = self._worker_name
            job.save(pipeline=pipe)
            pipe.expire(job.key, SHOWN_SECONDS)
        pipe.hset(self._worker_key, mapping={"state": WorkerStatus.BUSY.value, "current_job": delivery.id})
        with contextlib.suppress(redis.RedisError):  # rq-dashboard goes without it
            pipe.execute()
        return True

    def take_down(self, client: redis.Redis) -> bool:
        """True if it was shown."""
        current = self._current
        if not self.is_shown or current is None:
            return False
        delivery, queue = current
        self.is_shown, self._current = False, None
        with contextlib.suppress(redis.RedisError):  # the keys run out by themselves
            pipe = client.pipeline()
            if queue.name != BATCH_QUEUE:
                pipe.delete(delivery.key)
            pipe.hset(self._worker_key, "state", WorkerStatus.IDLE.value)
            pipe.hdel(self._worker_key, "current_job")
            pipe.execute()
        return True
