"""What is asked and said around every request: whose host, whose page, and the headers that browsers obey.

No secrets are checked here, that is `auth`; here a browser is kept from being used against its own user.
"""

from __future__ import annotations

import ipaddress
import re

import structlog
from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from app.errors import RequestRefused, ValidationFailed
from app.settings import Settings
from app.web.problems import is_request_id, request_id

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HOST_FORM = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]*)?", re.IGNORECASE | re.ASCII)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_BEARS_IDS = ("/api/", "/jobs/", "/admin")
"""Addresses whose pages hold ids of jobs, so no search engine may keep them."""


def register(app: Flask, settings: Settings) -> None:
    """A view that needs a policy of its own (rq-dashboard) sets `g.content_security_policy`."""
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    hosts = _Hosts(settings.trusted_hosts, only_loopback=not settings.trusted_hosts and is_loopback(settings.host))

    @app.before_request
    def check() -> None:
        structlog.contextvars.clear_contextvars()
        if settings.trusted_proxies and is_request_id(given := request.headers.get("X-Request-ID", "")):
            g.request_id = given
        structlog.contextvars.bind_contextvars(request_id=request_id())
        if not hosts.allow(request.headers.get("Host", "")):
            raise ValidationFailed("bad_request", suggestion="Use one of the host names that this service answers to.")
        refuse_other_sites()

    app.after_request(_with_headers)


def refuse_other_sites() -> None:
    """Raise ``cross_site`` for a change that a page of another site asks for.

    Browsers say so in `Sec-Fetch-Site`; older ones send `Origin` at least. With neither it is no browser, and holds no
    session that could be abused. `none` is a person's own doing: an address typed, a bookmark.
    """
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and _host_of(origin) != request.host.lower()
    if foreign:
        raise RequestRefused("cross_site")


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address without port is this machine's own."""
    if host.rstrip(".").lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class _Hosts:
    """Which `Host` a request may name. On loopback only loopback names, or a page elsewhere could point its own name
    at this machine and be taken for us (DNS rebinding)."""

    def __init__(self, names: tuple[str, ...], *, only_loopback: bool) -> None:
        self._names = frozenset(_name_of(name) for name in names)
        self._only_loopback = only_loopback

    def allow(self, host: str) -> bool:
        name = _name_of(host)
        if self._names:
            return name in self._names
        return not self._only_loopback or not host or is_loopback(name)  # without a Host it is no browser


def _name_of(host: str) -> str:
    """Without the port, in lower case; empty if it is no host."""
    match = _HOST_FORM.fullmatch(host)
    return match[1].rstrip(".").lower() if match else ""


def _host_of(origin: str) -> str:
    """With its port where that is not the scheme's own, as browsers write `Host`."""
    return origin.partition("://")[2].lower()


def _with_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    policy = g.get("content_security_policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers["X-Request-ID"] = request_id()
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    if request.path.startswith(_BEARS_IDS):
        response.headers.setdefault("X-Robots-Tag", "noindex")
    return response
