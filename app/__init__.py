"""An asynchronous file-ingestion service: upload, get a job id at once, watch, come back to clean text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.services import Services
    from app.settings import Settings

#: Bytes of a form or a JSON body that is no upload; uploads are read by readers of their own, with their own limit.
SMALL_BODY = 64 * 1024


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """The web application. Nothing is started and no neighbour is asked; `extensions["ingest_start"]` starts its threads.

    Flask is imported here, so that workers and the parser's child, which import this package too, never load it.
    """
    from flask import Flask

    from app import logs
    from app.services import connect
    from app.settings import ROOT, load_settings
    from app.web import wiring

    if services is None:
        settings = settings or load_settings()
        logs.configure(settings.log_level)
        services = connect(settings, role="web")
        logs.tell_drops(services.count_dropped_lines)
    app = Flask(__name__, template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.config.update(MAX_CONTENT_LENGTH=SMALL_BODY, MAX_FORM_MEMORY_SIZE=SMALL_BODY)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    wiring.wire(app, services)
    return app
