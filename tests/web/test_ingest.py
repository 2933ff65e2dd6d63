"""Uploads, the status and what is done to one job, as a client meets them."""

from __future__ import annotations

import io
import re
import uuid

import fakeredis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.domain.job import JobStatus
from app.errors import QueueUnavailable
from app.services import Services
from app.web import ingest
from app.web.ingest import in_words
from app.web.schemas import Accepted, Gone, Status
from tests.web.asking import refused, status, upload
from tests.web.driving import accept, claim, complete, done, fail, progress

UNKNOWN = "job_" + "a" * 24
ODD_IDS = ("job_..", "x", "%00", "job_" + "A" * 24, "%F0%9F%98%80", "a" * 3000)


def stored(services: Services) -> int:
    """Jobs and files of any kind."""
    files = [path for path in services.blobs.root.rglob("*") if path.is_file() and path.name != "installation"]
    return services.redis.zcard("ingest:jobs") + len(files)


# ---- accepting -------------------------------------------------------------------------------------------------


def test_an_upload_is_answered_with_the_202_of_the_design_document(client: FlaskClient):
    answer = upload(client, priority="high", userId="user123")
    assert answer.status_code == 202
    body = answer.json
    Accepted.model_validate(body)
    assert body["success"] is True
    assert re.fullmatch(r"job_[a-z][0-9a-z]{23}", body["jobId"])
    assert body["message"] == "File uploaded successfully and queued for processing"
    assert body["statusUrl"] == answer.headers["Location"] == f"/api/ingest/status/{body['jobId']}"
    assert int(answer.headers["Retry-After"]) >= 1


def test_what_was_sent_is_in_the_record(client: FlaskClient, services: Services):
    job = services.jobs.get(upload(client, name="My script.txt", priority="low", userId="user\x00 123").json["jobId"])
    assert job is not None
    assert (job.file.name, job.file.size, job.file.type) == ("My script.txt", 11, "text/plain")
    assert (job.priority.value, job.user_id) == ("low", "user 123")
    with services.blobs.upload_path(job.id) as path:
        assert path.read_bytes() == b"plain words"


def test_the_body_may_be_the_file(client: FlaskClient, services: Services):
    answer = client.put("/api/ingest/start/notes.md?priority=urgent&userId=me", data=b"# Notes")
    assert answer.status_code == 202
    document = client.get(answer.json["statusUrl"]).json
    assert document["file"] == {"name": "notes.md", "size": 7, "type": "text/markdown"}
    assert (document["priority"], document["userId"]) == ("urgent", "me")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("..%2F..%2Fetc%2Fpasswd.txt", "passwd.txt"),
        ("/a.txt", "a.txt"),
        ("%2Fsrv%2F%2Fa.txt", "a.txt"),
        ("a%0Db%0A.txt", "ab.txt"),
        ("%0Aa.txt%0A", "a.txt"),
    ],
)
def test_any_name_may_stand_in_the_address_and_its_clean_last_part_is_kept(client: FlaskClient, path: str, name: str):
    answer = client.put(f"/api/ingest/start/{path}", data=b"words")
    assert answer.status_code == 202
    assert client.get(answer.json["statusUrl"]).json["file"]["name"] == name


def test_a_part_of_a_file_is_not_taken_for_the_whole(client: FlaskClient, services: Services):
    headers = {"Content-Range": "bytes 5-10/11"}  # as `curl -C 5 -T` resumes
    refused(client.put("/api/ingest/start/a.txt", data=b" words", headers=headers), 400, "bad_request")
    assert stored(services) == 0


def test_without_fields_the_priority_is_medium_and_nobody_is_named(client: FlaskClient):
    document = client.get(upload(client).json["statusUrl"]).json
    assert (document["priority"], document["userId"]) == ("medium", None)


def test_a_key_makes_one_job(client: FlaskClient):
    key = uuid.uuid4().hex
    first, second = (upload(client, key=key) for _ in range(2))
    assert first.json["jobId"] == second.json["jobId"]
    assert second.status_code == 202
    refused(upload(client, b"other words", key=key), 422, "idempotency_mismatch")
    refused(upload(client, name="b.txt", key=key), 422, "idempotency_mismatch")
    refused(upload(client, priority="low", key=key), 422, "idempotency_mismatch")
    assert upload(client, key=uuid.uuid4().hex).json["jobId"] != first.json["jobId"]


def test_a_key_is_free_again_when_its_upload_failed(client: FlaskClient):
    key = uuid.uuid4().hex
    refused(upload(client, b"", key=key), 422, "empty_file")
    assert upload(client, key=key).status_code == 202


def test_a_key_whose_upload_still_runs_is_said(client: FlaskClient):
    key = uuid.uuid4().hex
    inside: list[TestResponse] = []

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if not inside:
                inside.append(upload(client, key=key))
            return super().read(size)

    answer = client.put(
        "/api/ingest/start/a.txt", input_stream=Slow(b"words"), content_length=5, headers={"Idempotency-Key": key}
    )
    assert answer.status_code == 202
    refused(inside[0], 409, "idempotency_running")
    assert inside[0].headers["Retry-After"]


