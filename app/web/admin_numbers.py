"""The operator's numbers: how the queue stands now, and how it went over the last hours."""

from __future__ import annotations

from flask import Blueprint, Flask, jsonify, request
from flask.typing import ResponseReturnValue

from app.adapters.history import STEPS
from app.ingestion.stats import queue_statistics
from app.web import statistics_schemas as schemas
from app.web.auth import admin_required
from app.web.context import services
from app.web.statistics import history_document, statistics_document
from app.web.validation import query

blueprint = Blueprint("admin_numbers", __name__)


@blueprint.get("/api/admin/queue")
@admin_required
def show_queue() -> ResponseReturnValue:
    return jsonify(statistics_document(queue_statistics(services())))


@blueprint.get("/api/admin/history")
@admin_required
def show_history() -> ResponseReturnValue:
    hours = int(query(schemas.HistoryQuery, request.args).hours)
    points = services().history.points(hours, now=services().jobs.now())
    return jsonify(history_document(points, hours=hours, step_seconds=STEPS[hours]))


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
