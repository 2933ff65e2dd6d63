"""The pages, as a browser without JavaScript uses them."""

from __future__ import annotations

import io
import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.services import Services
from tests.web.driving import accept, claim, done, fail

UNKNOWN = "job_" + "a" * 24
BROWSER = {"Accept": "text/html"}


def send(client: FlaskClient, data: bytes = b"plain words", name: str = "a.txt", **fields: str) -> TestResponse:
    return client.post("/", data={**fields, "file": (io.BytesIO(data), name)}, headers=BROWSER)


def test_the_upload_page_has_a_form_and_its_parts(client: FlaskClient):
    page = client.get("/")
    assert re.search(r"<form[^>]*multipart/form-data", page.text)
    parts = re.findall(r'<(?:script|link|img)[^>]*?(?:src|href)="([^"]+)"', page.text)
    assert any(part.endswith(".js") for part in parts)
    for part in parts:
        with client.get(part) as answer:
            assert answer.status_code == 200, part


def test_files_of_the_page_are_asked_for_anew_but_not_sent_anew(client: FlaskClient):
    first = client.get("/static/style.css")
    assert "no-cache" in first.headers["Cache-Control"]
    with client.get("/static/style.css", headers={"If-None-Match": first.headers["ETag"]}) as again:
        assert again.status_code == 304
    first.close()


@pytest.mark.parametrize("path", ["/", "/admin", f"/jobs/{UNKNOWN}"])
@pytest.mark.parametrize("host", ["x" * 64, "a..b", f"{'x' * 129}:80"])
def test_a_host_that_no_address_can_be_made_of_is_refused_without_a_page(client: FlaskClient, path: str, host: str):
    """Guards `answered`: a page has addresses in it, so that the refusal itself failed, as a 500."""
    answer = client.get(path, headers={**BROWSER, "Host": host})
    assert answer.status_code == 400
    assert answer.json
    assert answer.json["error"]["code"] == "bad_request"


def test_the_form_leads_to_the_page_of_the_job(client: FlaskClient):
    answer = send(client, priority="high")
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"])
    assert "a.txt" in page.text
    assert re.search(r'http-equiv="refresh"', page.text)
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in page.text


def test_what_is_wrong_with_an_upload_is_a_page(client: FlaskClient):
    for answer, status in (
        (send(client, b""), 422),
        (send(client, priority="highest"), 422),
        (client.post("/", data={"priority": "low"}, content_type="multipart/form-data"), 400),
    ):
        assert answer.status_code == status
        assert answer.mimetype == "text/html"
        assert "<h1" in answer.text


def test_a_page_of_an_ended_job_does_not_refresh_itself(client: FlaskClient, services: Services):
    page = client.get(f"/jobs/{done(services, 'the preview').id}")
    assert "the preview" in page.text
    assert 'http-equiv="refresh"' not in page.text


def test_a_page_tells_what_went_wrong(client: FlaskClient, services: Services):
    job = fail(services, claim(services, accept(services)), "encrypted_document")
    page = client.get(f"/jobs/{job.id}")
    assert "locked with a password" in page.text
    assert "Traceback" not in page.text


def test_what_a_user_wrote_is_escaped(client: FlaskClient, services: Services):
    page = client.get(f"/jobs/{done(services, '<script>alert(1)</script>', name='<img src=x>.txt', user_id='<b>').id}")
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert "<b>" not in page.text


def test_a_job_that_is_not_there_is_a_404_page(client: FlaskClient):
    for job_id in (UNKNOWN, "x", "job_.."):
        page = client.get(f"/jobs/{job_id}")
        assert (page.status_code, page.mimetype) == (404, "text/html")
    assert client.post(f"/jobs/{UNKNOWN}/cancel").status_code == 404


def test_buttons_lead_back_to_the_page(client: FlaskClient, services: Services):
    job = accept(services)
    for verb, status in (("cancel", "failed"), ("retry", "pending")):
        answer = client.post(f"/jobs/{job.id}/{verb}")
        assert answer.status_code == 303
        assert answer.headers["Location"] == f"/jobs/{job.id}"
        now = services.jobs.get(job.id)
        assert now is not None
        assert now.status.value == status


def test_a_button_that_comes_too_late_is_no_error(client: FlaskClient, services: Services):
    assert client.post(f"/jobs/{done(services).id}/cancel").status_code == 303


def test_there_are_no_other_buttons(client: FlaskClient, services: Services):
    job = accept(services)
    assert client.post(f"/jobs/{job.id}/delete").status_code == 404
    assert client.get(f"/jobs/{job.id}/cancel").status_code == 405
