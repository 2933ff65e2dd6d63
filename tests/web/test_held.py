"""Requests that wait for their job: held no longer than needed, and never without end."""

from __future__ import annotations

import threading

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.adapters.event_log import EventLog
from app.services import Services
from app.web.schemas import Text
from tests.web.asking import refused, status, upload
from tests.web.driving import accept, claim, complete, done, fail


@pytest.fixture
def as_worker(app: Flask, services: Services, monkeypatch):
    """Does something to the job of a synchronous upload in the moment in which its client begins to wait."""
    log: EventLog = app.extensions["event_log"]
    log.is_listening = True
    services.settings = services.settings.model_copy(update={"sync_timeout": 30.0})

    def arrange(*steps) -> None:
        left = list(steps)
        wait = type(log.watch([])).wait

        def working(watcher, timeout: float) -> bool:
            (job_id,) = watcher.job_ids
            job = services.jobs.get(job_id)
            assert job is not None
            left.pop(0)(services, job)
            log.notify(job_id)
            return wait(watcher, timeout)

        monkeypatch.setattr("app.adapters.event_log.Watcher.wait", working)

    return arrange


def test_the_synchronous_endpoint_answers_with_the_text(client: FlaskClient, as_worker):
    as_worker(claim, lambda s, job: complete(s, job, 'page "one"\n', "page \N{SNOWMAN}"))
    answer = upload(client, path="")
    assert answer.status_code == 200
    Text.model_validate(answer.json)
    assert answer.json["text"] == 'page "one"\n\fpage \N{SNOWMAN}'
    assert answer.json["result"]["pages"] == 2


def test_the_synchronous_endpoint_says_why_a_file_cannot_be_read(client: FlaskClient, as_worker):
    as_worker(claim, fail)
    error = refused(upload(client, path=""), 422, "corrupt_document")
    assert error["retryCount"] == 0
    assert "stackTrace" not in error


def test_the_synchronous_endpoint_says_that_a_job_was_cancelled(client: FlaskClient, as_worker):
    as_worker(lambda s, job: client.post(f"/api/ingest/cancel/{job.id}"))
    refused(upload(client, path=""), 409, "cancelled")


def test_the_synchronous_endpoint_says_that_a_job_was_deleted(client: FlaskClient, as_worker):
    as_worker(lambda s, job: client.delete(f"/api/ingest/jobs/{job.id}"))
    refused(upload(client, path=""), 404, "not_found")


def test_the_synchronous_endpoint_becomes_start_when_it_takes_too_long(client: FlaskClient, services: Services):
    services.settings = services.settings.model_copy(update={"sync_timeout": 0.0})
    answer = upload(client, path="")
    assert answer.status_code == 202
    assert answer.json["status"] == "pending"


def test_the_synchronous_endpoint_becomes_start_when_too_many_wait(app: Flask, client: FlaskClient, as_worker):
    as_worker()
    app.extensions["gate"].held.limit = 0
    assert upload(client, path="").status_code == 202


def test_the_synchronous_endpoint_becomes_start_when_the_server_stops(app: Flask, client: FlaskClient):
    app.extensions["ingest_stop"].set()
    assert upload(client, path="").status_code == 202


@pytest.mark.parametrize("value", ["abc", "-1", "", "1e", "nan", "inf", "1,5", "\N{SUPERSCRIPT TWO}"])
def test_a_wait_is_a_number_of_seconds(client: FlaskClient, services: Services, value: str):
    refused(status(client, accept(services), f"?wait={value}"), 422, "invalid_field", "wait")


def test_a_wait_ends_with_the_next_change(client: FlaskClient, services: Services, as_worker):
    job = accept(services)
    as_worker(claim)
    assert status(client, job, "?wait=30").json["status"] == "processing"


def test_a_wait_with_a_tag_that_is_old_already_ends_at_once(client: FlaskClient, services: Services, as_worker):
    job = accept(services)
    tag = status(client, job).headers["ETag"]
    claim(services, job)
    as_worker()
    assert status(client, job, "?wait=30", If_None_Match=tag).json["status"] == "processing"


def test_a_wait_on_an_ended_job_ends_at_once(client: FlaskClient, services: Services, as_worker):
    job = done(services)
    as_worker()
    answer = status(client, job, "?wait=30")
    assert answer.status_code == 200
    assert status(client, job, "?wait=30", If_None_Match=answer.headers["ETag"]).status_code == 304


def test_a_wait_that_brings_nothing_ends_with_the_unchanged_document(client: FlaskClient, services: Services):
    job = accept(services)
    tag = status(client, job).headers["ETag"]
    assert status(client, job, "?wait=0.01").headers["ETag"] == tag
    assert status(client, job, "?wait=0.01", If_None_Match=tag).status_code == 304


def test_a_wait_ends_when_the_job_is_deleted(client: FlaskClient, services: Services, as_worker):
    as_worker(lambda s, job: client.delete(f"/api/ingest/jobs/{job.id}"))
    assert status(client, accept(services), "?wait=30").status_code == 404


def test_a_wait_ends_when_the_server_stops(app: Flask, client: FlaskClient, services: Services):
    app.extensions["ingest_stop"].set()
    assert status(client, accept(services), "?wait=30").status_code == 200


def test_when_too_many_wait_the_others_are_answered_at_once(app: Flask, client: FlaskClient, services, as_worker):
    as_worker()
    held = app.extensions["gate"].held
    assert held.limit == services.settings.web_threads * 3 // 4
    held.limit = 0
    assert status(client, accept(services), "?wait=30").status_code == 200


def test_places_are_given_back(app: Flask, client: FlaskClient, services: Services):
    held = app.extensions["gate"].held
    threads = [
        threading.Thread(target=status, args=(app.test_client(), job, "?wait=0.01"))
        for job in [done(services), accept(services)] * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held.taken == 0
