import fakeredis
import pytest

from app.adapters.worker_registry import WorkerInfo, WorkerRegistry
from app.domain.job import PRIORITIES, Priority

NOW = 1_700_000_000_000


@pytest.fixture
def redis():
    return fakeredis.FakeRedis()


@pytest.fixture
def registry(redis):
    return WorkerRegistry(redis)


def beat(registry, name, *, priorities=PRIORITIES, state="idle", now=NOW):
    registry.beat(WorkerInfo(name, "here", 7, state, priorities, NOW - 5000, now, "1.2"))


def test_a_worker_that_beats_is_alive(registry):
    beat(registry, "worker.a", priorities=(Priority.HIGH, Priority.LOW))
    (worker,) = registry.alive()
    assert (worker.name, worker.host, worker.pid, worker.state) == ("worker.a", "here", 7, "idle")
    assert worker.priorities == (Priority.HIGH, Priority.LOW)
    assert (worker.started_at, worker.last_seen_at, worker.version) == (NOW - 5000, NOW, "1.2")
    assert worker.job_id is None


def test_a_worker_whose_hash_ran_out_is_not(registry, redis):
    beat(registry, "worker.a")
    beat(registry, "worker.b")
    assert redis.ttl("ingest:workers:worker.a") <= 30
    redis.delete("ingest:workers:worker.a")
    assert [worker.name for worker in registry.alive()] == ["worker.b"]


def test_a_beat_leaves_the_claim_alone(registry, redis):
    redis.hset("ingest:workers:worker.a", mapping={"jobId": "job_x", "token": "t"})
    beat(registry, "worker.a", state="busy")
    assert registry.alive()[0].job_id == "job_x"
    assert redis.hget("ingest:workers:worker.a", "token") == b"t"


def test_a_claim_alone_is_no_worker(registry, redis):
    """The web process claims for a batch: it has a hash with a token and never beats."""
    redis.hset("ingest:workers:web.a", mapping={"jobId": "job_x", "token": "t"})
    redis.zadd("ingest:workers", {"web.a": NOW})
    assert registry.alive() == []


def test_one_that_said_goodbye_is_gone_at_once(registry, redis):
    beat(registry, "worker.a")
    registry.forget("worker.a")
    assert registry.alive() == []
    assert redis.keys("ingest:workers*") == []


def test_names_of_the_long_dead_are_dropped(registry, redis):
    beat(registry, "worker.old")
    beat(registry, "worker.new", now=NOW + 400_000)
    assert redis.zrange("ingest:workers", 0, -1) == [b"worker.new"]


def test_serving_counts_those_that_take_the_priority(registry):
    beat(registry, "worker.a")
    beat(registry, "worker.b", priorities=(Priority.URGENT,))
    assert registry.serving(Priority.URGENT) == 2
    assert registry.serving(Priority.LOW) == 1
