"""A stream that is still open, step by step."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from flask.testing import FlaskClient

from app.adapters.event_log import EventLog
from app.domain.job import Failure, Priority
from app.errors import QueueUnavailable
from app.ingestion.cancel import cancel, delete
from app.services import Services
from app.web import client_view
from app.web.client_view import ClientView
from tests.web.driving import accept, change, claim, complete, done, progress
from tests.web.streaming import Event, parsed


class Watching:
    """A stream that is still open, read step by step."""

    def __init__(self, services: Services, log: EventLog, *job_ids: str, last_id: str = "") -> None:
        self.view = ClientView(services, log, job_ids)
        self.view.open(last_id, of_one=False)
        self.stop = threading.Event()
        self.frames: Iterator[str] = self.view.frames(self.stop)
        assert next(self.frames).startswith("retry:")

    def next(self) -> Event:
        for frame in self.frames:
            found = parsed(frame)
            if found:
                return found[0]
        raise AssertionError("the stream ended")

    def is_closed(self) -> bool:
        return next(self.frames, None) is None


def test_the_present_state_comes_first_then_each_change_then_the_end(services: Services, log: EventLog):
    job = accept(services)
    watching = Watching(services, log, job.id)
    seen = [watching.next()]
    for step in (claim, lambda s, j: progress(s, j, 3), lambda s, j: complete(s, j, "words")):
        job = step(services, job)
        log.notify(job.id)
        seen.append(watching.next())
    assert [event.data["status"] for event in seen] == ["pending", "processing", "processing", "completed"]
    assert [event.version for event in seen] == [1, 2, 3, 4]
    assert {event.name for event in seen} == {"status"}
    assert watching.is_closed()


def test_every_cut_is_continued_without_gap_or_double(client: FlaskClient, services: Services, log: EventLog):
    """As if the connection broke after each single event."""
    job = accept(services)
    last_id, versions = "", []
    steps = iter([claim, *[lambda s, j, n=n: progress(s, j, n) for n in range(1, 6)], lambda s, j: complete(s, j, "x")])
    while True:
        watching = Watching(services, log, job.id, last_id=last_id)
        if watching.view.is_over:
            break
        for step in (next(steps, None), next(steps, None)):  # two changes while nobody is connected
            job = step(services, job) if step else job
        event = watching.next()
        versions.append(event.version)
        last_id = event.id or ""
    assert versions == list(range(versions[0], job.version + 1))


def test_a_job_deleted_while_it_is_watched_is_gone(services: Services, log: EventLog):
    job = accept(services)
    watching = Watching(services, log, job.id)
    watching.next()
    delete(services, job.id)
    log.notify(job.id)
    event = watching.next()
    assert (event.name, event.data) == ("gone", {"jobId": job.id})
    assert event.id
    assert watching.is_closed()


def test_the_stream_goes_on_until_the_last_job_has_ended(services: Services, log: EventLog):
    first, second = done(services), accept(services)
    watching = Watching(services, log, first.id, second.id)
    assert [watching.next().data["status"] for _ in range(2)] == ["completed", "pending"]
    cancel(services, second.id)
    log.notify(second.id)
    assert watching.next().data["status"] == "failed"
    assert watching.is_closed()


def test_a_move_in_the_queue_is_told_without_an_id(services: Services, log: EventLog, clock, monkeypatch):
    monkeypatch.setattr(client_view, "MOVES_EVERY", 0.01)
    ahead = accept(services)
    clock.now += 1
    job = accept(services)
    watching = Watching(services, log, job.id)
    assert watching.next().data["waiting"]["jobsAhead"] == 1
    cancel(services, ahead.id)
    services.jobs.pause(Priority.MEDIUM)
    services.cache = type(services.cache)()
    event = watching.next()
    assert (event.name, event.id) == ("waiting", None)
    assert event.data["jobId"] == job.id
    assert event.data["waiting"]["jobsAhead"] == 0
    assert event.data["waiting"]["reason"] == "paused"


def test_a_silent_stream_shows_signs_of_life(services: Services, log: EventLog, monkeypatch):
    watching = Watching(services, log, claim(services, accept(services)).id)
    watching.next()
    monkeypatch.setattr(client_view, "HEARTBEAT", 0.01)
    assert next(watching.frames).startswith(":")


def test_a_change_whose_ring_was_lost_is_told_with_the_next_sign_of_life(
    services: Services, log: EventLog, monkeypatch
):
    job = claim(services, accept(services))
    watching = Watching(services, log, job.id)
    watching.next()
    monkeypatch.setattr(client_view, "HEARTBEAT", 0.01)
    complete(services, job, "words")
    assert watching.next().data["status"] == "completed"


def test_a_redis_that_came_back_older_is_followed(services: Services, log: EventLog, clock, monkeypatch):
    """The same version with another content: what was told is not true any more."""
    job = claim(services, accept(services))
    key = f"ingest:job:{job.id}"
    earlier = services.redis.hgetall(key)
    watching = Watching(services, log, progress(services, job, 5).id)
    watching.next()
    services.redis.delete(key, f"ingest:log:{job.id}")  # the last second is lost
    services.redis.hset(key, mapping=earlier)
    clock.now += 1000
    change(services, job, job.failed(Failure.of("corrupt_document"), now=clock.now, policy=services.policy))
    monkeypatch.setattr(client_view, "HEARTBEAT", 0.01)
    assert watching.next().data["status"] == "failed"


def test_a_redis_that_is_away_is_waited_for(services: Services, log: EventLog, monkeypatch):
    job = claim(services, accept(services))
    watching = Watching(services, log, job.id)
    watching.next()
    read, failures = log.read, [QueueUnavailable("queue_unavailable")] * 2
    monkeypatch.setattr(client_view, "OUTAGE_PAUSE", 0)
    monkeypatch.setattr(log, "read", lambda *args: read(*args) if not failures else raise_(failures.pop()))
    complete(services, job, "words")
    log.notify(job.id)
    assert next(watching.frames).startswith(":")
    assert watching.next().data["status"] == "completed"


def raise_(error: Exception) -> None:
    raise error


def test_streams_end_when_the_server_stops(services: Services, log: EventLog):
    watching = Watching(services, log, accept(services).id)
    watching.next()
    watching.stop.set()
    log.notify_all()
    assert watching.is_closed()
