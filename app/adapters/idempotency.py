"""Idempotency-Keys: a key belongs to one job from the first byte on, so that a repeat never makes a second one."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

import redis

from app.adapters.job_store import IDEMPOTENCY_SECONDS
from app.adapters.redis_client import PREFIX, Script, translated

#: A key is held as long as bytes arrive and that many milliseconds more.
HOLD_MS = 30_000


@dataclass(frozen=True)
class KeyHold:
    """What became of asking for a key: `state` is `ours`, `running` or `done` (then with the upload's fingerprint)."""

    state: str
    job_id: str
    fingerprint: str = ""


def digest(key: str) -> str:
    """Keys are stored by their SHA-256 only."""
    return hashlib.sha256(key.encode()).hexdigest()


def fingerprint(*, sha256: str, name: str, priority: str, user_id: str | None) -> str:
    """What makes two uploads under one key the same: bytes, name, priority and user."""
    return hashlib.sha256("\0".join((sha256, name, priority, user_id or "")).encode()).hexdigest()


class IdempotencyKeys:
    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._hold = Script(client, "hold_key")

    @staticmethod
    def new_owner() -> str:
        return secrets.token_hex(8)

    def hold(self, key_digest: str, *, job_id: str, owner: str) -> KeyHold:
        """Takes the key, or renews an own hold; `job_id` is used only if the key is new."""
        answer: list[bytes] = self._hold("", key_digest, job_id, owner, HOLD_MS, IDEMPOTENCY_SECONDS)
        return KeyHold(*(part.decode() for part in answer))

    def let_go(self, key_digest: str, *, owner: str) -> None:
        """The upload under it failed: the next one may go on at once, under the same job id."""
        with translated():
            holder: Any = self._redis.hget(f"{PREFIX}idem:{key_digest}", "owner")
            if holder and holder.decode() == owner:
                self._redis.hset(f"{PREFIX}idem:{key_digest}", "until", "0")
