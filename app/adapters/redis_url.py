"""From a URL to a client: one server by TCP, TLS or a socket file, or whichever the Sentinels say is in charge.

    redis://[USER:PASSWORD@]HOST:PORT/DB                            rediss:// the same by TLS
    redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE/DB rediss+sentinel:// all of it by TLS

User and password are those of the servers. The Sentinels' own stand behind it: `?sentinel_username=…&sentinel_password=…`.
Every client here, and so RQ's, rq-scheduler's and rq-dashboard's too, is made of such a URL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection, SentinelManagedSSLConnection

_C = TypeVar("_C", bound=redis.Redis)
_SENTINEL_PORT = 26379
#: A Sentinel that does not answer in that time (seconds) is passed over for the next one.
_SENTINEL_SECONDS = 0.5


@dataclass(frozen=True)
class Watched:
    """A group of servers and the Sentinels that know which of them is in charge."""

    sentinels: list[tuple[str, int]]
    service: str
    options: dict[str, Any]
    sentinel_options: dict[str, Any]
    secured: bool


class _AsksAgain:
    """A connection that is kept and was lost asks the Sentinels where to connect to now. Only those that a pool hands
    out anew do so in redis-py 8.1; a client with one connection would go on trying the server that is gone."""

    def send_packed_command(self: Any, command: Any, check_health: bool = True) -> Any:
        if not self._sock:
            self._connect_retry()  # once: whoever sent the command tries again
        return super().send_packed_command(command, check_health)  # type: ignore[misc]


class _Connection(_AsksAgain, SentinelManagedConnection):
    pass


class _SSLConnection(_AsksAgain, SentinelManagedSSLConnection):
    pass


def client_of(kind: type[_C], url: str, *, single: bool = False, **options: Any) -> _C:
    """A client of that class; `single` is one connection instead of a pool, made at once."""
    if "+sentinel" not in urlsplit(url).scheme:
        return cast("_C", kind.from_url(url, single_connection_client=single, **options))
    watched = parse_sentinel_url(url)
    sentinel = Sentinel(watched.sentinels, sentinel_kwargs=watched.sentinel_options)
    connection_class = _SSLConnection if watched.secured else _Connection
    pool = SentinelConnectionPool(
        watched.service, sentinel, connection_class=connection_class, **watched.options, **options
    )
    client = kind(connection_pool=pool, single_connection_client=single)
    client.auto_close_connection_pool = True
    return client


def parse_sentinel_url(url: str) -> Watched:
    """Reads a URL that `settings` has found to be one."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    service, _, database = parts.path.lstrip("/").partition("/")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    secured = parts.scheme.startswith("rediss")
    trust = {"ssl_ca_certs": query.get("ssl_ca_certs")} if secured else {}
    return Watched(
        sentinels=[_address(host) for host in hosts.split(",")],
        service=unquote(service),
        options={
            "db": int(database or 0),
            "username": unquote(user) or None,
            "password": unquote(password) or None,
            **trust,
        },
        sentinel_options={
            "username": query.get("sentinel_username"),
            "password": query.get("sentinel_password"),
            "socket_timeout": _SENTINEL_SECONDS,
            "socket_connect_timeout": _SENTINEL_SECONDS,
            "retry": Retry(NoBackoff(), 0),
            **trust,
            **({"ssl": True} if secured else {}),
        },
        secured=secured,
    )


def _address(host: str) -> tuple[str, int]:
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        return host.strip("[]"), _SENTINEL_PORT
    return name.strip("[]"), int(port)
