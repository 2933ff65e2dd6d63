"""How much memory each process takes, and each thousand jobs, each stream: what a machine is chosen by."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bench.http import Connection
from bench.installation import Installation, until
from bench.options import Options
from bench.processes import children_of, most_memory
from bench.report import Figure, Say
from bench.samples import big_pdf
from bench.watch import Watchers, claimed

JOBS, STREAMS = 1_000, 300
MIB = 1024 * 1024


def measure(options: Options, say: Say) -> list[Figure]:
    with Installation(options.where) as at:
        empty = _used(at)
        worker = at.worker()
        (at.folder / "made").mkdir()
        at.submit(big_pdf(options, at.folder / "made").read_bytes(), "application/pdf")
        for number in range(JOBS - 1):
            at.submit(b"a text of one line, number %d\n" % number, "text/plain", name=f"note-{number}.txt")
        at.wait_ended(JOBS)
        say(f"  {JOBS} jobs have ended")
        child = next(child for child in children_of(worker) if most_memory(child))
        of_processes = [
            _memory("worker", worker),
            _memory("its parser's child, after a PDF of 117 pages", child),
            _memory("scheduler", _scheduler(at)),
        ]
        at.end(worker)
        return [*of_processes, *_of_records(at, empty), *_of_streams(at)]


def _scheduler(at: Installation) -> int:
    process = at.start("scheduler.py")
    redis: Any = at.services.redis
    until(lambda: any(one["name"].startswith("scheduler.") for one in redis.client_list()), "the scheduler")
    return process.pid


def _memory(name: str, pid: int) -> Figure:
    note = f"the most it had: {most_memory(pid) / MIB:.0f} MiB"
    return Figure(f"sizing: {name}", resident_share(pid) / MIB, "MiB", note=note)


def resident_share(pid: int) -> int:
    """Bytes that this process takes, with its share of what it shares with others."""
    found = re.search(r"^Pss:\s*(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _used(at: Installation) -> int:
    redis: Any = at.services.redis
    return int(redis.info("memory")["used_memory"])


def _of_records(at: Installation, empty: int) -> list[Figure]:
    """With the logs of jobs that ended within ten minutes, and without them, as it is later."""
    fresh = _used(at)
    redis: Any = at.services.redis
    for key in redis.scan_iter("ingest:log:*"):
        redis.delete(key)
    kept = _used(at)
    per = JOBS / 1_000 * MIB
    return [
        Figure("sizing: Valkey, empty", empty / MIB, "MiB"),
        Figure("sizing: Valkey, 1,000 jobs of the last ten minutes", (fresh - empty) / per, "MiB"),
        Figure("sizing: Valkey, 1,000 jobs that are kept", (kept - empty) / per, "MiB"),
    ]


def _of_streams(at: Installation) -> list[Figure]:
    serving = at.serving(at.web())
    with Connection(at.port) as connection:
        for _ in range(50):
            connection.get("/healthz")
    alone = resident_share(serving)
    watchers = Watchers(at.port, [claimed(at).id for _ in range(STREAMS)])
    held = resident_share(serving)
    watchers.kill()
    return [
        Figure("sizing: web process", alone / MIB, "MiB"),
        Figure("sizing: web process, each held stream more", (held - alone) / STREAMS / 1024, "KiB"),
    ]
