"""The worker's loop beside a Redis that comes and goes."""

from __future__ import annotations

import fakeredis
import pytest
import redis as redis_client

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
