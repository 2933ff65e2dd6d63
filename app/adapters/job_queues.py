"""RQ's queues: notices that a job of some priority waits. They carry our job's id and nothing that a user wrote."""

from __future__ import annotations

import secrets
from typing import Any

import redis
from rq import Queue
from rq.job import Job as RqJob
from rq.job import JobStatus as RqStatus
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from app.adapters.redis_client import Script, translated
from app.domain.job import PRIORITIES, Job, Priority

BATCH_QUEUE = "batch"
#: What the keys of RQ's lists and of its jobs begin with.
LIST_KEYS, DELIVERY_KEYS = Queue.redis_queue_namespace_prefix, RqJob.redis_job_namespace_prefix
#: The only functions that a delivery may name.
PROCESS_NEXT = "app.tasks.process_next"
RUN_MINUTE_BATCH = "app.tasks.run_minute_batch"
#: The minute batch is one RQ job, pushed anew each minute by rq-scheduler; its hash has to stay.
BATCH_DELIVERY_ID = "minute-batch"
#: A surplus or shortage of deliveries is acted on when it has stood that long.
IMBALANCE_MS = 2_000
#: A delivery that nobody takes for a week is not needed: the sweep makes another where one is missing.
DELIVERY_SECONDS = 7 * 86_400


class Delivery(RqJob):
    """An RQ job that is JSON, never pickle: whoever can write to Redis must not be able to run code."""

    def __init__(self, id: str | None = None, connection: Any = None, serializer: Any = None) -> None:
        super().__init__(id=id, connection=connection, serializer=serializer or JSONSerializer)


class DeliveryQueue(Queue):
    job_class = Delivery

    @classmethod
    def lmove(cls, connection: redis.Redis, queue_key: str, timeout: int | None) -> Any:
        """A worker of one priority pops like any other: what is lost in between the sweep's count repairs."""
        return cls.lpop([queue_key], timeout, connection=connection)


class JobQueues:
    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._balance = Script(client, "balance")
        self._queues = {
            name: DeliveryQueue(name, connection=client, serializer=JSONSerializer)
            for name in (BATCH_QUEUE, *(p.value for p in PRIORITIES))
        }

    def deliver(self, job: Job) -> None:
        """Says in the job's priority that one more waits. A repeat of a lost notice does no harm."""
        self.notify(job.priority, job.id)

    def notify(self, priority: Priority, job_id: str) -> None:
        """One delivery of that priority, named after a job that waits there."""
        queue = self._queues[priority.value]
        delivery = queue.create_job(
            PROCESS_NEXT,
            args=(priority.value,),
            job_id=f"{job_id}-{secrets.token_hex(4)}",
            description="ingest",
            result_ttl=0,
            failure_ttl=60,
            timeout=-1,
        )
        delivery.enqueued_at = delivery.created_at
        with translated():
            pipe = self._redis.pipeline()
            delivery.save(pipeline=pipe)
            pipe.expire(delivery.key, DELIVERY_SECONDS)
            pipe.sadd(Queue.redis_queues_keys, queue.key)
            queue.push_job_id(delivery.id, pipeline=pipe)
            pipe.execute()

    def take_one(self, priority: Priority) -> None:
        """A claim that came without a delivery takes one off the queue, so that RQ's lists do not grow."""
        with translated():
            taken: Any = self._redis.lpop(self._queues[priority.value].key)
            if taken:
                self._redis.delete(RqJob.key_for(taken.decode()))

    def balance(self, priority: Priority) -> int:
        """Trims what was surplus for 2 s; gives how many deliveries were missing for that long."""
        key = self._queues[priority.value].key
        return int(self._balance("", priority.value, key, DELIVERY_KEYS, IMBALANCE_MS))

    def depths(self) -> dict[str, int]:
        """How many deliveries lie in each list."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for queue in self._queues.values():
                pipe.llen(queue.key)
            return dict(zip(self._queues, pipe.execute(), strict=True))

    # ---- RQ's failed registry, so that rq-dashboard shows what failed ---------------------------------------

    def note_failed(self, job: Job, *, keep_seconds: int) -> None:
        """A job that ended `failed` stands in RQ's failed registry, with its code and no word of a user's."""
        queue = self._queues[job.priority.value]
        delivery = queue.create_job(
            PROCESS_NEXT, args=(job.priority.value,), job_id=job.id, description="ingest", failure_ttl=keep_seconds
        )
        delivery.ended_at = delivery.created_at
        delivery._status = RqStatus.FAILED
        delivery._exc_info = job.failure.code if job.failure else "failed"
        with translated():
            pipe = self._redis.pipeline()
            delivery.save(pipeline=pipe)
            pipe.expire(delivery.key, keep_seconds)
            FailedJobRegistry(queue=queue).add(delivery, ttl=keep_seconds, pipeline=pipe)
            pipe.execute()

    def forget_failed(self, job: Job) -> None:
        queue = self._queues[job.priority.value]
        with translated():
            pipe = self._redis.pipeline()
            pipe.zrem(FailedJobRegistry(queue=queue).key, job.id)
            pipe.delete(RqJob.key_for(job.id))
            pipe.execute()

    def forget_worker(self, name: str) -> None:
        """What a worker that died left in RQ's lists of workers."""
        with translated():
            pipe = self._redis.pipeline()
            key = f"rq:worker:{name}"
            pipe.srem("rq:workers", key)
            for queue in self._queues:
                pipe.srem(f"rq:workers:{queue}", key)
            pipe.delete(key)
            pipe.execute()
