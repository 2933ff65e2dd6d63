"""Connections to an S3 store: what they trust, how long each request may take, and the store's clock.

A body goes out in small pieces, so that each of them has its own time.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import certifi
import urllib3

_PIECE_BYTES = 64 * 1024
_CONNECT_SECONDS = 2.0
_CONNECTIONS = 64
logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of each connection beyond those that are kept


class Connections(urllib3.PoolManager):
    """Connections with a time limit that each request sets, and the server's clock."""

    def __init__(self, ca_file: Path | None, *, secure: bool) -> None:
        trust: dict[str, Any] = {"ssl_context": _trust(ca_file)} if secure else {}
        super().__init__(maxsize=_CONNECTIONS, retries=False, **trust)
        self._limits = threading.local()
        self._ahead = time.time() - time.monotonic()

    @contextlib.contextmanager
    def answering_within(self, seconds: float) -> Iterator[None]:
        self._limits.seconds = seconds
        yield

    def now(self) -> float:
        """Seconds since the epoch by the server's clock: this machine's may be wrong."""
        return time.monotonic() + self._ahead

    def urlopen(self, method: str, url: str, redirect: bool = True, **given: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
        seconds = max(0.1, self._limits.seconds)
        timeout = urllib3.Timeout(connect=min(_CONNECT_SECONDS, seconds), read=seconds)
        if given.get("body"):
            given["body"] = _pieces(memoryview(given["body"]))
        response = super().urlopen(method, url, redirect=False, timeout=timeout, **given)
        date = response.headers.get("date")
        if date:
            with contextlib.suppress(ValueError, TypeError):
                self._ahead = parsedate_to_datetime(date).timestamp() - time.monotonic()
        return response


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """The given authorities alone, else the system's and those that everybody knows."""
    context = ssl.create_default_context(cafile=ca_file)
    if ca_file is None:
        context.load_verify_locations(certifi.where())
    return context


def _pieces(body: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]
