"""The only wiring of real neighbours: settings in, one `Services` out."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from functools import cached_property

import redis

from app.adapters import embedded
from app.adapters.audit_log import AuditLog
from app.adapters.batch_lock import BatchLock
from app.adapters.batch_notes import BatchNotes
from app.adapters.blob_store import BlobStore, open_store
from app.adapters.counters import Counters
from app.adapters.history import History
from app.adapters.idempotency import IdempotencyKeys
from app.adapters.job_index import JobIndex
from app.adapters.job_queues import JobQueues
from app.adapters.job_store import JobStore
from app.adapters.meter import Meter
from app.adapters.parser_process import ParserProcess
from app.adapters.process_memory import resident_bytes, resident_bytes_of
from app.adapters.redis_client import once_client, process_name, quick_client, sees, translated
from app.adapters.sessions import Sessions
from app.adapters.sweep_notes import SweepNotes
from app.adapters.timed_blobs import timed
from app.adapters.waiting_line import WaitingLine
from app.adapters.worker_registry import WorkerInfo, WorkerRegistry
from app.binding import bind
from app.cache import Cache
from app.domain.job import Priority
from app.domain.retry import RetryPolicy
from app.errors import QueueUnavailable
from app.keeper import Keeper
from app.settings import Settings
from app.stopper import Stopper

VERSION = "0.1.0"


class Services:
    """Everything outside that the use cases speak to; one for each process."""

    def __init__(
        self,
        settings: Settings,
        *,
        client: redis.Redis,
        blobs: BlobStore,
        url: str | None = None,
        name: str = "test",
        clock: Callable[[], int] | None = None,
        meter: Meter | None = None,
    ) -> None:
        self.settings, self.redis, self.blobs, self.url, self.name = settings, client, blobs, url, name
        self.jobs = JobStore(client, clock=clock, aging_ms=settings.aging_ms)
        self.index = JobIndex(client)
        self.notes = SweepNotes(client, now_argument=self.jobs.clock.argument)
        self.audit = AuditLog(client)
        self.batches = BatchNotes(client)
        self.line = WaitingLine(client)
        self.queues = JobQueues(client)
        self.keys = IdempotencyKeys(client)
        self.sessions = Sessions(client)
        self.workers = WorkerRegistry(client)
        self.counters = Counters(client)
        self.history = History(client)
        self.meter = meter or Meter()
        self.policy = RetryPolicy(settings.max_retries, settings.retry_base_seconds)
        self.keeper = Keeper()
        self.batching = threading.Lock()  # this process has one parser: it runs one batch at a time
        self.cache = Cache()
        self.stopper = Stopper(self)

    def batch_lock(self) -> BatchLock:
        return BatchLock(self.redis, lock_ttl=self.settings.lock_ttl)

    @cached_property
    def parser(self) -> ParserProcess:
        """The resident child; it starts with the first file."""
        return ParserProcess()

    @cached_property
    def sweep_client(self) -> redis.Redis:
        """The sweep's own: no command is sent twice, and a slow one holds up nobody else."""
        return once_client(self.url, self.name) if self.url else self.redis

    @cached_property
    def is_visible(self) -> bool:
        """Does this process see its own name among Redis's clients? If not, its claims stand by the lease alone."""
        return sees(self.redis, self.name)

    # ---- one installation, two neighbours -------------------------------------------------------------------

    def binding(self) -> str:
        """The id that Redis and the blob store share; raises QueueUnavailable if they belong to different ones."""
        return bind(self.jobs, self.blobs)

    def recent_binding(self) -> str:
        """`binding`, asked at most once a second: adding a job checks the id once more in its own step."""
        return self.cache.get("binding", 1.0, self.binding)

    # ---- the process's own life -----------------------------------------------------------------------------

    def beat(self, *, state: str, priorities: Sequence[Priority], started_at: int) -> None:
        """This process is alive: what `workers[]` shows."""
        worker = WorkerInfo(
            self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            state=state,
            priorities=tuple(priorities),
            started_at=started_at,
            last_seen_at=self.jobs.now(),
            version=VERSION,
            memory_bytes=self._memory_bytes(),
        )
        self.workers.beat(worker)
        self._report_calls()

    def _memory_bytes(self) -> int:
        """Of this process, and of its parser child."""
        parser = self.parser.pid if "parser" in self.__dict__ else None
        return resident_bytes() + (resident_bytes_of(parser) if parser else 0)

    def count_dropped_lines(self, number: int) -> None:
        """Of the log: somebody does not read it, or its disk is full."""
        self.meter.add({"log:dropped": number})

    def _report_calls(self) -> None:
        """A worker answers no scrape: how long its calls took goes into the totals with each beat."""
        taken = self.meter.take()
        try:
            self.counters.add({f"worker:{name}": amount for name, amount in taken.items()})
        except QueueUnavailable:
            self.meter.add(taken)
            raise

    def kill_parser(self) -> None:
        """Ends what is being parsed, if this process ever parsed anything."""
        if "parser" in self.__dict__:
            self.parser.kill()

    def close(self) -> None:
        self.keeper.stop()
        if "parser" in self.__dict__:
            self.parser.close()
        self.redis.close()


def connect(settings: Settings, *, role: str) -> Services:
    """The neighbours that the settings name: exactly those, or an error; nothing is asked of them yet."""
    name, meter = process_name(role), Meter()
    url = settings.redis_address or embedded.find(settings.data_dir)
    if url is None:
        raise QueueUnavailable(
            "queue_unavailable", "No Redis: set REDIS_URL, or start the embedded one with ./run.", retry_after=30
        )
    with translated():  # a single connection is made at once
        client = quick_client(url, name, single=role == "worker", meter=meter)
    blobs = timed(open_store(settings, hurried=role == "web"), meter)
    return Services(settings, client=client, blobs=blobs, url=url, name=name, meter=meter)
