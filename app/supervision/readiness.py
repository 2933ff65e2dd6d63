"""Whether the service answers yet, where a person finds it, and the link that lets its operator in once."""

from __future__ import annotations

import http.client
import ipaddress
import json
from dataclasses import dataclass

from app.settings import Settings

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to
PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class Answer:
    """What `/readyz` said: whether all is well, and if not, the sentence it gave."""

    ready: bool
    reason: str


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that HOST."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def base_url(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def ask(settings: Settings) -> Answer:
    """Ask the web server of this machine once."""
    host = ANY_ADDRESS.get(settings.host, settings.host)
    names = [name for name in settings.trusted_hosts if "*" not in name]
    headers = {"Host": names[0]} if names else {}
    connection = http.client.HTTPConnection(host, settings.port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/readyz", headers=headers)
        response = connection.getresponse()
        return Answer(response.status == http.HTTPStatus.OK, _reason(response.read(65_536)))
    except (OSError, http.client.HTTPException):
        return Answer(False, "the web server does not answer")
    finally:
        connection.close()


def login_link(settings: Settings, url: str) -> str:
    """A new link to the operator page at `url`, good for one login within ten minutes; raises QueueUnavailable.
    The code is in the fragment, which a browser keeps to itself."""
    from app.adapters.redis_client import process_name, quick_client
    from app.adapters.sessions import Sessions

    assert settings.redis_address is not None  # noqa: S101 - for the type checker
    with quick_client(settings.redis_address, process_name("run")) as client:
        return f"{url}/admin/login#code={Sessions(client).new_code()}"


def _reason(body: bytes) -> str:
    try:
        error = json.loads(body)["error"]
        return f"{error['message']} {error['suggestion']}"
    except (ValueError, KeyError, TypeError):
        return "it is not ready"
