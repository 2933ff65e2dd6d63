"""The gunicorn worker of the web process: its own refusals have the shape of ours, no client holds a thread by doing
nothing, and open streams are told when it stops.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import errno
import json
import logging
import socket
import uuid
from concurrent.futures import Executor, Future
from http import HTTPStatus
from typing import Any, cast

import structlog
from gunicorn import util
from gunicorn.http import errors, wsgi
from gunicorn.workers.gthread import TConn, ThreadWorker

from app.errors import IngestError, InternalError, ValidationFailed
from app.web.problems import problem_document, status_of

log = structlog.get_logger()

HEAD_SECONDS = 30.0
"""How long a client may keep silent in the middle of a request's head."""

SEND_SECONDS = 15.0
"""How long one piece of an answer may take, so that a watcher who stopped reading is let go."""

SERVER_NAME = "ingest"
"""What the header `Server` says: nothing of the library below, which is nobody's business."""

DRAIN_BYTES = 1024 * 1024
"""How much is still read after an answer that ends a connection (for two seconds at most): a client that is still
sending would else find its connection reset, and never see the answer."""

_OWN_FAULTS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem)
_TRY_AGAIN = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)


class _Connection(TConn):
    def init(self) -> None:
        """Called before each head is read, with a socket that would wait for ever."""
        super().init()
        self.sock.settimeout(HEAD_SECONDS)


class ProblemThreadWorker(ThreadWorker):
    @property
    def _threads(self) -> Executor:
        return cast(Executor, self.tpool)

    def init_process(self) -> None:
        self.log.error_log.addFilter(_is_no_stall)
        wsgi.SERVER = SERVER_NAME  # type: ignore[attr-defined]  # there is no setting for it
        super().init_process()

    def run(self) -> None:
        try:
            super().run()
        finally:
            self._tell_streams()

    def handle_exit(self, sig: int, frame: object) -> None:
        """Streams are told by the main loop: a lock must not be taken inside a signal handler."""
        super().handle_exit(sig, frame)
        self.method_queue.defer(self._tell_streams)

    def accept(self, listener: socket.socket) -> None:
        """As in gunicorn, with our own kind of connection."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in _TRY_AGAIN:
                return
            raise
        self.nr_conns += 1
        self.enqueue_req(_Connection(self.cfg, client, address, listener.getsockname()))

    def handle_request(self, req: Any, conn: TConn) -> bool:
        conn.sock.settimeout(SEND_SECONDS)
        return bool(super().handle_request(req, conn))

    def finish_request(self, conn: TConn, fs: Future[object]) -> None:
        """Closing waits for the client for up to two seconds: gunicorn does that in the loop that accepts everybody
        else, here a thread does."""
        if fs.cancelled() or fs.exception() is not None or fs.result():
            super().finish_request(conn, fs)
            return
        self.nr_conns -= 1
        try:
            self._threads.submit(_close, conn)
        except RuntimeError:  # no new threads while stopping
            conn.close()

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer what never reaches the app: a broken request line, a line or head that is too long, a bug."""
        reference = str(uuid.uuid4())
        structlog.contextvars.clear_contextvars()  # of the request that this thread served before
        structlog.contextvars.bind_contextvars(request_id=reference)
        error = _translated(exc)
        if isinstance(error, InternalError):
            log.error("internal", reference=reference, exc_info=exc)
        else:
            log.info("refused", code=error.code, cause=type(exc).__name__)
        try:
            util.write_nonblock(client, _answer(error, reference))
        except OSError:
            pass  # gone

    def _tell_streams(self) -> None:
        stopping = _extensions(self).get("ingest_stop")
        if stopping is not None:
            stopping.set()


def after_fork(worker: Any) -> None:
    """Start the background threads of this web process, once it has its application."""
    start = _extensions(worker).get("ingest_start")
    if start is not None:
        start()


def _extensions(worker: Any) -> dict[str, Any]:
    """Of the Flask application; empty before it is loaded."""
    found: dict[str, Any] = getattr(getattr(worker, "wsgi", None), "extensions", {})
    return found


def _translated(exc: BaseException) -> IngestError:
    if isinstance(exc, errors.LimitRequestLine):
        return ValidationFailed("uri_too_long")
    if isinstance(exc, errors.LimitRequestHeaders):
        return ValidationFailed("headers_too_large")
    if isinstance(exc, errors.ParseException) and not isinstance(exc, _OWN_FAULTS):
        return ValidationFailed("bad_request")
    return InternalError("internal")


def _answer(error: IngestError, reference: str) -> bytes:
    status = status_of(error)
    body = json.dumps(problem_document(error, status=status, reference=reference)).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Connection: close",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        f"X-Request-ID: {reference}",
    )
    return "\r\n".join(head).encode("ascii") + b"\r\n\r\n" + body


def _close(conn: TConn) -> None:
    util.close_graceful(conn.sock, max_drain=DRAIN_BYTES)


def _is_no_stall(record: logging.LogRecord) -> bool:
    """A client that went silent is no error of ours; gunicorn would log it with a traceback."""
    return not (record.exc_info and isinstance(record.exc_info[1], TimeoutError))
