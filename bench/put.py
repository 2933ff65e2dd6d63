"""A large upload against a bare view on the same server, same worker class and same disk, and what memory it takes."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from bench.http import Connection, head, job_of
from bench.installation import Installation, free_port
from bench.options import Options
from bench.processes import most_memory
from bench.report import Figure, Say, median, spread

SIZE = 512 * 1024**2
_BLOCK = memoryview(b"a line of a very long text file, 63 characters and a line end..\n" * (1024**2 // 64))


def measure(options: Options, say: Say) -> list[Figure]:
    times: dict[str, list[float]] = {"ours": [], "fsync": [], "write": []}
    with Installation(options.where, MAX_UPLOAD_BYTES=str(SIZE), LOG_LEVEL="warning") as at:
        serving, bare_port = at.serving(at.web()), free_port()
        at.web("bench.bare_upload:app", bare_port)
        _warm(at.port)
        before = most_memory(serving)
        ways: list[tuple[str, Callable[[], float]]] = [
            ("ours", lambda: _ours(at)),
            ("fsync", lambda: _bare(at, bare_port, "/fsync")),
            ("write", lambda: _bare(at, bare_port, "/write")),
        ]
        for number in range(max(6, options.rounds)):
            random.Random(number).shuffle(ways)  # what one leaves to the disk hits whoever comes next
            for name, take in ways:
                os.sync()
                times[name].append(take())
            say("  " + ", ".join(f"{name} {taken[-1]:.2f} s" for name, taken in times.items()))
        growth = most_memory(serving) - before
    synced, written = _ratios(times, "fsync"), _ratios(times, "write")
    return [
        Figure(
            "put: 512 MiB against a bare view that fsyncs too",
            median(synced),
            "×",
            at_most=1.3,
            note=f"median of {len(synced)}, {spread(synced)}",
        ),
        Figure("put: against one that does not fsync", median(written), "×", note=spread(written)),
        Figure("put: MiB a second", 512 / median(times["ours"]), note=f"bare {512 / median(times['fsync']):.0f}"),
        Figure(
            "put: growth of the web process", growth / 1024**2, "MiB", at_most=30, note="of its most resident memory"
        ),
    ]


def _ratios(times: dict[str, list[float]], against: str) -> list[float]:
    return [ours / bare for ours, bare in zip(times["ours"], times[against], strict=True)]


def _warm(port: int) -> None:
    """The server has taken uploads before: its code is loaded, and its buffers have their size."""
    for _ in range(3):
        with Connection(port) as connection:
            job_of(_sent(connection, "/api/ingest/start/small.txt", blocks=4))


def _ours(at: Installation) -> float:
    with Connection(at.port, seconds=300) as connection:
        began = time.perf_counter()
        answer = _sent(connection, "/api/ingest/start/large.txt")
        took = time.perf_counter() - began
        job_id = job_of(answer)
        at.services.blobs.delete_upload(job_id)
    return took


def _bare(at: Installation, port: int, path: str) -> float:
    with Connection(port, seconds=300) as connection:
        began = time.perf_counter()
        status, _ = _sent(connection, path)
        took = time.perf_counter() - began
    written: Path = at.data_dir / "bare"
    if status != 200 or written.stat().st_size != SIZE:
        raise RuntimeError("the bare view did not take the file")
    written.unlink()
    return took


def _sent(connection: Connection, path: str, *, blocks: int = SIZE // len(_BLOCK)) -> tuple[int, bytes]:
    connection.send(head("PUT", path, Content_Length=blocks * len(_BLOCK)))
    for _ in range(blocks):
        connection.send(_BLOCK)
    return connection.answer()
