"""rq-scheduler with one entry: the minute batch, into the queue that every worker of all priorities looks at first."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import redis
from rq.job import Job as RqJob
from rq_scheduler import Scheduler

from app.adapters.job_queues import BATCH_DELIVERY_ID, BATCH_QUEUE, RUN_MINUTE_BATCH, Delivery, DeliveryQueue

EVERY_MINUTE = "* * * * *"

# It is written for older Pythons and older crontabs, and says so each time it looks at the clock.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"rq_scheduler\.utils")
warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"rq_scheduler\.")


class MinuteSchedule(Scheduler):  # type: ignore[misc]
    """Looks once a second (its default would make the minute up to a minute late)."""

    def __init__(self, client: redis.Redis, *, name: str) -> None:
        queue = DeliveryQueue(BATCH_QUEUE, connection=client)
        super().__init__(
            queue=queue, connection=client, interval=1, job_class=Delivery, queue_class=DeliveryQueue, name=name
        )

    def enqueue_jobs(self) -> Any:
        """The entry is made anew where it is missing: it can vanish without a word."""
        self.ensure()
        return super().enqueue_jobs()

    def ensure(self) -> None:
        if BATCH_DELIVERY_ID in self and self.connection.exists(RqJob.key_for(BATCH_DELIVERY_ID)):
            return
        self.cron(
            EVERY_MINUTE,
            func=RUN_MINUTE_BATCH,
            id=BATCH_DELIVERY_ID,
            queue_name=BATCH_QUEUE,
            result_ttl=-1,
            timeout=-1,
            description="minute batch",
        )

    def enqueue_job(self, job: RqJob) -> None:
        """A tick that nobody has taken yet is not pushed a second time."""
        queued = self.connection.lpos(f"rq:queue:{BATCH_QUEUE}", job.id) is not None
        if queued:
            self.connection.zrem(self.scheduled_jobs_key, job.id)  # made anew for the next minute by `ensure`
        else:
            super().enqueue_job(job)

    def remove_lock(self) -> None:
        """While Redis is away an error here would take the place of the order to stop, which then nobody obeyed."""
        with contextlib.suppress(redis.RedisError):  # it runs out by itself
            super().remove_lock()

    def register_death(self) -> None:
        """See `remove_lock`."""
        with contextlib.suppress(redis.RedisError):
            super().register_death()

    def _install_signal_handlers(self) -> None:
        """Ours raises SystemExit and asks nothing of a Redis that may be away."""
