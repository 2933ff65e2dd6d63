import pytest

from app.web.auth import COOKIE


def log_in(client, **form):
    return client.post("/admin/login", data=form)


def test_the_token_opens_a_session(client, token):
    answer = log_in(client, token=token)
    assert (answer.status_code, answer.location) == (303, "/admin")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    for rule in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"):
        assert rule in cookie
    assert "Secure" not in cookie
    assert token not in cookie
    assert client.get("/admin").status_code == 200
    assert client.get("/api/admin/queue").status_code == 200


def test_behind_tls_the_cookie_is_secure(client, token):
    answer = client.post("/admin/login", data={"token": token}, base_url="https://localhost")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_a_code_opens_a_session_once(client, app, services):
    code = services.sessions.new_code()
    assert log_in(client, code=code).status_code == 303
    assert log_in(app.test_client(), code=code).status_code == 401


@pytest.mark.parametrize(
    "form", [{}, {"token": ""}, {"token": "wrong" * 5}, {"code": "wrong"}, {"token": "\ud7ff\x00"}]
)
def test_a_wrong_login_shows_the_form_again(client, form):
    answer = log_in(client, **form)
    assert answer.status_code == 401
    assert answer.mimetype == "text/html"
    assert answer.headers["WWW-Authenticate"]
    assert "Set-Cookie" not in answer.headers


def test_the_token_in_the_address_is_not_read(client, token):
    assert client.post(f"/admin/login?token={token}").status_code == 401


def test_logging_out_ends_the_session_on_the_server_too(client, token):
    log_in(client, token=token)
    cookie = client.get_cookie(COOKIE).value
    answer = client.post("/admin/logout")
    assert (answer.status_code, answer.location) == (303, "/admin/login")
    client.set_cookie(COOKIE, cookie)
    assert client.get("/api/admin/queue").status_code == 401


def test_logging_out_without_a_session_is_no_error(client):
    assert client.post("/admin/logout").status_code == 303


def test_a_session_of_another_token_is_closed(client, services):
    client.set_cookie(COOKIE, services.sessions.open("another fingerprint"))
    assert client.get("/api/admin/queue").status_code == 401


def test_ten_wrong_logins_close_the_door_for_that_address_even_to_the_right_token(client, token):
    for _ in range(10):
        assert log_in(client, token="wrong").status_code == 401
    answer = log_in(client, token=token)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (429, "rate_limited")
    assert int(answer.headers["Retry-After"]) == 60
    elsewhere = client.post("/admin/login", data={"token": token}, environ_base={"REMOTE_ADDR": "192.0.2.9"})
    assert elsewhere.status_code == 303


def test_a_browser_sees_the_limit_as_a_page(client):
    for _ in range(11):
        answer = client.post("/admin/login", data={"token": "wrong"}, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.mimetype) == (429, "text/html")


def test_an_ipv6_caller_is_counted_by_its_network(client):
    for n in range(10):
        client.post("/admin/login", data={"token": "x"}, environ_base={"REMOTE_ADDR": f"2001:db8::{n}"})
    answer = client.post("/admin/login", data={"token": "x"}, environ_base={"REMOTE_ADDR": "2001:db8::ff"})
    assert answer.status_code == 429
    answer = client.post("/admin/login", data={"token": "x"}, environ_base={"REMOTE_ADDR": "2001:db8:1::1"})
    assert answer.status_code == 401


def test_a_login_from_another_site_is_refused(client, token):
    answer = client.post("/admin/login", data={"token": token}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
