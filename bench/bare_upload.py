"""The yardstick for uploads: a WSGI view that writes the body to a file and does nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

CHUNK = 1024 * 1024


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Body to `DATA_DIR/bare`, with an fsync if the path is /fsync."""
    left = int(environ.get("CONTENT_LENGTH") or 0)
    if left:
        fd = os.open(f"{os.environ['DATA_DIR']}/bare", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        while left and (chunk := environ["wsgi.input"].read(min(CHUNK, left))):
            left -= len(chunk)
            os.write(fd, chunk)
        if environ["PATH_INFO"] == "/fsync":
            os.fsync(fd)
        os.close(fd)
    start_response("200 OK", [("Content-Length", "0")])
    return []
