"""Who may operate: the admin by the token or by a session, the cron caller by its secret. A secret that is not set
closes what it guards. Views are guarded by decorators; wrong and missing credentials get the same answer.
"""

from __future__ import annotations

import functools
import hmac
import ipaddress
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, Flask, Response, g, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from pydantic import SecretStr

from app.adapters.sessions import FAILURE_WINDOW_SECONDS, SESSION_SECONDS, Sessions, fingerprint
from app.errors import RequestRefused
from app.web.context import services
from app.web.problems import problem

COOKIE = "ingest_admin"
LOGINS_A_MINUTE = 10

blueprint = Blueprint("auth", __name__)
View = TypeVar("View", bound=Callable[..., ResponseReturnValue])


# ---- guards ----------------------------------------------------------------------------------------------------


def is_admin() -> bool:
    """Whether this request comes from the admin; False where no admin token is set. Asked once per request."""
    if "is_admin" not in g:
        token = services().settings.admin_token
        g.is_admin = token is not None and (_bears(token) or _has_session(token))
    return bool(g.is_admin)


def caller() -> str:
    """Who asks, for the audit list: by which of the two ways, and from where."""
    token = services().settings.admin_token
    return f"{'token' if token and _bears(token) else 'session'} {request.remote_addr or ''}".strip()


def still_admin() -> Callable[[], bool]:
    """Tells later, outside of the request, whether whoever sent it is the admin still: a session may have ended."""
    at, token = services(), services().settings.admin_token
    if token is None or _bears(token):
        return lambda: token is not None
    session_id, mark = request.cookies.get(COOKIE, ""), fingerprint(token.get_secret_value())
    return lambda: at.sessions.is_open(session_id, mark)


def require_admin() -> None:
    if services().settings.admin_token is None:
        raise _closed()
    if not is_admin():
        raise RequestRefused("unauthenticated")


def admin_required(view: View) -> View:
    """For the API: a problem to everybody else."""

    @functools.wraps(view)
    def guarded(*args: object, **kwargs: object) -> ResponseReturnValue:
        require_admin()
        return view(*args, **kwargs)

    return guarded  # type: ignore[return-value]


def admin_page(view: View) -> View:
    """For pages: everybody else is sent to the login."""

    @functools.wraps(view)
    def guarded(*args: object, **kwargs: object) -> ResponseReturnValue:
        return to_login() or view(*args, **kwargs)

    return guarded  # type: ignore[return-value]


def to_login() -> ResponseReturnValue | None:
    """The way to the login for whoever is not the admin; None for the admin."""
    if services().settings.admin_token is None:
        raise _closed()
    return None if is_admin() else redirect("/admin/login", 303)


def cron_required(view: View) -> View:
    """Only the cron secret counts here; an admin's session does not."""

    @functools.wraps(view)
    def guarded(*args: object, **kwargs: object) -> ResponseReturnValue:
        secret = services().settings.cron_secret
        if secret is None:
            raise _closed()
        if not _bears(secret):
            raise RequestRefused("unauthenticated")
        return view(*args, **kwargs)

    return guarded  # type: ignore[return-value]


def metrics_reader_required(view: View) -> View:
    """Whoever may read the numbers and nothing else, or the admin."""

    @functools.wraps(view)
    def guarded(*args: object, **kwargs: object) -> ResponseReturnValue:
        token = services().settings.metrics_token
        if token is None or not _bears(token):
            _require_admin_or(token)
        return view(*args, **kwargs)

    return guarded  # type: ignore[return-value]


def _require_admin_or(other: SecretStr | None) -> None:
    """As `require_admin`; but where another token opens the door it is not closed, only this caller is refused."""
    if other is not None and not is_admin():
        raise RequestRefused("unauthenticated")
    require_admin()


def _closed() -> RequestRefused:
    return RequestRefused("not_configured", retry_after=60)


def _bears(secret: SecretStr) -> bool:
    """The header's bytes are compared as they came: WSGI hands them over as Latin-1, whatever they were."""
    header = request.headers.get("Authorization", "").encode("latin-1", "backslashreplace")
    scheme, _, credentials = header.partition(b" ")
    return scheme.lower() == b"bearer" and _same(credentials.strip(b" "), secret)


def _same(given: bytes, secret: SecretStr) -> bool:
    return hmac.compare_digest(given, secret.get_secret_value().encode())


# ---- sessions --------------------------------------------------------------------------------------------------


def _has_session(token: SecretStr) -> bool:
    session_id = request.cookies.get(COOKIE)
    return bool(session_id) and services().sessions.is_open(session_id or "", fingerprint(token.get_secret_value()))


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
        raise _closed()
    return token


def _may_enter(token: SecretStr, sessions: Sessions) -> bool:
    given = request.form.get("token", "")
    if given:
        return _same(given.strip().encode("utf-8", "surrogatepass"), token)
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


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
