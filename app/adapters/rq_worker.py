"""RQ's worker, made ours: its pop and its names stay, its bookkeeping (20 round trips a job) goes.

Each override says why. A test compares the signatures of what is overridden here with the RQ that is installed.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, Protocol

import redis
import structlog
from rq import SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.suspension import is_suspended
from rq.utils import now, utcformat
from rq.worker import WorkerStatus

from app.adapters.job_queues import BATCH_QUEUE, Delivery, DeliveryQueue
from app.adapters.rq_work_shown import Popped, WorkShown
from app.domain.job import PRIORITIES, Priority
from app.errors import IngestError, QueueUnavailable

#: RQ takes 15 s off it for the pop; what is left is how often the stop flag is looked at.
WORKER_TTL = 16
KEY_LIFE_SECONDS = 30
HEARTBEAT_SECONDS = 5.0
#: What a worker listens to, and whether it is suspended, is read that often, in seconds.
LOOK_SECONDS = 1.0
#: While a priority is paused the pop returns sooner, so that a resume is felt at once.
POP_SECONDS, PAUSED_POP_SECONDS = 1.0, 0.1

log = structlog.get_logger()


class Host(Protocol):
    """What the loop needs of the process around it; `client` is the quick one, used by the keeper's thread too."""

    name: str
    client: redis.Redis

    def work_on(self, priority: Priority, *, delivery: str) -> None: ...
    def run_batch(self) -> None: ...

    def paused(self) -> frozenset[Priority]: ...
    def beat(self, state: str) -> None: ...
    def wait(self, seconds: float) -> object: ...
    def stop(self) -> None: ...
    def stop_hard(self) -> None: ...
    def forget(self) -> None: ...