# ---- refusing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "x" * 201, "a b", "\xe4", "a\tb"])
def test_a_key_is_1_to_200_visible_characters(client: FlaskClient, services: Services, key: str):
    refused(upload(client, key=key), 422, "invalid_field", "Idempotency-Key")
    assert stored(services) == 0


@pytest.mark.parametrize("value", ["highest", "1", "", "HIGH", "high ", "high\x00", "high" * 2000])
def test_a_priority_outside_the_set_is_refused(client: FlaskClient, services: Services, value: str):
    refused(upload(client, priority=value), 422, "invalid_field", "priority")
    assert stored(services) == 0


def test_a_long_user_is_refused(client: FlaskClient, services: Services):
    refused(upload(client, userId="u" * 129), 422, "invalid_field", "userId")
    assert upload(client, userId="u" * 128).status_code == 202


@pytest.mark.parametrize(
    "query", ["priority=highest", "priority=low&priority=high", "priority=", "userId=" + "u" * 129]
)
def test_the_fields_of_a_raw_upload_are_as_strict(client: FlaskClient, services: Services, query: str):
    field = query.split("=")[0]
    refused(client.put(f"/api/ingest/start/a.txt?{query}", data=b"words"), 422, "invalid_field", field)
    assert stored(services) == 0


@pytest.mark.parametrize(
    ("name", "data", "status", "code"),
    [
        ("a.txt", b"", 422, "empty_file"),
        ("a.exe", b"MZ", 415, "unsupported_type"),
        ("a.pdf", b"\x7fELF\x02\x01\x01", 415, "content_mismatch"),
    ],
)
def test_a_file_that_cannot_be_read_is_not_kept(
    client: FlaskClient, services: Services, name: str, data: bytes, status: int, code: str
):
    refused(upload(client, data, name), status, code)
    refused(upload(client, data, name, path=""), status, code)
    refused(client.put(f"/api/ingest/start/{name}", data=data), status, code)
    assert stored(services) == 0


def test_what_is_no_upload_is_refused(client: FlaskClient):
    refused(client.post("/api/ingest/start", json={}), 415, "not_multipart")
    refused(client.post("/api/ingest/start", data={"other": (io.BytesIO(b"x"), "a.txt")}), 400, "missing_file")
    refused(client.delete("/api/ingest/start"), 405, "method_not_allowed")


def test_uploads_in_flight_hold_half_of_the_threads(app: Flask, client: FlaskClient, services: Services):
    uploads = app.extensions["gate"].uploads
    assert uploads.limit == services.settings.web_threads // 2
    assert upload(client).status_code == 202
    refused(upload(client, b""), 422, "empty_file")
    assert uploads.taken == 0
    uploads.limit = 0
    answer = upload(client)
    refused(answer, 503, "overloaded")
    assert answer.headers["Retry-After"]


def test_without_redis_nothing_is_accepted(client: FlaskClient, services: Services, monkeypatch):
    monkeypatch.setattr(services, "binding", away)
    answer = upload(client)
    refused(answer, 503, "queue_unavailable")
    assert answer.headers["Retry-After"]
    assert stored(services) == 0


def test_the_application_comes_up_without_its_queue_and_says_so(settings, services: Services):
    server = fakeredis.FakeServer()
    server.connected = False
    lonely = Services(settings, client=fakeredis.FakeRedis(server=server), blobs=services.blobs)
    client = create_app(settings, lonely).test_client()
    for answer in (upload(client), status(client, UNKNOWN), client.get(f"/api/ingest/events/{UNKNOWN}")):
        refused(answer, 503, "queue_unavailable")
        assert answer.headers["Retry-After"]
    assert client.get("/").status_code == 200


def test_an_accepted_job_is_said_even_if_its_time_cannot_be_estimated(client: FlaskClient, monkeypatch):
    monkeypatch.setattr(ingest, "estimate", away)
    assert upload(client).status_code == 202


def away(*args: object, **kwargs: object) -> None:
    raise QueueUnavailable("queue_unavailable")


def test_times_are_told_in_words():
    told = [in_words(seconds) for seconds in (1, 11, 61, 170, 3500, 3700, 9000)]
    assert told == [
        "a few seconds",
        "less than a minute",
        "1-2 minutes",
        "2-3 minutes",
        "58-59 minutes",
        "about an hour",
        "about 2 hours",
    ]


# ---- status ----------------------------------------------------------------------------------------------------


