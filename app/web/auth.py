"""Who may operate: the admin by the token or by a session (`login` opens one), the cron caller by its secret. A secret
that is not set closes what it guards. Views are guarded by decorators; wrong and missing credentials get the same answer.
"""

from __future__ import annotations

import functools
import hmac
from collections.abc import Callable
from typing import TypeVar

from flask import g, redirect, request
from flask.typing import ResponseReturnValue
from pydantic import SecretStr

from app.adapters.sessions import fingerprint
from app.errors import RequestRefused
from app.web.context import services

COOKIE = "ingest_admin"

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
        raise closed()
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
        raise closed()
    return None if is_admin() else redirect("/admin/login", 303)


def cron_required(view: View) -> View:
    """Only the cron secret counts here; an admin's session does not."""

    @functools.wraps(view)
    def guarded(*args: object, **kwargs: object) -> ResponseReturnValue:
        secret = services().settings.cron_secret
        if secret is None:
            raise closed()
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


def closed() -> RequestRefused:
    return RequestRefused("not_configured", retry_after=60)


def _bears(secret: SecretStr) -> bool:
    """The header's bytes are compared as they came: WSGI hands them over as Latin-1, whatever they were."""
    header = request.headers.get("Authorization", "").encode("latin-1", "backslashreplace")
    scheme, _, credentials = header.partition(b" ")
    return scheme.lower() == b"bearer" and same(credentials.strip(b" "), secret)


def same(given: bytes, secret: SecretStr) -> bool:
    return hmac.compare_digest(given, secret.get_secret_value().encode())


def _has_session(token: SecretStr) -> bool:
    session_id = request.cookies.get(COOKIE)
    return bool(session_id) and services().sessions.is_open(session_id or "", fingerprint(token.get_secret_value()))
