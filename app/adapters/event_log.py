"""Watching jobs: their logs are read from Redis streams, and one subscription per process rings for all watchers.

The stream is the truth and the ring only a hint: a ring that was lost costs time, never an event.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import redis
from typing_extensions import Self

from app.adapters.job_store import JobStore
from app.adapters.redis_client import PREFIX, translated
from app.domain.job import Job
from app.errors import QueueUnavailable

CHANNEL = f"{PREFIX}changed"
#: Whoever watches this is rung for every job.
EVERYTHING = "*"
#: Without a working subscription a watcher looks by itself that often (seconds).
BLIND_LOOK = 0.5
#: How many threads may read logs at once: thousands of watchers that wake together share these connections.
READERS = 16
#: A look that cannot begin within that time (seconds) is given up, as those before it wait for a Redis that is frozen.
TURN_SECONDS = 2.0
#: Entries taken from a log at a time.
BATCH = 200
#: A reading is shared by all who ask the same within that time (seconds), unless the job changed.
SHARED_FOR = 0.25
#: A subscription that brings nothing for PING_AFTER seconds is asked for a sign of life; twice that is its end.
PING_AFTER = 5.0
_LONGEST_BACKOFF = 2.0


@dataclass(frozen=True)
class Reading:
    """What follows a version in a job's log: consecutive entries, and the version the record has (None: no record)."""

    entries: tuple[Job, ...]
    version: int | None


@contextmanager
def _within(lock: threading.Lock | threading.Semaphore) -> Iterator[None]:
    if not lock.acquire(timeout=TURN_SECONDS):
        raise QueueUnavailable("queue_unavailable", retry_after=5)
    try:
        yield
    finally:
        lock.release()


class _Bell:
    """What all watchers of one job share."""

    def __init__(self) -> None:
        self.watchers: set[Watcher] = set()
        self.lock = threading.Lock()
        self.rings = 0
        self.shared: tuple[tuple[int, int], float, Reading] | None = None


class Watcher:
    """Waits for changes of some jobs; leaving its ``with`` ends the watch."""

    def __init__(self, log: EventLog, job_ids: Iterable[str]) -> None:
        self.job_ids = frozenset(job_ids)
        self._log = log
        self._woken = threading.Event()
        self._rung: set[str] = set()
        self._lock = threading.Lock()

    def wait(self, timeout: float) -> bool:
        """True as soon as one of the jobs may have changed; False after that many seconds."""
        if self._log.is_listening or timeout <= BLIND_LOOK:
            return self._woken.wait(max(timeout, 0))
        if not self._woken.wait(BLIND_LOOK):
            self.ring(self.job_ids)
        return True

    def take(self) -> set[str]:
        """The jobs that rang since the last take."""
        with self._lock:
            rung, self._rung = self._rung, set()
            self._woken.clear()
        return rung

    def ring(self, job_ids: Iterable[str]) -> None:
        with self._lock:
            self._rung.update(job_ids)
            self._woken.set()

    def __enter__(self) -> Self:
        self._log.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.leave(self)


class EventLog:
    def __init__(self, client: redis.Redis, *, stop: threading.Event | None = None) -> None:
        """Starts nothing. The thread ends when `stop` is set."""
        self._redis = client
        self._stop = stop or threading.Event()
        self._bells: dict[str, _Bell] = {}
        self._lock = threading.Lock()
        self._readers = threading.BoundedSemaphore(READERS)
        self._started = False
        self.is_listening = False

    # ---- watching -------------------------------------------------------------------------------------------

    def watch(self, job_ids: Iterable[str]) -> Watcher:
        return Watcher(self, job_ids)

    def enter(self, watcher: Watcher) -> None:
        with self._lock:
            for job_id in watcher.job_ids:
                self._bells.setdefault(job_id, _Bell()).watchers.add(watcher)

    def leave(self, watcher: Watcher) -> None:
        with self._lock:
            for job_id in watcher.job_ids:
                bell = self._bells[job_id]
                bell.watchers.discard(watcher)
                if not bell.watchers:
                    del self._bells[job_id]

    def watched(self) -> int:
        """How many jobs are being watched."""
        return len(self._bells)

    def notify(self, job_id: str) -> None:
        with self._lock:
            bells = [bell for name in (job_id, EVERYTHING) if (bell := self._bells.get(name))]
            for bell in bells:
                bell.rings += 1
            watchers = {watcher for bell in bells for watcher in bell.watchers}
        for watcher in watchers:
            watcher.ring((job_id,))

    def notify_all(self) -> None:
        """Wakes everybody: rings may have been missed, or the server stops."""
        with self._lock:
            watchers = {watcher for bell in self._bells.values() for watcher in bell.watchers}
            for bell in self._bells.values():
                bell.rings += 1
        for watcher in watchers:
            watcher.ring(watcher.job_ids)

    # ---- reading --------------------------------------------------------------------------------------------

    def turn(self) -> AbstractContextManager[None]:
        """For whatever a watcher asks of Redis; raises QueueUnavailable where that is frozen."""
        return _within(self._readers)

    def read(self, job_id: str, after: int) -> Reading:
        """The entries after that version, a batch at most. Watchers of one job share one look at Redis for each ring."""
        bell = self._bells.get(job_id)
        if bell is None:
            return self._read(job_id, after)
        with _within(bell.lock):
            asked = (bell.rings, after)
            if bell.shared and bell.shared[0] == asked and time.monotonic() - bell.shared[1] < SHARED_FOR:
                return bell.shared[2]
            reading = self._read(job_id, after)
            bell.shared = (asked, time.monotonic(), reading)
            return reading

    def _read(self, job_id: str, after: int) -> Reading:
        with self.turn(), translated():
            pipe = self._redis.pipeline(transaction=False)
            pipe.hget(f"{PREFIX}job:{job_id}", "version")
            pipe.xrange(f"{PREFIX}log:{job_id}", min=f"{after + 1}-0", count=BATCH)
            version, rows = pipe.execute()
        entries = tuple(JobStore.load(fields[b"record"]) for _, fields in rows)
        return Reading(entries, None if version is None else int(version))

    # ---- the subscription -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the subscription's thread, once; only in the process that will serve (threads do not survive a fork)."""
        with self._lock:
            if self._started:
                return
            self._started = True
        threading.Thread(target=self._listen, name="event-log", daemon=True).start()

    def _listen(self) -> None:
        pause = 0.05
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._listen_once()
            except (redis.RedisError, OSError, ValueError):
                # whatever broke, the next subscription starts with waking everybody
                pause = 0.05 if time.monotonic() - began > _LONGEST_BACKOFF else min(pause * 2, _LONGEST_BACKOFF)
            finally:
                self.is_listening = False
            self._stop.wait(pause)

    def _listen_once(self) -> None:
        pubsub: Any = self._redis.pubsub()
        try:
            pubsub.subscribe(CHANNEL)
            heard, asked = time.monotonic(), False
            while not self._stop.is_set():
                message = pubsub.get_message(timeout=1.0)
                if message is not None:
                    heard, asked = time.monotonic(), False
                    self._hear(message)
                    continue
                silent = time.monotonic() - heard
                if silent > 2 * PING_AFTER:
                    raise redis.ConnectionError("the subscription is silent")
                if silent > PING_AFTER and not asked:
                    pubsub.ping()
                    asked = True
        finally:
            pubsub.close()

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":
            # also after a reconnect that the client library made by itself: what rang in between was missed
            self.notify_all()
            self.is_listening = True
        elif message["type"] == "message":
            self.notify(message["data"].decode("ascii", "replace"))
