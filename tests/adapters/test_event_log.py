"""Reading the logs of jobs, and being woken when they change."""

from __future__ import annotations

import contextlib
import threading

import fakeredis
import pytest
import redis

from app.adapters import event_log
from app.adapters.event_log import BATCH, CHANNEL, EventLog
from app.adapters.job_store import JobStore
from app.domain.job import FileInfo, Job, Priority, Progress
from app.errors import QueueUnavailable

FILE = FileInfo("a.txt", 5, "text/plain", "0" * 64)
JOB_ID, OTHER_ID = "job_" + "a" * 24, "job_" + "b" * 24


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


@pytest.fixture
def connection(server: fakeredis.FakeServer) -> redis.Redis:
    return fakeredis.FakeRedis(server=server)


@pytest.fixture
def jobs(connection: redis.Redis) -> JobStore:
    store = JobStore(connection, clock=lambda: 1_700_000_000_000)
    store.set_installation("here")
    return store


@pytest.fixture
def log(connection: redis.Redis) -> EventLog:
    log = EventLog(connection)
    log.is_listening = True  # rings come from the tests
    return log


def new_job(jobs: JobStore, job_id: str = JOB_ID) -> Job:
    return jobs.add(Job.new(job_id, priority=Priority.LOW, file=FILE, now=1), installation="here")


def claimed(jobs: JobStore) -> Job:
    job = jobs.claim_next(Priority.LOW, holder="worker", token="t", visible=False)
    assert job is not None
    return job


def stepped(jobs: JobStore, job: Job, done: int) -> Job:
    new = job.progressed(Progress("Processing file", done, "", done, 1000), now=2)
    assert jobs.replace(job, new)
    return new


def test_what_follows_a_version_is_read_in_order(jobs: JobStore, log: EventLog):
    new_job(jobs)
    job = stepped(jobs, claimed(jobs), 1)
    assert [entry.version for entry in log.read(JOB_ID, 0).entries] == [1, 2, 3]
    assert [entry.version for entry in log.read(JOB_ID, 2).entries] == [3]
    assert log.read(JOB_ID, job.version).entries == ()
    assert log.read(JOB_ID, job.version).version == job.version


def test_a_job_that_is_not_there_has_no_version(log: EventLog):
    assert log.read(JOB_ID, 0).version is None


def test_a_long_log_is_read_in_batches(jobs: JobStore, log: EventLog):
    new_job(jobs)
    job = claimed(jobs)
    for done in range(1, BATCH + 50):
        job = stepped(jobs, job, done)
    first = log.read(JOB_ID, 0).entries
    rest = log.read(JOB_ID, first[-1].version).entries
    assert len(first) == BATCH
    assert [entry.version for entry in first + rest] == list(range(1, job.version + 1))


def test_a_ring_wakes_the_watchers_of_that_job_only(log: EventLog):
    with log.watch([JOB_ID]) as mine, log.watch([OTHER_ID]) as other, log.watch([JOB_ID, OTHER_ID]) as both:
        log.notify(JOB_ID)
        assert mine.wait(0)
        assert not other.wait(0)
        assert both.take() == {JOB_ID}
        assert not both.wait(0)


def test_a_ring_between_taking_and_waiting_is_not_lost(log: EventLog):
    with log.watch([JOB_ID]) as watcher:
        watcher.take()
        log.notify(JOB_ID)
        assert watcher.wait(0)


def test_everybody_can_be_woken(log: EventLog):
    with log.watch([JOB_ID]) as one, log.watch([OTHER_ID]) as two:
        log.notify_all()
        assert one.take() == {JOB_ID}
        assert two.take() == {OTHER_ID}


def test_nothing_is_kept_of_those_who_left(log: EventLog):
    with log.watch([JOB_ID]), log.watch([JOB_ID, OTHER_ID]):
        assert log.watched() == 2
    assert log.watched() == 0
    log.notify(JOB_ID)


def test_watchers_of_one_job_share_a_look_until_it_rings(jobs: JobStore, log: EventLog):
    new_job(jobs)
    with log.watch([JOB_ID]), log.watch([JOB_ID]):
        first = log.read(JOB_ID, 0)
        assert log.read(JOB_ID, 0) is first
        claimed(jobs)
        log.notify(JOB_ID)
        assert [entry.version for entry in log.read(JOB_ID, 0).entries] == [1, 2]


def test_without_a_subscription_a_watcher_looks_by_itself(log: EventLog):
    log.is_listening = False
    with log.watch([JOB_ID]) as watcher:
        assert watcher.wait(30)
        assert watcher.take() == {JOB_ID}


def test_a_redis_that_is_away_is_said(server: fakeredis.FakeServer, log: EventLog):
    server.connected = False
    with pytest.raises(QueueUnavailable):
        log.read(JOB_ID, 0)


def until_it_listens(log: EventLog) -> None:
    with log.watch(["somebody"]) as anybody:
        while not log.is_listening:
            anybody.wait(1)
            anybody.take()


@pytest.fixture
def listening(connection: redis.Redis):
    stop = threading.Event()
    log = EventLog(connection, stop=stop)
    log.start()
    until_it_listens(log)
    yield log
    stop.set()


def test_the_subscription_rings_for_a_change(jobs: JobStore, listening: EventLog):
    with listening.watch([JOB_ID]) as watcher:
        new_job(jobs)
        assert watcher.wait(10)
        assert watcher.take() == {JOB_ID}


def test_the_subscription_is_one_however_often_it_is_started(connection: redis.Redis, listening: EventLog):
    listening.start()
    assert connection.pubsub_numsub(CHANNEL)[0][1] == 1


def test_a_broken_subscription_is_made_anew_and_everybody_woken(connection: redis.Redis):
    """The first subscription breaks at once; what rang meanwhile is made good by waking all."""
    stop = threading.Event()
    log = EventLog(connection, stop=stop)
    subscribe, broken = connection.pubsub, threading.Event()

    def pubsub():
        if not broken.is_set():
            broken.set()
            raise redis.ConnectionError("away")
        return subscribe()

    connection.pubsub = pubsub  # type: ignore[method-assign]
    try:
        with log.watch([JOB_ID]) as watcher:
            log.start()
            until_it_listens(log)
            assert broken.is_set()
            assert watcher.take() == {JOB_ID}
    finally:
        stop.set()


def test_a_look_that_has_to_wait_behind_a_frozen_redis_is_given_up(log: EventLog, monkeypatch):
    monkeypatch.setattr(event_log, "TURN_SECONDS", 0)
    with contextlib.ExitStack() as others:
        for _ in range(event_log.READERS):
            others.enter_context(log.turn())
        with pytest.raises(QueueUnavailable):
            log.read(JOB_ID, 0)
    assert log.read(JOB_ID, 0).version is None
