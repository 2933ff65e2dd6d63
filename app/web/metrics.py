"""`/metrics`: the service as Prometheus sees it, read from Redis at the moment of the scrape, so that it does not matter
which of several web processes is asked; only what a web process knows of itself is its own."""

from __future__ import annotations

from flask import Blueprint, Flask, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app.ingestion.stats import queue_statistics
from app.web.auth import metrics_reader_required
from app.web.context import services
from app.web.gate import gate
from app.web.metric_families import Seen, families

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@metrics_reader_required
def metrics() -> ResponseReturnValue:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reading(_seen()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _seen() -> Seen:
    """Raises QueueUnavailable when Redis does not answer."""
    at, places = services(), gate()
    return Seen(
        statistics=queue_statistics(at),
        totals=at.counters.read(),
        calls=at.meter.counts(),
        held=dict(places.held.taken_by),
        held_limit=places.held.limit,
        uploads=places.uploads.taken,
        uploads_limit=places.uploads.limit,
    )


class _Reading:
    """One reading in the shape that prometheus-client collects."""

    def __init__(self, seen: Seen) -> None:
        self.collect = lambda: families(seen)


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