def test_the_status_follows_the_job(client: FlaskClient, services: Services):
    job = accept(services)
    assert status(client, job).json["waiting"]["jobsAhead"] == 0
    job = progress(services, claim(services, job), 4)
    document = status(client, job).json
    assert document["progress"]["percentage"] == 40
    assert document["progress"]["pagesTotal"] == 10
    job = complete(services, job, "words")
    answer = status(client, job)
    Status.model_validate(answer.json)
    assert answer.json["progress"]["percentage"] == 100
    assert client.get(answer.json["result"]["textUrl"]).text == "words"


def test_a_status_is_never_kept_and_says_when_to_ask_again(client: FlaskClient, services: Services):
    answer = status(client, accept(services))
    assert answer.headers["Cache-Control"] == "no-store"
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Retry-After" not in status(client, done(services)).headers


def test_who_has_the_document_is_told_so(client: FlaskClient, services: Services):
    job = accept(services)
    tag = status(client, job).headers["ETag"]
    again = status(client, job, If_None_Match=tag)
    assert (again.status_code, again.data) == (304, b"")
    claim(services, job)
    assert status(client, job, If_None_Match=tag).status_code == 200


def test_a_stack_trace_is_shown_to_the_admin_only(client: FlaskClient, services: Services):
    job = fail(services, claim(services, accept(services)))
    token = services.settings.admin_token.get_secret_value()
    assert "stackTrace" not in status(client, job).json["error"]
    assert "stackTrace" not in status(client, job, Authorization="Bearer wrong").json["error"]
    assert status(client, job, Authorization=f"Bearer {token}").json["error"]["stackTrace"] == "Traceback of ours"


@pytest.mark.parametrize("job_id", [UNKNOWN, *ODD_IDS])
def test_a_job_that_is_not_there_is_a_document_that_ends_the_client(client: FlaskClient, job_id: str):
    for query in ("", "?wait=5"):
        answer = status(client, job_id, query)
        assert answer.status_code == 404
        assert answer.mimetype == "application/json"
        Gone.model_validate(answer.json)


def test_odd_ids_are_refused_before_redis_is_asked(client: FlaskClient, services: Services, monkeypatch):
    monkeypatch.setattr(services.jobs, "get", lambda job_id: pytest.fail("Redis was asked"))
    for job_id in ODD_IDS:
        for method, path in (
            ("GET", f"status/{job_id}"),
            ("GET", f"result/{job_id}"),
            ("POST", f"cancel/{job_id}"),
            ("POST", f"retry/{job_id}"),
            ("DELETE", f"jobs/{job_id}"),
        ):
            assert client.open(f"/api/ingest/{path}", method=method).status_code == 404


def test_a_job_that_a_redis_lost_is_not_called_gone(client: FlaskClient, services: Services):
    """Its bytes are there, and so it will be a job again: a client that is told 404 would give up."""
    job = accept(services)
    services.redis.delete(f"ingest:job:{job.id}")
    refused(status(client, job), 503, "queue_unavailable")
    services.redis.flushall()
    refused(status(client, job), 503, "queue_unavailable")


# ---- steering --------------------------------------------------------------------------------------------------


def test_cancel_and_retry_follow_the_table(client: FlaskClient, services: Services):
    job = accept(services)
    answer = client.post(f"/api/ingest/cancel/{job.id}")
    assert (answer.status_code, answer.json["status"]) == (200, "failed")
    assert answer.json["error"]["code"] == "cancelled"
    assert answer.json["error"]["retryable"] is False
    assert client.post(f"/api/ingest/cancel/{job.id}").status_code == 200
    assert client.post(f"/api/ingest/retry/{job.id}").json["status"] == "pending"
    assert client.post(f"/api/ingest/retry/{job.id}").status_code == 200
    job = services.jobs.get(job.id)
    assert job is not None
    complete(services, claim(services, job), "words")
    refused(client.post(f"/api/ingest/retry/{job.id}"), 409, "wrong_state")
    refused(client.post(f"/api/ingest/cancel/{job.id}"), 409, "wrong_state")


def test_a_job_that_failed_cannot_be_cancelled(client: FlaskClient, services: Services):
    job = fail(services, claim(services, accept(services)))
    assert job.status is JobStatus.FAILED
    refused(client.post(f"/api/ingest/cancel/{job.id}"), 409, "wrong_state")


def test_delete_removes_everything(client: FlaskClient, services: Services):
    job = done(services)
    answer = client.delete(f"/api/ingest/jobs/{job.id}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert status(client, job).status_code == 404
    refused(client.get(f"/api/ingest/result/{job.id}"), 404, "not_found")
    refused(client.delete(f"/api/ingest/jobs/{job.id}"), 404, "not_found")
    assert stored(services) == 0


def test_steering_an_unknown_job_is_a_404_problem(client: FlaskClient):
    for verb in ("cancel", "retry"):
        refused(client.post(f"/api/ingest/{verb}/{UNKNOWN}"), 404, "not_found")
        refused(client.get(f"/api/ingest/{verb}/{UNKNOWN}"), 405, "method_not_allowed")
