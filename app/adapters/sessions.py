"""The admin's one-time codes and sessions, and the count of wrong logins, in Redis. Knows no HTTP and no cookies.

Codes and session ids are stored as their SHA-256 only: whoever reads Redis cannot log in with what it finds there.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

import redis

from app.adapters.redis_client import PREFIX, Script, translated

CODE_SECONDS = 600
SESSION_SECONDS = 12 * 3600
#: Wrong logins of one address are counted over that many seconds, from the first one on.
FAILURE_WINDOW_SECONDS = 60


def fingerprint(admin_token: str) -> str:
    """What a session remembers of the token it was opened with: another token, another fingerprint."""
    return hmac.new(admin_token.encode(), b"admin session", hashlib.sha256).hexdigest()


def _key(kind: str, value: str) -> str:
    return f"{PREFIX}{kind}:{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"


class Sessions:
    """All methods raise QueueUnavailable when Redis does not answer; one that is full lets the admin in all the same."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._set = Script(client, "set")
        self._count_failure = Script(client, "count_failure")

    # ---- one-time codes -------------------------------------------------------------------------------------

    def new_code(self) -> str:
        """A code of 128 bits that opens one session within ten minutes; it is safe in a URL."""
        code = secrets.token_urlsafe(16)
        self._set("", _key("code", code), "1", CODE_SECONDS * 1000, "")
        return code

    def use_code(self, code: str) -> bool:
        """Looked up and consumed in one step, so that of two who come with it only one gets in."""
        with translated():
            return self._redis.getdel(_key("code", code)) is not None

    # ---- sessions -------------------------------------------------------------------------------------------

    def open(self, token_fingerprint: str) -> str:
        session_id = secrets.token_urlsafe(32)
        self._set("", _key("session", session_id), token_fingerprint, SESSION_SECONDS * 1000, "")
        return session_id

    def is_open(self, session_id: str, token_fingerprint: str) -> bool:
        """False also for a session that was opened under another token."""
        with translated():
            stored: Any = self._redis.get(_key("session", session_id))
        return stored is not None and hmac.compare_digest(stored, token_fingerprint.encode())

    def close(self, session_id: str) -> None:
        with translated():
            self._redis.delete(_key("session", session_id))

    # ---- wrong logins ---------------------------------------------------------------------------------------

    def count_failure(self, address: str) -> int:
        """One more attempt of that address; returns how many there were in the present minute.

        Counted before the secret is looked at, so that guesses sent at the same time cannot slip past the limit.
        """
        return int(self._count_failure("", _key("failures", address), FAILURE_WINDOW_SECONDS * 1000))

    def forgive(self, address: str) -> None:
        """The attempt was a right one."""
        with translated():
            self._redis.delete(_key("failures", address))
