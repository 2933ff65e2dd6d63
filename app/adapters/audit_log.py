"""What was done by hand, newest first: who, when, what, to how many. The last thousand lines are kept.

An act in several slices is one line, known by its operation; each slice adds its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

from app.adapters.redis_client import PREFIX, Script, translated
from app.errors import ValidationFailed

KEPT = 1_000
_LINES = f"{PREFIX}audit"


@dataclass(frozen=True)
class AuditEntry:
    """It began `at` and means jobs that were created up to `before` (both ms)."""

    operation: str
    at: int
    before: int
    who: str
    action: str
    target: str
    affected: int = 0
    failed: int = 0


class AuditLog:
    """All methods raise QueueUnavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._write = Script(client, "audit")

    def begin(self, entry: AuditEntry) -> None:
        """Written before anything is done, so that an act which breaks off has its line too."""
        said: dict[str, str | int] = {
            "at": entry.at,
            "before": entry.before,
            "who": entry.who,
            "action": entry.action,
            "target": entry.target,
        }
        words = [part for pair in said.items() for part in pair]
        self._write("", entry.operation, entry.affected, entry.failed, KEPT, *words)

    def add(self, operation: str, *, affected: int, failed: int) -> None:
        """One slice more; nothing where the line is no longer kept."""
        self._write("", operation, affected, failed, KEPT)

    def find(self, operation: str) -> AuditEntry | None:
        with translated():
            fields: Any = self._redis.hgetall(f"{_LINES}:{operation}")
        return _entry(operation, fields) if fields else None

    def page(self, *, limit: int, cursor: str | None = None) -> tuple[list[AuditEntry], str | None]:
        """Newest first, and the cursor of the next page; None at the end. Raises ValidationFailed."""
        if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
            raise ValidationFailed("invalid_field", "The cursor is none that was given out here.", field="cursor")
        newest = "+inf" if cursor is None else f"({cursor}"
        with translated():
            rows: Any = self._redis.zrevrangebyscore(_LINES, newest, "-inf", start=0, num=limit + 1, withscores=True)
            pipe = self._redis.pipeline(transaction=False)
            for operation, _ in rows[:limit]:
                pipe.hgetall(f"{_LINES}:{operation.decode()}")
            found = pipe.execute()
        entries = [_entry(row[0].decode(), fields) for row, fields in zip(rows, found, strict=False) if fields]
        return entries, str(int(rows[limit - 1][1])) if len(rows) > limit else None


def _entry(operation: str, fields: dict[bytes, bytes]) -> AuditEntry:
    said = {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}
    numbers = {name: int(said.get(name, 0)) for name in ("at", "before", "affected", "failed")}
    return AuditEntry(operation=operation, who=said["who"], action=said["action"], target=said["target"], **numbers)
