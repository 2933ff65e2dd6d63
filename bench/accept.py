"""How long a client waits for its 202, and what of it is the disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.http import Connection, form, job_of
from bench.installation import Installation
from bench.options import Options
from bench.processes import wait_for_quiet
from bench.report import Figure, Say, median, percentile

UPLOADS, WARM_UP = 400, 30
SIZE = 100_000


def measure(options: Options, say: Say) -> list[Figure]:
    with Installation(options.where, LOG_LEVEL="info") as at:
        at.web()
        wait_for_quiet()
        times, disk = [], []
        with Connection(at.port) as connection:
            for number in range(WARM_UP + UPLOADS):
                request = form(b"upload %09d\n" % number * (SIZE // 17), f"note-{number}.txt")
                began = time.perf_counter()
                answer = connection.ask(request)
                took = time.perf_counter() - began
                job_of(answer)
                if number >= WARM_UP:
                    times.append(took * 1000)
                    disk.append(_three_fsyncs(at.folder, number) * 1000)
    rest = [took - bare for took, bare in zip(times, disk, strict=True)]
    return [
        Figure(
            "accept: 202 for a 100 kB file, p50", median(times), "ms", at_most=5, note=f"{UPLOADS} uploads, no worker"
        ),
        Figure("accept: the same, p99", percentile(times, 0.99), "ms"),
        Figure("accept: three fsyncs in that folder, p50", median(disk), "ms", note="100 kB, a small file, the folder"),
        Figure("accept: what is left without them, p50", median(rest), "ms"),
    ]


def _three_fsyncs(folder: Path, number: int) -> float:
    """The disk's share, taken right after each upload: bytes, a manifest, and the names of both."""
    data = os.urandom(SIZE)
    place = folder / "bare"
    place.mkdir(exist_ok=True)
    began = time.perf_counter()
    for name, content in ((f"{number}", data), (f"{number}.json", data[:500])):
        fd = os.open(place / name, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, content)
        os.fsync(fd)
        os.close(fd)
    fd = os.open(place, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    return time.perf_counter() - began
