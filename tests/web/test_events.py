"""The stream of events: the whole story, in order, each entry once, also over many connections."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.adapters.event_log import EventLog
from app.ingestion.cancel import cancel, delete, retry
from app.services import Services
from tests.web.driving import accept, claim, complete, done, fail, progress
from tests.web.streaming import Event, many_steps, parsed

UNKNOWN = "job_" + "a" * 24


def stream(client: FlaskClient, path: str, last_id: str | None = None) -> list[Event]:
    answer = client.get(f"/api/ingest/events{path}", headers={} if last_id is None else {"Last-Event-ID": last_id})
    assert answer.status_code == 200
    return parsed(answer.text)


# ---- one job ---------------------------------------------------------------------------------------------------


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


def test_a_job_deleted_between_two_connections_is_gone(client: FlaskClient, services: Services):
    job = fail(services, claim(services, accept(services)))
    checksum = stream(client, f"/{job.id}")[0].id.split(".")[0]
    delete(services, job.id)
    (only,) = stream(client, f"/{job.id}", f"{checksum}.1")
    assert only.name == "gone"
    assert client.get(f"/api/ingest/events/{job.id}", headers={"Last-Event-ID": only.id}).status_code == 204


@pytest.mark.parametrize("query", ["", "?jobs=", "?jobs=,,", "?jobs=" + ",".join(f"x{n}" for n in range(101))])
def test_a_list_holds_1_to_100_jobs(client: FlaskClient, query: str):
    answer = client.get(f"/api/ingest/events{query}")
    assert answer.status_code == 422
    assert answer.json["error"]["field"] == "jobs"


# ---- beside the changes ----------------------------------------------------------------------------------------


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
