"""After Redis was wiped, or is another one: the stored files are adopted, and every accepted job runs again."""

from __future__ import annotations

from dataclasses import dataclass

from app.ingestion.housekeeping import look_at_uploads
from app.services import Services


@dataclass(frozen=True)
class Rebuilt:
    """The installation that both sides carry now, and how many jobs wait again."""

    installation: str
    restored: int


def rebuild(services: Services) -> Rebuilt:
    """The store's id is written into Redis, and what has bytes but no record is restored. May be repeated.

    Raises QueueUnavailable, StorageUnavailable.
    """
    stored = services.blobs.installation()
    if stored is None:
        stored = services.jobs.installation() or services.binding()
        services.blobs.set_installation(stored)
    services.jobs.set_installation(stored)
    services.notes.move_cursor("uploads", "")
    count = look_at_uploads(services, stored, older_than=0)
    while services.notes.cursor("uploads"):
        count += look_at_uploads(services, stored, older_than=0)
    return Rebuilt(stored, count)
