"""How long a job lies between being accepted and being worked on, while a worker is idle."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from bench.http import Connection, form, job_of
from bench.installation import Installation
from bench.options import Options
from bench.report import Figure, Say, median, percentile

JOBS, WARM_UP = 200, 10


class Rings:
    """When Redis told of each job's changes; the first is its record, the second its claim. Heard by a thread."""

    def __init__(self, at: Installation) -> None:
        self.of: defaultdict[str, list[float]] = defaultdict(list)
        self._pubsub: Any = at.services.redis.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(**{"ingest:changed": self._hear})
        self._thread = self._pubsub.run_in_thread(sleep_time=1.0, daemon=True)

    def _hear(self, message: dict[str, Any]) -> None:
        self.of[message["data"].decode()].append(time.perf_counter())

    def stop(self) -> None:
        self._thread.stop()
        self._thread.join()


def measure(options: Options, say: Say) -> list[Figure]:
    with Installation(options.where) as at:
        at.web()
        at.worker()
        rings = Rings(at)
        rung, created, answered = [], [], []
        with Connection(at.port) as connection:
            for number in range(WARM_UP + JOBS):
                job_id = job_of(connection.ask(form(b"a short note, number %d\n" % number, "note.txt")))
                at_client = time.time() * 1000
                at.wait_ended(number + 1)
                job = at.job(job_id)
                assert job.started_at
                if number >= WARM_UP:
                    rung.append(1000 * (rings.of[job_id][1] - rings.of[job_id][0]))
                    created.append(job.started_at - job.created_at)
                    answered.append(max(0.0, job.started_at - at_client))
        rings.stop()
    return [
        Figure("pickup: record written → claimed by an idle worker, p50", median(rung), "ms", at_most=5),
        Figure("pickup: the same, p99", percentile(rung, 0.99), "ms"),
        Figure("pickup: createdAt → startedAt, p50", median(created), "ms", note="with what the disk takes in between"),
        Figure("pickup: 202 at the client → startedAt, p50", median(answered), "ms", note="0: it had begun before"),
    ]
