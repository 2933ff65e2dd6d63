"""What a web process is made of: its extensions, its routes, and the threads that run beside the requests."""

from __future__ import annotations

import threading

from flask import Flask

from app.adapters.event_log import EventLog
from app.ingestion.rescue import SweepThread
from app.services import Services
from app.web import (
    admin_events,
    admin_jobs,
    admin_numbers,
    admin_pages,
    archives,
    audit,
    commands,
    cron,
    dashboard,
    events,
    health,
    ingest,
    login,
    metrics,
    openapi,
    pages,
    problems,
    results,
    security,
)
from app.web.gate import Gate


def wire(app: Flask, services: Services) -> None:
    stop = threading.Event()
    log = EventLog(services.redis, stop=stop)
    app.extensions["services"] = services
    app.extensions["event_log"] = log
    app.extensions["gate"] = Gate(services.settings.web_threads)
    app.extensions["ingest_stop"] = stop
    app.extensions["ingest_start"] = Background(services, log, stop).start
    problems.register(app)
    security.register(app, services.settings)
    for part in (
        commands,
        audit,
        admin_events,
        admin_jobs,
        admin_numbers,
        cron,
        health,
        metrics,
        openapi,
        dashboard,
    ):
        part.register(app)
    for part in (login, ingest, events, results, archives, pages, admin_pages):
        app.register_blueprint(part.blueprint)


class Background:
    """The threads of a web process; started once, in the process that serves, as they would not survive a fork."""

    def __init__(self, services: Services, log: EventLog, stop: threading.Event) -> None:
        self._services, self._log, self._stop = services, log, stop
        self._started = threading.Lock()

    def start(self) -> None:
        if not self._started.acquire(blocking=False):
            return
        sweep = SweepThread(self._services)
        sweep.start()
        self._log.start()
        threading.Thread(target=self._until_stopped, args=(sweep,), name="until-stopped", daemon=True).start()

    def _until_stopped(self, sweep: SweepThread) -> None:
        """Streams and long polls end at once, a batch in hand as soon as it can; the sweep is others' from here on."""
        self._stop.wait()
        self._log.notify_all()
        self._services.stopper.stop()
        sweep.stop()
