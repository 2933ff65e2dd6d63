"""The address that an outside cron calls once a minute: one batch now. It keeps the service going without workers."""

from __future__ import annotations

from flask import Blueprint, Flask, jsonify, request
from flask.typing import ResponseReturnValue

from app.errors import QueueUnavailable
from app.ingestion.batch import run_batch
from app.web.auth import cron_required
from app.web.context import services
from app.web.gate import gate

blueprint = Blueprint("cron", __name__)


@blueprint.route("/api/cron/process-jobs", methods=["GET", "POST"])
@cron_required
def process_jobs() -> ResponseReturnValue:
    """A batch holds a thread for as long as it runs, so it takes its place like every other long request."""
    if request.method == "HEAD":  # Flask gives it to every GET; a look must not process anything
        return "", 200
    place = gate().held.take("batch")
    if place is None:
        raise QueueUnavailable("overloaded", retry_after=30)
    with place:
        report = run_batch(services(), by="cron")
    document = {
        "success": True,
        "processed": report.processed,
        "jobIds": report.job_ids,
        "rescued": report.rescued,
        "expired": report.expired,
        "remaining": report.remaining,
        "durationMs": report.duration_ms,
    }
    return jsonify(document), {"Cache-Control": "no-store"}


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
