"""Live news for the operator's pages: the statistics, and a hint when jobs have changed. All streams of a process share one
reading of the statistics a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from flask import Blueprint, Flask, Response

from app.adapters.event_log import EVERYTHING, EventLog, Watcher
from app.errors import QueueUnavailable
from app.ingestion.stats import queue_statistics
from app.services import Services
from app.web.auth import admin_required, still_admin
from app.web.context import event_log, services, stopping
from app.web.statistics import statistics_document
from app.web.streams import BEGINNING, NO_ANSWER, OUTAGE_PAUSE, frame, streamed

#: Seconds between two readings that are told, while jobs change and while nothing happens; a page takes a stream that is
#: silent for eight seconds for broken.
AT_MOST_EVERY, AT_LEAST_EVERY = 1.0, 4.5
#: A reading is shared by all streams of the process within that time (seconds).
SHARED_FOR = 0.9

blueprint = Blueprint("admin_events", __name__)


@blueprint.get("/api/admin/events")
@admin_required
def stream() -> Response:
    return streamed(News(services(), event_log(), may_see=still_admin()).frames(stopping()))


class News:
    """One stream; it ends when `may_see` says so, which is asked again with each reading."""

    def __init__(self, at: Services, log: EventLog, *, may_see: Callable[[], bool]) -> None:
        self._at, self._log, self._may_see = at, log, may_see
        self._is_behind = False

    def frames(self, stop: threading.Event) -> Iterator[str]:
        yield BEGINNING
        with self._log.watch((EVERYTHING,)) as watcher:
            while not stop.is_set():
                try:
                    if not self._may_see():
                        return
                    yield from self._news(watcher)
                    stop.wait(AT_MOST_EVERY)
                    if not self._is_behind:
                        watcher.wait(AT_LEAST_EVERY - AT_MOST_EVERY)
                except QueueUnavailable:
                    yield NO_ANSWER
                    stop.wait(OUTAGE_PAUSE)

    def _news(self, watcher: Watcher) -> Iterator[str]:
        changed, asked_at = watcher.take(), time.monotonic()
        taken_at, told = self._at.cache.get("statistics frame", SHARED_FOR, self._read)
        # a reading that another stream took may be older than the last change: then it is told once more
        self._is_behind = bool(changed) and taken_at < asked_at
        yield told
        if changed:
            yield frame("jobs", {"changed": len(changed)})

    def _read(self) -> tuple[float, str]:
        """When the reading began, and the frame that tells it."""
        began = time.monotonic()
        return began, frame("statistics", statistics_document(queue_statistics(self._at)))


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
