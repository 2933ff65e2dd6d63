"""Logging in and out: the admin's token, or a link that works once, opens a session; few wrong tries a minute."""

from __future__ import annotations

import ipaddress
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from pydantic import SecretStr

from app.adapters.sessions import FAILURE_WINDOW_SECONDS, SESSION_SECONDS, Sessions, fingerprint
from app.errors import RequestRefused
from app.web.auth import COOKIE, closed, same
from app.web.context import services
from app.web.problems import problem

LOGINS_A_MINUTE = 10

blueprint = Blueprint("login", __name__)


@blueprint.get("/admin/login")
def login_page() -> ResponseReturnValue:
    _admin_token()
    return _login_page(200)


@blueprint.post("/admin/login")
def login() -> ResponseReturnValue:
    token, address = _admin_token(), _address()
    sessions = services().sessions
    if sessions.count_failure(address) > LOGINS_A_MINUTE:
        return _too_many()
    if not _may_enter(token, sessions):
        return _login_page(401, "This is not the token of this service, or the link was used or is too old.")
    sessions.forgive(address)
    answer = make_response(redirect("/admin", 303))
    session_id = sessions.open(fingerprint(token.get_secret_value()))
    answer.set_cookie(COOKIE, session_id, max_age=SESSION_SECONDS, **_cookie_rules())
    return answer


@blueprint.post("/admin/logout")
def logout() -> ResponseReturnValue:
    session_id = request.cookies.get(COOKIE)
    if session_id:
        services().sessions.close(session_id)
    answer = make_response(redirect("/admin/login", 303))
    answer.delete_cookie(COOKIE, **_cookie_rules())
    return answer


def _admin_token() -> SecretStr:
    token = services().settings.admin_token
    if token is None:
        raise closed()
    return token


def _may_enter(token: SecretStr, sessions: Sessions) -> bool:
    given = request.form.get("token", "")
    if given:
        return same(given.strip().encode("utf-8", "surrogatepass"), token)
    code = request.form.get("code", "")
    return bool(code) and sessions.use_code(code.strip())


def _address() -> str:
    """Whom failures are counted for: an IPv6 caller owns a whole /64, so it is counted as one."""
    given = request.remote_addr or ""
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return given
    if isinstance(address, ipaddress.IPv4Address):
        return given
    return str(address.ipv4_mapped or f"{int(address) >> 64:x}/64")


def _cookie_rules() -> dict[str, Any]:
    return {"httponly": True, "samesite": "Strict", "secure": request.is_secure, "path": "/"}


def _login_page(status: int, error: str | None = None) -> Response:
    answer = make_response(render_template("login.html", error=error), status)
    answer.headers["Cache-Control"] = "no-store"
    if status == 401:  # RFC 9110, 15.5.2
        answer.headers["WWW-Authenticate"] = 'Bearer realm="ingest"'
    return answer


def _too_many() -> Response:
    """A person sees the login page, a program the problem."""
    refused = RequestRefused("rate_limited", retry_after=FAILURE_WINDOW_SECONDS)
    if "text/html" not in request.headers.get("Accept", ""):
        return problem(refused)
    answer = _login_page(429, f"{refused.message} {refused.suggestion}")
    answer.headers["Retry-After"] = str(FAILURE_WINDOW_SECONDS)
    return answer
