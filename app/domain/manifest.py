"""The record kept beside the bytes of an upload: enough to make its job again if Redis has lost it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from app.errors import StorageFailed


@dataclass(frozen=True)
class Manifest:
    job_id: str
    name: str
    type: str
    size: int
    sha256: str
    priority: str
    created_at: int
    """Milliseconds since the epoch."""
    user_id: str | None = None
    idempotency_key: str | None = None
    """SHA-256 of the key, in hexadecimal digits."""
    moved_to: str | None = None
    """The priority that an operator gave the job since; the one that was asked for goes on to tell a repeat."""

    def tells_of(self, other: Manifest) -> bool:
        """Is it the same upload, sent once more? Bytes, name, priority and user make it so."""
        mine, theirs = ((m.sha256, m.name, m.priority, m.user_id) for m in (self, other))
        return mine == theirs

    def to_json(self) -> bytes:
        """As UTF-8, which is shorter than escapes: a store that keeps it as a header has room for 2 kB."""
        members = {name: value for name, value in asdict(self).items() if (name, value) != ("moved_to", None)}
        return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Read what `to_json` wrote, also by a newer version with more members; raises ``blob_corrupt``."""
        try:
            members = json.loads(data)
            manifest = cls(**{field.name: members[field.name] for field in fields(cls) if field.name in members})
        except (ValueError, TypeError, RecursionError) as error:
            raise StorageFailed("blob_corrupt") from error
        if not all(type(value) in _TYPES.get(name, (str,)) for name, value in asdict(manifest).items()):
            raise StorageFailed("blob_corrupt")
        return manifest


_TYPES: dict[str, tuple[type, ...]] = {
    "size": (int,),
    "created_at": (int,),
    "user_id": (str, type(None)),
    "idempotency_key": (str, type(None)),
    "moved_to": (str, type(None)),
}
