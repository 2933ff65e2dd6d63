"""Is the process alive, and can it serve: for load balancers, for `./run` and for people. Tells no versions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import cast

from flask import Blueprint, Flask, current_app, jsonify
from flask.typing import ResponseReturnValue

from app.errors import IngestError
from app.services import Services
from app.web.context import services

blueprint = Blueprint("health", __name__)
#: An answer is good for that long, so that asking often costs the storage nothing.
READY_SECONDS = 1.5


class Readiness:
    """What is wrong with the neighbours, looked at anew when the last look is old; one thread looks at a time."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._failures: dict[str, IngestError] = {}

    def failures(self, at: Services) -> dict[str, IngestError]:
        """By neighbour; empty when all is well."""
        with self._lock:
            if self._clock() - self._looked_at > READY_SECONDS:
                self._failures = look(at)
                self._looked_at = self._clock()
            return self._failures


def look(at: Services) -> dict[str, IngestError]:
    """Asks both neighbours, and when both answer, whether they belong together."""
    failures = _failed({"redis": at.jobs.ping, "storage": at.blobs.check})
    return failures or _failed({"installation": at.binding})


def _failed(checks: dict[str, Callable[[], object]]) -> dict[str, IngestError]:
    failures: dict[str, IngestError] = {}
    for name, check in checks.items():
        try:
            check()
        except IngestError as error:
            failures[name] = error
    return failures


@blueprint.get("/healthz")
def alive() -> ResponseReturnValue:
    return _uncached({"status": "ok"})


@blueprint.get("/readyz")
def ready() -> ResponseReturnValue:
    readiness = cast(Readiness, current_app.extensions["readiness"])
    failures = readiness.failures(services())
    if failures:
        raise _not_ready(list(failures.values()))
    return _uncached({"status": "ok", "checks": {"redis": "ok", "storage": "ok"}})


def _not_ready(errors: list[IngestError]) -> IngestError:
    """One problem for all that is wrong; the first gives the code."""
    first = errors[0]
    return type(first)(
        first.code,
        " ".join(error.message for error in errors),
        suggestion=" ".join(dict.fromkeys(error.suggestion for error in errors)),
        retry_after=max(error.retry_after or 5 for error in errors),
    )


def _uncached(document: dict[str, object]) -> ResponseReturnValue:
    return jsonify(document), {"Cache-Control": "no-store"}


def register(app: Flask) -> None:
    app.extensions["readiness"] = Readiness()
    app.register_blueprint(blueprint)
