"""Live events of jobs, as server-sent events: /api/ingest/events. Framed by flask-sse, read from the event log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response, request
from flask_sse import Message, ServerSentEventsBlueprint

from app.web.client_view import ClientView
from app.web.context import event_log, services, stopping
from app.web.streams import streamed
from app.web.validation import job_ids_of


class JobEvents(ServerSentEventsBlueprint):
    """flask-sse's blueprint without its way of publishing and reading: any client could listen to any channel."""

    def publish(self, *args: Any, **kwargs: Any) -> int:
        raise NotImplementedError("an event is an entry of a job's log, written with the change itself")

    def messages(self, channel: str = "") -> Iterator[Message]:
        raise NotImplementedError("events are read from the logs of jobs, not from a channel")

    def stream(self, job_id: str | None = None) -> Response:
        job_ids = job_ids_of(request.args) if job_id is None else [job_id]
        view = ClientView(services(), event_log(), job_ids)
        view.open(request.headers.get("Last-Event-ID", ""), of_one=job_id is not None)
        if view.is_over:
            return Response(status=204)
        return streamed(view.frames(stopping()))


blueprint = JobEvents("events", __name__, url_prefix="/api/ingest/events")
blueprint.add_url_rule("", "several", blueprint.stream)
blueprint.add_url_rule("/<job_id>", "one", blueprint.stream)
