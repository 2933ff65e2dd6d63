"""The worker's loop beside a Redis that comes and goes."""

from __future__ import annotations

import fakeredis
import pytest
import redis as redis_client

from app.adapters import rq_work_shown
from app.adapters.rq_work_shown import Popped
from app.adapters.rq_worker import IngestWorker
from app.errors import QueueUnavailable


class AwayTwice:
    """A process around the loop whose Redis is away for the first two looks, and that is told to stop at the third."""

    name = "worker.test"

    def __init__(self, client, error):
        self.client, self._error, self.looks = client, error, 0
        self.worker = None

    def paused(self):
        self.looks += 1
        if self.looks <= 2:
            raise self._error
        self.worker._stop_requested = True
        return frozenset()

    def beat(self, state):
        pass

    def wait(self, seconds):
        pass


@pytest.mark.parametrize(
    "error",
    [QueueUnavailable("queue_unavailable"), redis_client.ConnectionError(), redis_client.ResponseError("MISCONF")],
)
def test_a_worker_outlives_a_redis_that_is_away_when_it_looks_what_is_paused(error, monkeypatch):
    client = fakeredis.FakeRedis()
    host = AwayTwice(client, error)
    host.worker = worker = IngestWorker(host, client)
    worker.register_birth()
    monkeypatch.setattr(worker, "_pop", lambda wait: None)
    assert worker.dequeue_job_and_maintain_ttl(1) is None
    assert host.looks == 3


class LongJob:
    """A process whose job lasts for a tick of the keeper's thread; notes what a dashboard would see meanwhile."""

    name = "worker.test"

    def __init__(self, client):
        self.client, self.worker, self.seen, self.beats = client, None, None, []

    def work_on(self, priority, *, delivery):
        self.worker.tick()
        self.seen = (self.client.hgetall(self.worker.key), self.client.hget(delivery, "status"))

    def beat(self, state):
        self.beats.append(state)


def test_a_longer_job_is_shown_while_it_lasts_and_no_longer(monkeypatch):
    monkeypatch.setattr(rq_work_shown, "SHOW_AFTER_SECONDS", -1)
    client = fakeredis.FakeRedis()
    host = LongJob(client)
    host.worker = worker = IngestWorker(host, client)
    worker.register_birth()
    popped = Popped("job_a-1")
    worker.execute_job(popped, next(queue for queue in worker.queues if queue.name == "medium"))
    shown, delivery = host.seen
    assert (shown[b"state"], shown[b"current_job"], delivery) == (b"busy", b"job_a-1", b"queued")
    assert host.beats[-1] == "busy"
    after = client.hgetall(worker.key)
    assert (after[b"state"], b"current_job" in after) == (b"idle", False)
    assert not client.exists(popped.key)


def test_a_short_job_is_never_shown(monkeypatch):
    monkeypatch.setattr(rq_work_shown, "SHOW_AFTER_SECONDS", 3600)
    client = fakeredis.FakeRedis()
    host = LongJob(client)
    host.worker = worker = IngestWorker(host, client)
    worker.register_birth()
    worker.execute_job(Popped("job_a-1"), worker.queues[-1])
    shown, delivery = host.seen
    assert (b"current_job" in shown, delivery) == (False, None)
