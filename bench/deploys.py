"""A version is brought out again and again under load: workers and the web server are restarted one after the other.

Three clients (`clients/python`) upload, wait and fetch all the while; one of them has files whose reading takes longer
than the grace of a worker that is told to stop. None may see a failure, and no job may be charged for a restart.
"""

from __future__ import annotations

import io
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.domain.job import Attempt, Job
from app.ingestion.check import check
from app.stopper import STOP_GRACE_SECONDS
from bench.installation import GaveUp, Installation, until
from bench.options import Options
from bench.report import Figure, Say
from bench.samples import made_pdf
from clients.python.ingest_client import Client, IngestError

WORKERS = 2
#: Pages whose reading takes somewhat longer than the grace on two cores that are shared with all the others.
LONG_PAGES = 4_000
#: How long a restarted system is left alone, in seconds: between none of it and this.
LONGEST_REST = 1.0


@dataclass
class Journeys:
    """Clients that upload, wait for the end and fetch the text, one file after the other, each in a thread of its own."""

    url: str
    failed: list[str] = field(default_factory=list)
    short: list[str] = field(default_factory=list)
    long: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self, name: str, data: Callable[[int], bytes], done: list[str], *, pages: int = 0) -> None:
        def run() -> None:
            client = Client(self.url)
            number = 0
            while not self._end.is_set():
                number += 1
                try:
                    done.append(_journey(client, f"{number}-{name}", data(number), pages=pages))
                except IngestError as error:
                    self.failed.append(f"{name}: {error.code} {error}")

        thread = threading.Thread(target=run, name=name)
        thread.start()
        self._threads.append(thread)

    def end(self) -> None:
        """Comes back when each has fetched what it sent last."""
        self._end.set()
        for thread in self._threads:
            thread.join()


def _journey(client: Client, name: str, data: bytes, *, pages: int) -> str:
    """The job's id. Raises IngestError, also where the job fails or what was read is not what was sent."""
    job_id = client.upload(io.BytesIO(data), name=name)["jobId"]
    ended = client.wait(job_id)
    if ended["status"] != "completed":
        raise IngestError(dict(ended["error"] or {"code": ended["status"]}))
    if pages == 0 and client.text(job_id) != data.decode():
        raise IngestError({"code": "other_text", "message": f"{job_id} has another text."})
    if pages and (ended["result"] or {}).get("pages") != pages:
        raise IngestError({"code": "other_text", "message": f"{job_id} has not all pages."})
    return job_id


class Rollout:
    """Restarts, by chance, a worker or the web server; `told` has when each process was told to stop, by its id (ms)."""

    def __init__(self, at: Installation, *, seed: int) -> None:
        self._at, self._chance = at, random.Random(seed)
        self.told: dict[int, int] = {}
        self.restarts = {"web": 0, "worker": 0}
        self._web, self._workers = at.web(), [at.worker() for _ in range(WORKERS)]

    def restart(self) -> None:
        if self._chance.random() < 1 / (1 + WORKERS):
            self.restarts["web"] += 1
            self._stop(self._web)
            self._web = self._at.web()
        else:
            self.restarts["worker"] += 1
            self._stop(self._workers.pop(self._chance.randrange(WORKERS)))
            self._workers.append(self._at.worker())
        time.sleep(self._chance.uniform(0, LONGEST_REST))

    def _stop(self, pid: int) -> None:
        self.told[pid] = self._at.services.jobs.now()
        self._at.end(pid, signal.SIGTERM)


@dataclass(frozen=True)
class Outcome:
    """What a rollout under load came to."""

    restarts: dict[str, int]
    short: int
    long: int
    failed: list[str]
    charged: list[str]
    given_back: list[float]
    early: int
    violations: list[str]

    def told(self, seed: int) -> str:
        waits = f", {min(self.given_back):.2f} to {max(self.given_back):.2f} s after" if self.given_back else ", after"
        return (
            f"seed {seed}: {self.restarts['worker']} restarts of a worker and {self.restarts['web']} of the web server; "
            f"{self.short} short jobs and {self.long} long ones; {len(self.failed)} failed requests, "
            f"{len(self.charged)} jobs charged, {len(self.given_back)} given back{waits} the signal, "
            f"{len(self.violations)} violations"
        )


def roll(options: Options, say: Say) -> Outcome:
    """Raises GaveUp where a process does not end or start in time."""
    data = made_pdf(LONG_PAGES)
    with Installation(options.where, MIN_FREE_BYTES="0", WEB_THREADS="64") as at:
        rollout = Rollout(at, seed=options.seed)
        journeys = Journeys(f"http://127.0.0.1:{at.port}")
        try:
            for name in ("one", "two"):
                journeys.begin(
                    f"{name}.txt", lambda number, name=name: f"file {number} of {name}".encode(), journeys.short
                )
            journeys.begin("long.pdf", lambda _: data, journeys.long, pages=LONG_PAGES)
            until(lambda: bool(journeys.short), "a first job")
            for number in range(options.restarts):
                rollout.restart()
                if (number + 1) % 10 == 0:
                    say(f"deploys: {number + 1} restarts, {len(journeys.short)} + {len(journeys.long)} jobs")
        finally:
            journeys.end()
        return _judged(at, rollout, journeys)


def _judged(at: Installation, rollout: Rollout, journeys: Journeys) -> Outcome:
    jobs = [at.job(job_id) for job_id in (*journeys.short, *journeys.long)]
    report = check(at.services, accepted=[job.id for job in jobs])
    waits = [
        (attempt.ended - told) / 1000 for job in jobs for attempt in job.history for told in _signals(attempt, rollout)
    ]
    return Outcome(
        restarts=rollout.restarts,
        short=len(journeys.short),
        long=len(journeys.long),
        failed=journeys.failed,
        charged=[job.id for job in jobs if _is_charged(job)],
        given_back=waits,
        early=sum(wait < STOP_GRACE_SECONDS for wait in waits),
        violations=[str(violation) for violation in report.violations],
    )


def _is_charged(job: Job) -> bool:
    return (job.run, job.attempt, job.losses) != (1, 1, 0)


def _signals(attempt: Attempt, rollout: Rollout) -> list[int]:
    """When the worker that gave the job back was told to stop; one that was not told gives nothing back."""
    if attempt.outcome != "given_back":
        return []
    return [rollout.told.get(int(attempt.worker.split(".")[-2]), attempt.ended)]


def measure(options: Options, say: Say) -> list[Figure]:
    came_to = roll(options, say)
    say(came_to.told(options.seed))
    for what in (*came_to.failed, *came_to.charged, *came_to.violations):
        say(f"  {what}")
    if not came_to.long:
        raise GaveUp("no long job came to its end")
    return [
        Figure("deploys: requests that failed for a patient client", len(came_to.failed), at_most=0),
        Figure("deploys: jobs charged an attempt or a loss", len(came_to.charged), at_most=0),
        Figure("deploys: jobs given back within the 5 s of grace", came_to.early, at_most=0),
        Figure("deploys: violations of the seven invariants", len(came_to.violations), at_most=0),
    ]
