"""The operator's stream: present numbers first, then what changed, and nothing after the session."""

from __future__ import annotations

import json
import threading

import pytest

from app.errors import QueueUnavailable
from app.ingestion.stats import queue_statistics
from app.web import admin_events
from app.web.admin_events import News
from app.web.statistics_schemas import Statistics
from tests.jobs_in_states import pending
from tests.web.secrets import ADMIN_TOKEN, AS_ADMIN

PATH = "/api/admin/events"


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    """A test waits for nothing: each reading is a fresh one, and the next follows at once."""
    monkeypatch.setattr(admin_events, "AT_MOST_EVERY", 0)
    monkeypatch.setattr(admin_events, "AT_LEAST_EVERY", 0)
    monkeypatch.setattr(admin_events, "OUTAGE_PAUSE", 0)
    monkeypatch.setattr(admin_events, "SHARED_FOR", -1)


@pytest.fixture
def opened(services, log):
    """Opens a stream, past its first frame."""
    streams = []

    def opened(may_see=lambda: True):
        frames = News(services, log, may_see=may_see).frames(threading.Event())
        assert next(frames).startswith("retry:")
        streams.append(frames)
        return frames

    yield opened
    for frames in streams:
        frames.close()


def told(frame):
    lines = [line.partition(":")[::2] for line in frame.strip().split("\n")]
    fields = dict(lines)
    assert len(fields) == len(lines)
    return fields["event"], json.loads(fields["data"])


def test_the_present_numbers_come_first(opened, services):
    pending(services)
    name, document = told(next(opened()))
    Statistics.model_validate(document)
    assert (name, document["queue"]["pendingJobs"]) == ("statistics", 1)


def test_a_change_is_told_with_the_numbers_after_it_and_a_hint(opened, services, log):
    frames = opened()
    assert told(next(frames))[1]["queue"]["totalJobs"] == 0
    for job in (pending(services), pending(services)):
        log.notify(job.id)
    assert told(next(frames))[1]["queue"]["totalJobs"] == 2
    assert told(next(frames)) == ("jobs", {"changed": 2})


def test_numbers_come_again_though_nothing_changes(opened):
    frames = opened()
    assert [told(next(frames))[0] for _ in range(3)] == ["statistics"] * 3


def test_all_streams_share_one_reading(opened, services, monkeypatch):
    monkeypatch.setattr(admin_events, "SHARED_FOR", 3_600)
    readings = []

    def read(at):
        readings.append(at)
        return queue_statistics(at)

    monkeypatch.setattr(admin_events, "queue_statistics", read)
    assert len({next(opened()) for _ in range(3)}) == 1
    assert len(readings) == 1


def test_a_shared_reading_from_before_a_change_is_followed_by_another(opened, services, log, monkeypatch):
    frames = opened()
    next(frames)
    monkeypatch.setattr(admin_events, "SHARED_FOR", 3_600)
    log.notify(pending(services).id)
    assert told(next(frames))[1]["queue"]["totalJobs"] == 0
    assert told(next(frames))[0] == "jobs"
    monkeypatch.setattr(admin_events, "AT_LEAST_EVERY", 3_600)  # it does not wait that long
    monkeypatch.setattr(admin_events, "SHARED_FOR", -1)
    assert told(next(frames))[1]["queue"]["totalJobs"] == 1


def test_a_redis_that_is_away_is_said_and_the_stream_goes_on(opened, monkeypatch):
    frames = opened()
    next(frames)

    def away(at):
        raise QueueUnavailable("queue_unavailable")

    monkeypatch.setattr(admin_events, "queue_statistics", away)
    assert next(frames).startswith(":")
    monkeypatch.setattr(admin_events, "queue_statistics", queue_statistics)
    assert told(next(frames))[0] == "statistics"


def test_it_ends_with_the_session(client, services):
    client.post("/admin/login", data={"token": ADMIN_TOKEN})
    answer = client.get(PATH)
    assert answer.mimetype == "text/event-stream"
    frames = answer.iter_encoded()
    assert [next(frames)[:5] for _ in range(2)] == [b"retry", b"event"]
    client.post("/admin/logout")
    assert list(frames) == []
    answer.close()
    assert client.get(PATH).status_code == 401


def test_it_holds_a_place_and_gives_it_back(client, app):
    held = app.extensions["gate"].held
    answer = client.get(PATH, headers=AS_ADMIN)
    assert (answer.status_code, held.taken) == (200, 1)
    assert answer.headers["X-Accel-Buffering"] == "no"
    answer.close()
    assert held.taken == 0
    places = [held.take() for _ in range(held.limit)]
    refused = client.get(PATH, headers=AS_ADMIN)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (503, "too_many_streams")
    for place in places:
        place.release()


def test_it_ends_when_the_server_stops(client, app):
    answer = client.get(PATH, headers=AS_ADMIN)
    frames = answer.iter_encoded()
    next(frames)
    app.extensions["ingest_stop"].set()
    assert list(frames) == []
    answer.close()


def test_only_the_admin_sees_it(client):
    assert client.get(PATH).status_code == 401
