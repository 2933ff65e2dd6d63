"""The stream of events: the whole story, in order, each entry once, also over many connections."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.adapters.event_log import EventLog
from app.domain.job import Failure, Job, Priority
from app.errors import QueueUnavailable
from app.ingestion.cancel import cancel, delete, retry
from app.services import Services
from app.web import events
from app.web.events import ClientView
from tests.web.driving import accept, change, claim, complete, done, fail, progress

UNKNOWN = "job_" + "a" * 24


class Event:
    def __init__(self, block: str) -> None:
        lines = [line.partition(":")[::2] for line in block.split("\n") if not line.startswith(":")]
        fields = dict(lines)
        assert len(fields) == len(lines), f"a doubled field in {block!r}"
        self.id, self.name = fields.get("id"), fields.get("event")
        self.data = json.loads(fields["data"]) if "data" in fields else None

    @property
    def version(self) -> int:
        return self.data["version"]


def parsed(text: str) -> list[Event]:
    blocks = [Event(block) for block in text.split("\n\n") if block]
    return [event for event in blocks if event.data is not None]


def stream(client: FlaskClient, path: str, last_id: str | None = None) -> list[Event]:
    answer = client.get(f"/api/ingest/events{path}", headers={} if last_id is None else {"Last-Event-ID": last_id})
    assert answer.status_code == 200
    return parsed(answer.text)


@pytest.fixture
def log(app: Flask) -> EventLog:
    log: EventLog = app.extensions["event_log"]
    log.is_listening = True  # the tests ring
    return log


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


def many_steps(services: Services) -> Job:
    job = claim(services, accept(services))
    for number in range(1, 6):
        job = progress(services, job, number)
    return complete(services, job, "words")


# ---- one job ---------------------------------------------------------------------------------------------------


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


def test_a_stream_of_an_ended_job_is_its_final_state(client: FlaskClient, services: Services):
    job = done(services)
    (only,) = stream(client, f"/{job.id}")
    assert only.data == client.get(f"/api/ingest/status/{job.id}").json


def test_the_headers_keep_proxies_from_holding_events_back(client: FlaskClient, services: Services):
    answer = client.get(f"/api/ingest/events/{done(services).id}")
    assert answer.mimetype == "text/event-stream"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.text.startswith("retry:")


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


def test_with_a_last_id_all_that_came_after_it_is_told(client: FlaskClient, services: Services):
    job = many_steps(services)
    checksum = stream(client, f"/{job.id}")[0].id.split(".")[0]
    for version in range(1, job.version):
        told = stream(client, f"/{job.id}", f"{checksum}.{version}")
        assert [event.version for event in told] == list(range(version + 1, job.version + 1))


def test_a_reconnect_after_the_final_state_is_told_to_stop(client: FlaskClient, services: Services):
    job = done(services)
    last = stream(client, f"/{job.id}")[-1]
    again = client.get(f"/api/ingest/events/{job.id}", headers={"Last-Event-ID": last.id})
    assert again.status_code == 204
    assert again.data == b""


def test_a_new_run_after_the_final_state_is_told(client: FlaskClient, services: Services):
    job = fail(services, claim(services, accept(services)))
    last = stream(client, f"/{job.id}")[-1]
    retry(services, job.id)
    cancel(services, job.id)
    told = stream(client, f"/{job.id}", last.id)
    assert [event.data["status"] for event in told] == ["pending", "failed"]


def test_each_version_is_told_apart_from_each_other_in_an_id(client: FlaskClient, services: Services):
    job = claim(services, accept(services))
    for number in range(1, 80):
        job = progress(services, job, number, total=100)
    job = complete(services, job, "words")
    checksum = stream(client, f"/{job.id}")[0].id.split(".")[0]
    told = stream(client, f"/{job.id}", f"{checksum}.1")
    assert len({event.id for event in told}) == len(told) == job.version - 1
    for event in told[:-1]:
        assert stream(client, f"/{job.id}", event.id)[0].version == event.version + 1


@pytest.mark.parametrize(
    "last_id", ["nonsense", "-1", "1e30", "9" * 20, "x" * 3000, "\xe4", "000000000000.1", ".", "x"]
)
def test_an_id_that_is_not_ours_counts_as_none(client: FlaskClient, services: Services, last_id: str):
    job = many_steps(services)
    assert [event.version for event in stream(client, f"/{job.id}", last_id)] == [job.version]


@pytest.mark.parametrize("version", ["zz", "zzzzzzzzz", "X", "0", "1-1"])
def test_an_id_from_the_future_or_of_another_shape_counts_as_none(
    client: FlaskClient, services: Services, version: str
):
    job = many_steps(services)
    checksum = stream(client, f"/{job.id}")[0].id.split(".")[0]
    assert [event.version for event in stream(client, f"/{job.id}", f"{checksum}.{version}")] == [job.version]


def test_where_entries_are_gone_the_present_state_is_told(client: FlaskClient, services: Services):
    job = many_steps(services)
    checksum = stream(client, f"/{job.id}")[0].id.split(".")[0]
    services.redis.delete(f"ingest:log:{job.id}")
    assert [event.version for event in stream(client, f"/{job.id}", f"{checksum}.2")] == [job.version]


def test_an_unknown_job_is_a_404_problem(client: FlaskClient):
    for job_id in (UNKNOWN, "x", "job_..", "\N{GRINNING FACE}"):
        answer = client.get(f"/api/ingest/events/{job_id}")
        assert answer.status_code == 404
        assert answer.json["error"]["code"] == "not_found"


def test_an_id_of_a_wrong_form_is_refused_before_redis_is_asked(client: FlaskClient, services: Services, monkeypatch):
    monkeypatch.setattr(services.jobs, "get_many", lambda ids: ids and pytest.fail("Redis was asked"))
    monkeypatch.setattr(services.jobs, "is_buried", lambda job_id: pytest.fail("Redis was asked"))
    assert client.get("/api/ingest/events/job_..").status_code == 404


def test_nothing_a_user_wrote_can_end_a_line(client: FlaskClient, services: Services):
    wild = "a\n\ndata: {}\r\nevent: x\u2028\x85\x0bb"
    job = complete(services, claim(services, accept(services)), wild)
    (only,) = stream(client, f"/{job.id}")
    assert only.data["result"]["preview"] == wild


def test_a_channel_cannot_be_listened_to(client: FlaskClient, services: Services):
    one, other = done(services), done(services)
    (only,) = stream(client, f"/{one.id}?channel={other.id}")
    assert only.data["jobId"] == one.id


# ---- several jobs ----------------------------------------------------------------------------------------------


def test_several_jobs_share_a_stream_and_its_id(client: FlaskClient, services: Services):
    jobs = [done(services) for _ in range(3)]
    told = stream(client, f"?jobs={','.join(job.id for job in jobs)},{jobs[0].id}")
    assert [event.data["jobId"] for event in told] == [job.id for job in jobs]
    for position, event in enumerate(told[:-1]):
        rest = stream(client, f"?jobs={','.join(job.id for job in jobs)}", event.id)
        assert [e.data["jobId"] for e in rest] == [job.id for job in jobs[position + 1 :]]


def test_jobs_may_be_named_one_by_one(client: FlaskClient, services: Services):
    one, two = done(services), done(services)
    told = stream(client, f"?jobs={one.id}&jobs={two.id}")
    assert [event.data["jobId"] for event in told] == [one.id, two.id]


def test_an_id_of_one_list_means_nothing_to_another(client: FlaskClient, services: Services):
    one, two = done(services), done(services)
    last = stream(client, f"?jobs={one.id},{two.id}")[-1]
    assert len(stream(client, f"?jobs={two.id},{one.id}", last.id)) == 2


def test_unknown_jobs_of_a_list_are_gone(client: FlaskClient, services: Services):
    job = done(services)
    told = stream(client, f"?jobs={UNKNOWN},{job.id},nonsense")
    assert [(event.name, event.data["jobId"]) for event in told] == [
        ("gone", UNKNOWN),
        ("status", job.id),
        ("gone", "nonsense"),
    ]
    assert client.get(
        f"/api/ingest/events?jobs={UNKNOWN},{job.id},nonsense", headers={"Last-Event-ID": told[-1].id}
    ).status_code == 204  # fmt: skip


def test_a_list_of_nothing_but_gone_jobs_ends_and_stays_ended(client: FlaskClient):
    (only,) = stream(client, f"?jobs={UNKNOWN}")
    assert client.get(f"/api/ingest/events?jobs={UNKNOWN}", headers={"Last-Event-ID": only.id}).status_code == 204


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


def test_a_job_deleted_between_two_connections_is_gone(client: FlaskClient, services: Services):
    job = fail(services, claim(services, accept(services)))
    checksum = stream(client, f"/{job.id}")[0].id.split(".")[0]
    delete(services, job.id)
    (only,) = stream(client, f"/{job.id}", f"{checksum}.1")
    assert only.name == "gone"
    assert client.get(f"/api/ingest/events/{job.id}", headers={"Last-Event-ID": only.id}).status_code == 204


def test_the_stream_goes_on_until_the_last_job_has_ended(services: Services, log: EventLog):
    first, second = done(services), accept(services)
    watching = Watching(services, log, first.id, second.id)
    assert [watching.next().data["status"] for _ in range(2)] == ["completed", "pending"]
    cancel(services, second.id)
    log.notify(second.id)
    assert watching.next().data["status"] == "failed"
    assert watching.is_closed()


@pytest.mark.parametrize("query", ["", "?jobs=", "?jobs=,,", "?jobs=" + ",".join(f"x{n}" for n in range(101))])
def test_a_list_holds_1_to_100_jobs(client: FlaskClient, query: str):
    answer = client.get(f"/api/ingest/events{query}")
    assert answer.status_code == 422
    assert answer.json["error"]["field"] == "jobs"


# ---- beside the changes ----------------------------------------------------------------------------------------


def test_a_move_in_the_queue_is_told_without_an_id(services: Services, log: EventLog, clock, monkeypatch):
    monkeypatch.setattr(events, "MOVES_EVERY", 0.01)
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
    monkeypatch.setattr(events, "HEARTBEAT", 0.01)
    assert next(watching.frames).startswith(":")


def test_a_change_whose_ring_was_lost_is_told_with_the_next_sign_of_life(
    services: Services, log: EventLog, monkeypatch
):
    job = claim(services, accept(services))
    watching = Watching(services, log, job.id)
    watching.next()
    monkeypatch.setattr(events, "HEARTBEAT", 0.01)
    complete(services, job, "words")
    assert watching.next().data["status"] == "completed"


def test_a_redis_that_came_back_older_is_followed(services: Services, log: EventLog, clock, monkeypatch):
    """The same version with another content: what was told is not true any more."""
    job = claim(services, accept(services))
    watching = Watching(services, log, progress(services, job, 5).id)
    watching.next()
    services.redis.hset(f"ingest:job:{job.id}", "version", job.version)  # the last second is lost
    services.redis.delete(f"ingest:log:{job.id}")
    clock.now += 1000
    change(services, job, job.failed(Failure.of("corrupt_document"), now=clock.now, policy=services.policy))
    monkeypatch.setattr(events, "HEARTBEAT", 0.01)
    assert watching.next().data["status"] == "failed"


def test_a_redis_that_is_away_is_waited_for(services: Services, log: EventLog, monkeypatch):
    job = claim(services, accept(services))
    watching = Watching(services, log, job.id)
    watching.next()
    read, failures = log.read, [QueueUnavailable("queue_unavailable")] * 2
    monkeypatch.setattr(events, "OUTAGE_PAUSE", 0)
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


def test_there_are_only_so_many_streams(app: Flask, client: FlaskClient, services: Services):
    job = accept(services)
    held = app.extensions["gate"].held
    held.limit = 1
    first = client.get(f"/api/ingest/events/{job.id}", buffered=False)
    refused = client.get(f"/api/ingest/events/{job.id}")
    assert refused.status_code == 503
    assert refused.json["error"]["code"] == "too_many_streams"
    assert refused.headers["Retry-After"]
    first.close()
    assert held.taken == 0


def test_a_stream_that_is_only_asked_about_holds_nothing(app: Flask, client: FlaskClient, services: Services):
    client.head(f"/api/ingest/events/{accept(services).id}").close()
    assert app.extensions["gate"].held.taken == 0


def test_nobody_is_watched_for_after_the_end(client: FlaskClient, services: Services, log: EventLog):
    stream(client, f"/{done(services).id}")
    assert log.watched() == 0
