import pytest
import structlog
from flask import Flask, g, request

from app.settings import Settings
from app.web import problems, security


def new_client(**settings):
    app = Flask(__name__)
    problems.register(app)
    security.register(app, Settings(_env_file=None, **settings))
    app.add_url_rule(
        "/api/x", "x", lambda: {"host": request.host, "from": request.remote_addr}, methods=["GET", "POST"]
    )
    app.add_url_rule("/jobs/<job_id>", "job", lambda job_id: "page")
    app.add_url_rule("/", "upload", lambda: "page")
    app.add_url_rule("/bug", "bug", lambda: 1 / 0)
    app.add_url_rule("/log", "log", lambda: structlog.contextvars.get_contextvars())

    @app.get("/admin/rq/")
    def dashboard():
        g.content_security_policy = "script-src 'nonce-1'"
        return "page"

    return app.test_client()


@pytest.fixture
def client():
    return new_client()


@pytest.mark.parametrize("path", ["/", "/api/x", "/none", "/bug"])
def test_every_answer_bears_the_strict_headers(client, path):
    headers = client.get(path).headers
    assert headers["Content-Security-Policy"] == security.CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in headers


def test_the_policy_allows_no_inline_code_and_no_framing():
    policy = dict(part.strip().split(" ", 1) for part in security.CONTENT_SECURITY_POLICY.split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"


def test_a_view_may_bring_its_own_policy(client):
    assert client.get("/admin/rq/").headers["Content-Security-Policy"] == "script-src 'nonce-1'"


def test_pages_that_bear_ids_are_kept_out_of_search_engines(client):
    assert client.get("/jobs/x").headers["X-Robots-Tag"] == "noindex"
    assert "X-Robots-Tag" not in client.get("/").headers


def test_each_request_has_its_own_id_in_header_log_and_problem(client):
    first, second = client.get("/log"), client.get("/log")
    assert first.json == {"request_id": first.headers["X-Request-ID"]}
    assert first.json != second.json
    refused = client.get("/none")
    assert refused.json["instance"] == f"urn:uuid:{refused.headers['X-Request-ID']}"


GIVEN = ("0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef")


@pytest.mark.parametrize("given", GIVEN)
def test_the_id_that_a_trusted_proxy_gives_is_the_requests_own(given):
    client = new_client(trusted_proxies=1)
    answer = client.get("/log", headers={"X-Request-ID": given})
    assert (answer.json["request_id"], answer.headers["X-Request-ID"]) == (given, given)
    assert client.get("/none", headers={"X-Request-ID": given}).json["instance"] == f"urn:uuid:{GIVEN[1]}"


@pytest.mark.parametrize("given", ["", "7", "x" * 36, GIVEN[0].upper(), f"{GIVEN[0]}\t", f"{GIVEN[0]},{GIVEN[0]}"])
def test_an_id_of_another_form_is_not_taken(given):
    answer = new_client(trusted_proxies=1).get("/log", headers={"X-Request-ID": given})
    assert answer.json["request_id"] != given
    assert len(answer.json["request_id"]) == 36


def test_without_a_trusted_proxy_no_id_is_taken(client):
    assert client.get("/log", headers={"X-Request-ID": GIVEN[0]}).json["request_id"] != GIVEN[0]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://behind-a-proxy.example"},
    ],
)
def test_our_own_page_and_programs_may_change_things(client, headers):
    assert client.post("/api/x", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "anything"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:81"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
)
def test_other_sites_may_not(client, headers):
    answer = client.post("/api/x", headers=headers)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "cross_site")
    assert client.get("/api/x", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1", "a.localhost", "127.9.9.9"]
)
def test_on_loopback_its_names_are_answered(client, host):
    assert client.get("/api/x", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil@127.0.0.1", "10.0.0.1", "[::2]", "a b", "127.0.0.1/x", "x:y"],
)
def test_on_loopback_no_other_name_is(client, host):
    answer = client.get("/api/x", headers={"Host": host})
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_request")
    assert b"evil" not in answer.data


def test_a_program_that_names_no_host_is_answered(client):
    assert client.get("/api/x", environ_overrides={"HTTP_HOST": ""}).status_code == 200


def test_elsewhere_any_name_is_answered_unless_some_are_set():
    assert new_client(host="0.0.0.0").get("/api/x", headers={"Host": "any.example"}).status_code == 200
    client = new_client(host="0.0.0.0", trusted_hosts="ingest.example, other.example")
    assert client.get("/api/x", headers={"Host": "Ingest.example:443"}).status_code == 200
    assert client.get("/api/x", headers={"Host": "any.example"}).status_code == 400
    assert client.get("/api/x", headers={"Host": "localhost"}).status_code == 400


FORWARDED = {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Host": "ingest.example", "X-Forwarded-Proto": "https"}


def test_a_proxy_is_believed_only_where_it_is_named():
    assert new_client(host="0.0.0.0").get("/api/x", headers=FORWARDED).json == {
        "host": "localhost",
        "from": "127.0.0.1",
    }
    answer = new_client(host="0.0.0.0", trusted_proxies=1).get("/api/x", headers=FORWARDED)
    assert answer.json == {"host": "ingest.example", "from": "9.9.9.9"}


def test_behind_a_proxy_our_own_page_is_still_ours():
    client = new_client(host="0.0.0.0", trusted_proxies=1)
    headers = {**FORWARDED, "Origin": "https://ingest.example"}
    assert client.post("/api/x", headers=headers).status_code == 200