class IngestWorker(SimpleWorker):
    """Pops a delivery, works on the next waiting job of its priority, pops the next. Never forks."""

    def __init__(self, host: Host, client: redis.Redis, priorities: Sequence[Priority] = PRIORITIES) -> None:
        """`client` is a patient one of its own: RQ raises its pool's timeouts."""
        self._host = host
        self._priorities = tuple(p for p in PRIORITIES if p in priorities)
        everything = self._priorities == PRIORITIES
        names = ([BATCH_QUEUE] if everything else []) + [p.value for p in self._priorities]
        super().__init__(
            names,
            name=host.name,
            connection=client,
            queue_class=DeliveryQueue,
            job_class=Delivery,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL,
            log_job_description=False,
        )
        self._looked = self._beaten = float("-inf")
        self._anything_paused = False
        self._work = WorkShown(host.client, worker_key=self.key, worker_name=self.name)

    # ---- the loop -------------------------------------------------------------------------------------------

    def dequeue_job_and_maintain_ttl(self, timeout: int | None, max_idle_time: int | None = None) -> Any:
        """RQ's own raises inside the pop on SIGTERM, and what it popped is lost; this looks at the flag in between."""
        wait = 0.1
        while not self._stop_requested:
            try:
                self._look()
                if not self._ordered_queues:
                    self._host.wait(PAUSED_POP_SECONDS)
                    continue
                popped = self._pop(wait=timeout is not None)
                if popped is not None or timeout is None:
                    return popped
            except DequeueTimeout:
                continue
            except (redis.RedisError, QueueUnavailable):
                # Redis is away, or refuses (its disk is full, it is a replica now): wait longer each time, but not long
                self._host.wait(wait)
                wait = min(wait * 2, 2.0)
        return None

    def _pop(self, *, wait: bool) -> Any:
        """The first delivery there is. It is not read: its queue says the priority, and that is all it has to say."""
        seconds: Any = PAUSED_POP_SECONDS if self._anything_paused else POP_SECONDS
        keys = [queue.key for queue in self._ordered_queues]
        popped = self.queue_class.lpop(keys, seconds if wait else None, connection=self.connection)
        if popped is None:
            return None
        key, delivery_id = (part.decode() if isinstance(part, bytes) else part for part in popped)
        queue = next(queue for queue in self.queues if queue.key == key)
        return Popped(delivery_id), queue

    def _look(self) -> None:
        """Once a second: which priorities are paused, is the worker suspended; every five a heartbeat."""
        at = time.monotonic()
        if at - self._looked < (PAUSED_POP_SECONDS if self._anything_paused else LOOK_SECONDS):
            return
        self._looked = at
        self.heartbeat()
        suspended = bool(is_suspended(self.connection, self))
        paused = {p.value for p in self._host.paused()}
        self._anything_paused = suspended or bool(paused)
        self._ordered_queues = [q for q in self.queues if q.name not in paused and not suspended]

    def execute_job(self, job: Any, queue: Queue) -> None:
        """No execution, registry or stored result for a short job: the job record has all of that.

        What a delivery names is never run: whoever can write into our queues can only make us look for waiting jobs.
        """
        self._work.begin(job, queue)
        try:
            if queue.name == BATCH_QUEUE:
                self._host.run_batch()
            else:
                self._host.work_on(Priority(queue.name), delivery=job.key)
            self.successful_job_count += 1
        except IngestError as error:
            log.warning("delivery_failed", code=error.code)
            self._host.wait(0.2)
        except Exception:  # RQ would end the worker; the sweep hands the job on, and the worker takes the next
            log.exception("delivery_failed")
        finally:
            self.total_working_time += self._work.end()
            if self._work.take_down(self.connection):
                self._beaten = float("-inf")

    # ---- being seen -----------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Called by the keeper's thread: heartbeats go on, and a longer job is shown, while the loop is at work."""
        if not self._work.is_in_hand:
            return
        self.heartbeat()
        if self._work.show_if_long():
            self._host.beat("busy")

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """One pipeline each five seconds; keys that live thirty, so that a killed worker is not busy for minutes."""
        at = time.monotonic()
        if at - self._beaten < HEARTBEAT_SECONDS:
            return
        self._beaten = at
        busy = self._work.is_in_hand
        try:
            pipe = self._host.client.pipeline()
            pipe.hset(self.key, mapping=self._shown_state())
            pipe.expire(self.key, KEY_LIFE_SECONDS)
            pipe.sadd("rq:workers", self.key)
            for name in self.queue_names():
                pipe.sadd(f"rq:workers:{name}", self.key)
            pipe.execute()
            self._host.beat("busy" if busy else "idle")
        except (redis.RedisError, IngestError):
            self._beaten = at - HEARTBEAT_SECONDS + LOOK_SECONDS  # again in a second

    def _shown_state(self) -> dict[Any, Any]:
        return {
            **self.serialize(),
            "last_heartbeat": utcformat(now()),
            "state": (WorkerStatus.BUSY if self._work.is_shown else WorkerStatus.IDLE).value,
            "successful_job_count": self.successful_job_count,
            "failed_job_count": self.failed_job_count,
            "total_working_time": round(self.total_working_time, 3),
        }

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """The heartbeat writes it; a round trip for each change would cost more than a short job."""
        self._state = state

    # ---- what RQ does besides, and we do not ------------------------------------------------------------------

    def check_for_suspension(self, burst: bool) -> None:
        """`_look` reads it together with the pauses."""

    def run_maintenance_tasks(self) -> None:
        """Nothing of ours stands in RQ's registries; cleaning them would requeue without a lock."""
        self.last_cleaned_at = now()  # type: ignore[assignment]

    def subscribe(self) -> None:
        """RQ's commands reach only a worker that forks; a cancel goes through the job record."""

    def unsubscribe(self) -> None:
        """See `subscribe`."""

    # ---- ending ---------------------------------------------------------------------------------------------

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGINT, self.request_stop)
        signal.signal(signal.SIGTERM, self.request_stop)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Only a flag: nothing is raised into a pop. What is in hand may end within the grace, else it is given back."""
        if self._stop_requested:
            self.request_force_stop(signum, frame)
        self._stop_requested = True
        self._host.stop()

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """A second signal is hard: the sweep sees the closed connections and hands the job on."""
        self._host.stop_hard()
        raise SystemExit(1)

    def teardown(self) -> None:
        """A clean end leaves no ghost in the lists of workers."""
        try:
            self.register_death()  # type: ignore[no-untyped-call]
            self._host.forget()
        except (redis.RedisError, IngestError):
            pass  # its keys run out in thirty seconds
