import json
import re

import pytest
import structlog
from flask import Flask, abort, redirect, request
from jinja2 import DictLoader

from app.errors import CATALOGUE, IngestError, JobTimeout, QueueUnavailable, RequestRefused, ValidationFailed
from app.web import problems

PAGE = "<h1>{{ error.message }}</h1><p>{{ error.suggestion }}</p>{{ reference or 'none' }}"


def new_app():
    app = Flask(__name__)
    app.jinja_loader = DictLoader({"problem.html": PAGE})
    problems.register(app)
    return app


@pytest.fixture
def app():
    app = new_app()
    app.add_url_rule("/api/only-post", "only_post", lambda: "x", methods=["POST"])
    return app


def fails_with(error, path="/api/x", **kwargs):
    """Call a route that raises the error that is given."""

    def view():
        raise error

    app = new_app()
    app.add_url_rule(path, "x", view, methods=["GET", "POST"])
    return app.test_client().open(path, **kwargs)


@pytest.mark.parametrize("code", list(CATALOGUE))
def test_every_code_of_the_catalogue_has_an_answer_in_the_same_shape(code):
    answer = fails_with(IngestError(code), headers={"Accept": "text/html"})
    document = json.loads(answer.data)
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert list(document) == ["type", "title", "status", "detail", "instance", "success", "error"]
    assert document["status"] == answer.status_code
    assert document["success"] is False
    assert document["type"] == f"/problems/{code}"
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", document["instance"])
    assert set(document["error"]) == {"type", "code", "message", "suggestion", "retryable", "retryCount"}
    if answer.status_code in (429, 503):
        assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("missing_file", 400),
        ("too_many_files", 400),
        ("incomplete_body", 400),
        ("malformed_body", 400),
        ("empty_file", 422),
        ("invalid_field", 422),
        ("too_large", 413),
        ("unsupported_type", 415),
        ("content_mismatch", 415),
        ("not_multipart", 415),
        ("bad_request", 400),
        ("uri_too_long", 414),
        ("headers_too_large", 431),
        ("idempotency_mismatch", 422),
        ("idempotency_running", 409),
        ("encrypted_document", 422),
        ("poison", 422),
        ("storage_unavailable", 503),
        ("storage_full", 503),
        ("queue_unavailable", 503),
        ("overloaded", 503),
        ("too_many_streams", 503),
        ("not_found", 404),
        ("method_not_allowed", 405),
        ("unauthenticated", 401),
        ("cross_site", 403),
        ("not_configured", 503),
        ("not_completed", 409),
        ("wrong_state", 409),
        ("batch_running", 409),
        ("rate_limited", 429),
        ("internal", 500),
    ],
)
def test_statuses_are_those_of_the_documentation(code, status):
    assert problems.status_of(IngestError(code)) == status


def test_the_field_to_blame_is_named():
    answer = fails_with(ValidationFailed("invalid_field", field="priority"))
    assert answer.json["error"]["field"] == "priority"


def test_a_more_exact_sentence_is_shown_under_the_same_title():
    answer = fails_with(ValidationFailed("invalid_field", "Too long.", suggestion="Shorten it."))
    assert answer.json["title"] == CATALOGUE["invalid_field"].message
    assert answer.json["detail"] == answer.json["error"]["message"] == "Too long."
    assert answer.json["error"]["suggestion"] == "Shorten it."


def test_an_error_may_say_when_to_come_back():
    assert fails_with(QueueUnavailable("overloaded", retry_after=17)).headers["Retry-After"] == "17"
    assert fails_with(RequestRefused("batch_running", retry_after=9), "/api/y").headers["Retry-After"] == "9"
    assert "Retry-After" not in fails_with(RequestRefused("wrong_state"), "/api/z").headers


def test_an_error_may_know_its_status_better():
    error = ValidationFailed("incomplete_body")
    error.http_status = 408
    answer = fails_with(error)
    assert (answer.status_code, answer.json["status"]) == (408, 408)


def test_a_route_may_give_a_code_another_status(app):
    with app.test_request_context():
        answer = problems.problem(JobTimeout(), retry_count=3, status=409)
    assert answer.status_code == 409
    assert answer.json["error"]["retryCount"] == 3


def test_a_401_says_how_to_authenticate():
    assert fails_with(RequestRefused("unauthenticated")).headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/api/none", "/none", "/api/<script>", "/api/%0d%0aX: y"])
def test_an_unknown_address_is_a_404_that_says_nothing_back(app, path):
    answer = app.test_client().get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert answer.json["error"]["code"] == "not_found"
    assert b"script" not in answer.data
    assert b"none" not in answer.data


def test_another_method_is_a_405_that_names_the_right_ones(app):
    answer = app.test_client().delete("/api/only-post")
    assert (answer.status_code, answer.json["error"]["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"),
        (403, "bad_request"),
        (413, "too_large"),
        (415, "unsupported_type"),
        (418, "bad_request"),
        (500, "internal"),
        (501, "internal"),
        (503, "queue_unavailable"),
    ],
)
def test_what_flask_refuses_by_itself_gets_our_words(app, status, code):
    app.add_url_rule("/api/abort", "abort", lambda: abort(status, "the library's words"))
    answer = app.test_client().get("/api/abort")
    assert answer.json["error"]["code"] == code
    assert answer.status_code == (500 if status == 501 else status)
    assert b"library" not in answer.data


def test_a_redirect_is_no_error(app):
    app.add_url_rule("/api/go", "go", lambda: abort(redirect("/elsewhere", 303)))
    assert app.test_client().get("/api/go").status_code == 303


def test_a_bug_is_a_500_whose_reference_is_in_the_log():
    with structlog.testing.capture_logs() as lines:
        answer = fails_with(KeyError("secret detail"))
    assert (answer.status_code, answer.json["error"]["code"]) == (500, "internal")
    assert b"secret detail" not in answer.data
    (line,) = lines
    assert line["reference"] in answer.json["error"]["suggestion"]
    assert answer.json["instance"].endswith(line["reference"])
    assert "secret detail" in line["traceback"]


def test_an_outage_is_logged_by_its_code_and_cause():
    error = QueueUnavailable("queue_unavailable")
    error.__cause__ = ConnectionError("at 10.0.0.1")
    with structlog.testing.capture_logs() as lines:
        fails_with(error)
    assert lines == [
        {
            "event": "refused",
            "log_level": "warning",
            "code": "queue_unavailable",
            "status": 503,
            "cause": "ConnectionError",
        }
    ]


@pytest.mark.parametrize("path", ["/", "/jobs/x", "/admin", "/admin/login"])
def test_where_people_look_an_error_is_a_page(path):
    answer = fails_with(ValidationFailed("empty_file", "<b>Empty</b>"), path, method="POST")
    assert answer.status_code == 422
    assert answer.content_type == "text/html; charset=utf-8"
    assert "<h1>&lt;b&gt;Empty&lt;/b&gt;</h1>" in answer.text
    assert answer.text.endswith("none")


def test_the_page_of_a_bug_shows_the_reference():
    with structlog.testing.capture_logs() as lines:
        answer = fails_with(ZeroDivisionError(), "/admin")
    assert answer.text.endswith(lines[0]["reference"])


def test_a_page_keeps_the_headers_of_its_error():
    assert fails_with(QueueUnavailable("queue_unavailable"), "/").headers["Retry-After"] == "5"


def test_one_request_has_one_id(app):
    app.add_url_rule("/api/id", "id", lambda: [problems.request_id(), problems.request_id(), request.path])
    first, second, _ = app.test_client().get("/api/id").json
    assert first == second
    assert problems.request_id() != problems.request_id()
