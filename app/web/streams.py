"""What all streams of server-sent events share: their frames, their headers, and the place that each of them holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flask import Response
from flask_sse import Message

from app.errors import QueueUnavailable
from app.web.gate import gate

#: A client that lost its stream comes back after that many milliseconds.
RECONNECT_MS = 2000
#: Seconds until Redis is asked again after it did not answer.
OUTAGE_PAUSE = 1.0
BEGINNING = f"retry:{RECONNECT_MS}\n\n"
NO_ANSWER = ": no answer from the queue\n\n"


def frame(name: str, document: dict[str, Any], event_id: str | None = None) -> str:
    # escaped to ASCII, so that nothing in it can end the line
    data = json.dumps(document, separators=(",", ":"))
    return str(Message(data, type=name, id=event_id))


def streamed(frames: Iterator[str]) -> Response:
    """Raises QueueUnavailable `too_many_streams`."""
    place = gate().held.take("stream")
    if place is None:
        raise QueueUnavailable("too_many_streams", retry_after=5)
    response = Response(
        frames,
        mimetype="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
    response.call_on_close(place.release)  # not in the generator: one that never began has no end
    return response
