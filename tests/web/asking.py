"""What clients ask of the API, and how it refuses them."""

from __future__ import annotations

import io

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.domain.job import Job


def upload(
    client: FlaskClient, data: bytes = b"plain words", name: str = "a.txt", path: str = "/start", **fields: str
) -> TestResponse:
    headers = {"Idempotency-Key": fields.pop("key")} if "key" in fields else {}
    form = {**fields, "file": (io.BytesIO(data), name)}
    return client.post(f"/api/ingest{path}", data=form, headers=headers)


def refused(answer: TestResponse, status: int, code: str, field: str | None = None) -> dict:
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert answer.mimetype == "application/problem+json"
    assert answer.json["error"].get("field") == field
    return answer.json["error"]


def status(client: FlaskClient, job: Job | str, query: str = "", **headers: str) -> TestResponse:
    job_id = job if isinstance(job, str) else job.id
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(f"/api/ingest/status/{job_id}{query}", headers=given)
