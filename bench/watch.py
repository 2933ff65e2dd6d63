"""Three hundred held streams: how soon an event is with its client, and what they cost everybody else."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.domain.job import Job, Priority, Progress
from app.settings import ROOT
from bench.http import Connection
from bench.installation import GaveUp, Installation
from bench.options import Options
from bench.report import Figure, Say, median, percentile

STREAMS = 300
EVENTS, EVENTS_A_SECOND = 600, 60
REQUESTS = 400

Moments = dict[tuple[str, int], float]


class Watchers:
    """The clients, in a process of their own so that their work is not mistaken for the server's."""

    def __init__(self, port: int, job_ids: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.watchers", str(port)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout
        self._in.write("".join(f"{job_id}\n" for job_id in job_ids) + "\n")
        self._in.flush()
        if self._out.readline().strip() != f"held {len(job_ids)}":
            raise GaveUp("not all streams were opened")

    def end(self) -> list[tuple[str, int, float]]:
        """What came, and when."""
        self._in.close()
        events = [json.loads(line) for line in self._out]
        self._process.wait(30)
        return [(str(job_id), int(version), float(at)) for job_id, version, at in events]

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._out.close()


class Stage:
    """A web server of its own for each part: one that was left by hundreds of clients notices only after a while."""

    def __init__(self, at: Installation) -> None:
        self.at = at
        self.jobs = [claimed(at) for _ in range(STREAMS)]
        waiting = (at.submit(b"waits for ever\n", "text/plain", priority=Priority.LOW) for _ in range(STREAMS))
        self.waiting = list(waiting)

    @contextmanager
    def held(self, job_ids: list[str]) -> Iterator[Watchers | None]:
        """The server answers, and all streams are held; without any job it is alone."""
        web = self.at.web()
        _requests(self.at.port, f"/api/ingest/status/{self.jobs[0].id}", 50)  # to warm up
        watchers = Watchers(self.at.port, job_ids) if job_ids else None
        try:
            yield watchers
        finally:
            if watchers:
                watchers.kill()
            self.at.end(web)


def measure(options: Options, say: Say) -> list[Figure]:
    with Installation(options.where) as at:  # default settings
        stage = Stage(at)
        return _one_each(stage, say) + _all_on_one(stage, say) + _cost_to_others(stage, say)


def claimed(at: Installation) -> Job:
    """A job that this process holds for an hour, so that its record is ours to change."""
    at.submit(b"is being worked on\n", "text/plain", priority=Priority.URGENT)
    job = at.services.jobs.claim_next(Priority.URGENT, holder=at.services.name, token=secrets.token_hex(8))
    assert job
    at.services.redis.zadd("ingest:leases", {job.id: at.services.jobs.now() + 3_600_000}, xx=True)
    return job


def _step(stage: Stage, number: int, sent: Moments) -> None:
    """One change of a record; its moment is the one before it is sent, so Redis's own time counts too."""
    job, jobs = stage.jobs[number], stage.at.services.jobs
    page = job.progress.pages_done + 1
    new = job.progressed(Progress("Processing file", page % 100, f"Page {page}", page), now=jobs.now())
    sent[job.id, new.version] = time.monotonic()
    if not jobs.replace(job, new):
        raise GaveUp("a job was taken away")
    stage.jobs[number] = new


def _one_each(stage: Stage, say: Say) -> list[Figure]:
    sent: Moments = {}
    with stage.held([job.id for job in stage.jobs]) as watchers:
        assert watchers
        begin = time.monotonic()
        for number in range(EVENTS):
            _step(stage, number * 7 % STREAMS, sent)
            time.sleep(max(0.0, begin + (number + 1) / EVENTS_A_SECOND - time.monotonic()))
        time.sleep(0.5)
        came = watchers.end()
    delays = delays_of(sent, came, expected=len(sent))
    say(f"  one stream a job: {len(delays)} events, at most {max(delays):.1f} ms")
    rate = f"{EVENTS_A_SECOND} a second"
    return [
        Figure(f"watch: event → client with {STREAMS} held, p50", median(delays), "ms", note=rate),
        Figure(
            "watch: the same, p99", percentile(delays, 0.99), "ms", at_most=20, note=f"at most {max(delays):.1f} ms"
        ),
    ]


def _all_on_one(stage: Stage, say: Say) -> list[Figure]:
    sent: Moments = {}
    with stage.held([stage.jobs[0].id] * STREAMS) as watchers:
        assert watchers
        for _ in range(20):
            _step(stage, 0, sent)
            time.sleep(0.3)
        time.sleep(0.5)
        came = watchers.end()
    delays = delays_of(sent, came, expected=len(sent) * STREAMS)
    say(f"  all on one job: {len(delays)} events, at most {max(delays):.1f} ms")
    return [
        Figure(
            f"watch: all {STREAMS} on one job, event → client, p50",
            median(delays),
            "ms",
            note=f"p99 {percentile(delays, 0.99):.1f} ms: {STREAMS} answers to one change",
        )
    ]


def delays_of(sent: Moments, came: list[tuple[str, int, float]], *, expected: int) -> list[float]:
    delays = [1000 * (at - sent[job_id, version]) for job_id, version, at in came if (job_id, version) in sent]
    if len(delays) != expected:
        raise GaveUp(f"{len(delays)} of {expected} events came")
    return delays


def _cost_to_others(stage: Stage, say: Say) -> list[Figure]:
    path = f"/api/ingest/status/{stage.jobs[0].id}"
    alone: list[float] = []
    running: list[float] = []
    queued: list[float] = []
    for _ in range(3):  # in turns, as the machine has moods
        for job_ids, times in (([], alone), ([job.id for job in stage.jobs], running), (stage.waiting, queued)):
            with stage.held(job_ids):
                times += _requests(stage.at.port, path, REQUESTS)
    say(f"  status alone {median(alone):.2f} ms, {STREAMS} held {median(running):.2f}, queued {median(queued):.2f}")
    return [
        Figure(
            f"watch: status route with {STREAMS} held against none, p50",
            median(running) / median(alone),
            "×",
            at_most=2,
            note=f"{median(running):.2f} ms against {median(alone):.2f}",
        ),
        Figure(
            f"watch: the same, the {STREAMS} waiting in the queue",
            median(queued) / median(alone),
            "×",
            note=f"{median(queued):.2f} ms; p99 {percentile(queued, 0.99):.1f} against {percentile(alone, 0.99):.1f}",
        ),
    ]


def _requests(port: int, path: str, number: int) -> list[float]:
    """Milliseconds of each."""
    times = []
    with Connection(port) as connection:
        for _ in range(number):
            began = time.perf_counter()
            status, _ = connection.get(path)
            times.append(1000 * (time.perf_counter() - began))
            if status != 200:
                raise GaveUp(f"the status route answered {status}")
    return times
