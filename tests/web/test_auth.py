import pytest

CLOSED_TO_OTHERS = ["/api/admin/queue", "/api/ingest/jobs", "/metrics"]


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def code_of(answer):
    return answer.get_json()["error"]["code"]


@pytest.mark.parametrize("path", CLOSED_TO_OTHERS)
@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer None", "Bearer wrong", "Bearer \xff\xfe", "Basic YWRtaW46eA==", "x" * 5000],
)
def test_without_the_token_everything_gets_the_same_401(client, path, header):
    answer = client.get(path, headers={} if header is None else {"Authorization": header})
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert code_of(answer) == "unauthenticated"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", CLOSED_TO_OTHERS)
def test_the_token_opens_them(client, path, token):
    assert client.get(path, headers=bearer(token)).status_code == 200


def test_the_scheme_is_read_in_any_case_and_spacing(client, token):
    for header in (f"bearer {token}", f"BEARER   {token} "):
        assert client.get("/api/admin/queue", headers={"Authorization": header}).status_code == 200


def test_a_prefix_of_the_token_is_wrong(client, token):
    assert client.get("/api/admin/queue", headers=bearer(token[:-1])).status_code == 401
    assert client.get("/api/admin/queue", headers=bearer(token + "x")).status_code == 401


def test_the_cron_secret_is_no_admin_token(client, services):
    secret = services.settings.cron_secret.get_secret_value()
    assert client.get("/api/admin/queue", headers=bearer(secret)).status_code == 401


def test_pages_send_others_to_the_login(client):
    for path in ("/admin", "/admin/rq/", "/admin/rq/0/view/workers"):
        answer = client.get(path)
        assert (answer.status_code, answer.location) == (303, "/admin/login")


@pytest.fixture
def unset(services):
    """The same service, started without its secrets."""
    services.settings = services.settings.model_copy(update={"admin_token": None, "cron_secret": None})


@pytest.mark.parametrize("path", [*CLOSED_TO_OTHERS, "/api/cron/process-jobs"])
def test_a_secret_that_is_not_set_closes_the_route(client, unset, path):
    for header in ({}, bearer("None"), bearer("")):
        answer = client.get(path, headers=header)
        assert (answer.status_code, code_of(answer)) == (503, "not_configured")
        assert answer.headers["Retry-After"]


@pytest.mark.parametrize("path", ["/admin", "/admin/login", "/admin/rq/"])
def test_and_closes_the_pages(client, unset, path):
    assert client.get(path).status_code == 503
    assert client.post("/admin/login", data={"token": "None"}).status_code == 503
