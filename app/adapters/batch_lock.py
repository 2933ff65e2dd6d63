"""The lock of the minute batch: one at a time, a lease that its holder renews, gone by itself when the holder dies."""

from __future__ import annotations

import secrets
import time
from typing import Any

import redis

from app.adapters.redis_client import PREFIX, Script, translated

#: What a dead holder leaves is gone after that many milliseconds.
LOCK_LEASE_MS = 30_000
#: The holder renews it that often, in seconds.
RENEW_EVERY = 5.0


class BatchLock:
    """One holder's try at the lock; `lock_ttl` (seconds) is the longest it will renew."""

    def __init__(self, client: redis.Redis, *, lock_ttl: float) -> None:
        self._redis = client
        self._set = Script(client, "set")
        self._extend = Script(client, "extend_lock")
        self._key = f"{PREFIX}batch:lock"
        self._token = ""
        self._until = 0.0
        self._renewed = 0.0
        self._ttl = lock_ttl
        self.lost = False

    def acquire(self, *, now: int) -> bool:
        """True if it is ours now; `now` (ms) is kept in it, so that others can tell its age."""
        token = f"{secrets.token_hex(8)}:{now}"
        with translated():
            taken = self._set("", self._key, token, LOCK_LEASE_MS, 1)
            if (
                not taken and self._redis.get(self._key) != token.encode()
            ):  # ours: an answer was lost, and it was sent again
                return False
        self._token, self.lost = token, False
        self._renewed = time.monotonic()
        self._until = self._renewed + self._ttl
        return True

    def tick(self) -> None:
        """Renews when it is time; `lost` from then on if it is somebody else's or has been held for too long."""
        at = time.monotonic()
        if self.lost or not self._token or at - self._renewed < RENEW_EVERY:
            return
        if at > self._until or not self._extend("", self._key, self._token, LOCK_LEASE_MS):
            self.lost = True
        self._renewed = at

    def release(self) -> None:
        if self._token:
            self._extend("", self._key, self._token, 0)
            self._token = ""

    def since(self) -> int | None:
        """When the present holder took it (ms); None if it is free."""
        with translated():
            token: Any = self._redis.get(self._key)
        return int(token.decode().partition(":")[2]) if token else None
