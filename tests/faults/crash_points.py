"""Kills a process of ours before and after each of its steps to the outside, story by story, and looks what comes of it.

usage: python -m tests.faults.crash_points [--every K] [--seed S] [--story NAME]

The steps of a story are those of a dry run. After each kill the client asks again, a healthy process drains what is left
(sweep, jobs, one batch), and the checker looks at everything. Time is not waited for: leases, holds and ages are set back.
Redis stays; the killed process is a fork of one that has imported everything, with connections of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.job import PRIORITIES, Job, Priority
from app.errors import RequestRefused
from app.ingestion.batch import run_batch
from app.ingestion.check import check, lines_of
from app.ingestion.process import process_next
from app.ingestion.rescue import Sweep
from app.services import connect
from tests.faults import crash_stories
from tests.faults.crash_steps import AFTER, BEFORE
from tests.faults.crash_stories import STORIES, Story, parser_that_dies, quiet, settings_at, waiting
from tests.processes import Deployment

PARSER = "parser child"
#: A text of a few words is two writes: ready, and the page with the end.
PARSER_WRITES = 3
#: A system that is not idle after so many rounds, each of which is more than a minute of its time, is stuck.
ROUNDS = 20
GIVE_UP_SECONDS = 120.0


@dataclass(frozen=True, order=True)
class Point:
    story: str
    number: int
    when: str
    step: str

    def __str__(self) -> str:
        return f"{self.story}: {self.when} step {self.number}, {self.step}"


@dataclass
class Outcome:
    """`not_reached`: points that the story ended before, as it had fewer steps than in the dry run."""

    points: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    not_reached: list[Point] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


class Range:
    """One installation on which stories are broken off, one after another."""

    def __init__(self, at: Deployment) -> None:
        self._at = at
        self._services = connect(settings_at(at.data_dir, at.url), role="test")
        self._installation = self._services.binding()
        self._fork = multiprocessing.get_context("forkserver")
        self._fork.set_forkserver_preload([crash_stories.__name__])
        self._note = at.folder / "steps"

    def close(self) -> None:
        self._services.parser.close()
        self._services.close()

    def points(self, story: Story) -> Iterator[Point]:
        for _ in range(2):  # the first of all sends scripts whole
            self._clear()
            self._break_off(story, 0, BEFORE, story.prepare(self._services))
        for number, step in enumerate(json.loads(self._note.read_text()), 1):
            yield Point(story.name, number, BEFORE, step)
            yield Point(story.name, number, AFTER, step)

    def try_point(self, point: Point) -> tuple[bool, list[str]]:
        """Was it killed there, and what is wrong afterwards?"""
        self._clear()
        if point.story == PARSER:
            return self._try_parser(point)
        story = STORIES[point.story]
        job_id = story.prepare(self._services)
        killed = self._break_off(story, point.number, point.when, job_id)
        self._time_passes()
        if story.repeated:
            answer = story.act(self._services, job_id)
            if answer.status_code not in (200, 202, 204, 404):
                return killed, [f"{point}: asked again, {answer.status_code} {answer.text[:200]}"]
        wrong = self._drained() or self._looked_at()
        found = self._records()
        if not wrong and not story.comes_to(found, job_id):
            wrong = [f"came to {[(job.id, job.status.value, job.run, job.failure) for job in found.values()]}"]
        return killed, [f"{point}: {what}" for what in wrong]

    def _try_parser(self, point: Point) -> tuple[bool, list[str]]:
        job_id, note = waiting(self._services), self._at.folder / "parser.crashed"
        note.unlink(missing_ok=True)
        whole, self._services.parser = self._services.parser, parser_that_dies(point.number, point.when, note)
        try:
            process_next(self._services, Priority.MEDIUM)
        finally:
            self._services.parser.close()
            self._services.parser = whole
        job = self._records()[job_id]
        wrong = self._drained() or self._looked_at()
        if (job.status.value, job.attempt, job.losses) != ("completed", 1, 0):
            wrong += [f"came to {job.status.value} in attempt {job.attempt}, {job.failure}"]
        return True, [f"{point}: {what}" for what in wrong]

    # ---- the kill ---------------------------------------------------------------------------------------------

    def _break_off(self, story: Story, number: int, when: str, job_id: str) -> bool:
        """True if it was killed; else it came to its end."""
        process = self._fork.Process(
            target=crash_stories.run,
            args=(story.name, str(self._at.data_dir), self._at.url),
            kwargs={"job_id": job_id, "steps": (number, when), "note": str(self._note)},
        )
        process.start()
        process.join(GIVE_UP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            raise AssertionError(f"{story.name} stands still, to be killed {when} step {number}")
        ended = process.exitcode
        process.close()
        assert ended in (0, -signal.SIGKILL), f"{story.name} ended with {ended}"
        return ended != 0

    # ---- before and afterwards --------------------------------------------------------------------------------

    def _clear(self) -> None:
        """As if nothing had ever been here; only the two neighbours know each other."""
        self._at.redis.flushall()
        for path in (self._at.data_dir / "blobs").rglob("*"):
            if path.is_file() and path.parent.name in ("uploads", "results", "partial"):
                path.unlink()
        self._services.jobs.set_installation(self._installation)

    def _time_passes(self) -> None:
        """Leases of the dead and holds on keys run out, files get old; no outage is noted for it."""
        redis = self._at.redis
        for lease in self._services.jobs.leases():
            if lease.holder != self._services.name:
                redis.zadd("ingest:leases", {lease.job_id: 1})
        for key in redis.scan_iter("ingest:idem:*"):
            if redis.hexists(key, "until"):
                redis.hset(key, "until", "0")
        redis.delete("ingest:batch:lock")
        self._services.notes.since_outage()
        redis.hset("ingest:sweep", "back", "0")
        self._at.age_files(100_000)

    def _drained(self) -> list[str]:
        """One batch is asked for, as the minute would; the workers do the rest. What is wrong, if it does not come to rest."""
        for _ in range(ROUNDS):
            self._time_passes()
            Sweep(self._services).run()
            while any(process_next(self._services, priority) for priority in PRIORITIES):
                pass
            self._batch()
            if self._is_idle():
                return []
        report = check(self._services)
        return ["it does not come to rest", *lines_of(self._services, report)]

    def _batch(self) -> None:
        try:
            run_batch(self._services)
        except RequestRefused as error:
            raise AssertionError(f"no batch can begin: {error}") from error

    def _is_idle(self) -> bool:
        self._time_passes()
        places = ("pending", "retrying", "leases")
        return not any(self._at.redis.zcard(f"ingest:{place}") for place in places)

    def _looked_at(self) -> list[str]:
        report = check(self._services, grace=600)
        undone = [what for what in report.unfinished if "deliveries" not in what]
        return list(lines_of(self._services, report)) if report.violations or undone else []

    def _records(self) -> dict[str, Job]:
        ids = [member.decode() for member in self._at.redis.zrange("ingest:jobs", 0, -1)]
        return {job.id: job for job in self._services.jobs.get_many(ids) if job is not None}


def walk(
    at: Deployment, *, every: int = 1, seed: int = 1, only: str = "", say: Callable[[str], None] = print
) -> Outcome:
    """Each `every`-th point of each story, from a first one that the seed chooses."""
    outcome, chance = Outcome(), random.Random(f"crash points {seed}")
    ground = Range(at)
    try:
        for name in [*STORIES, PARSER]:
            if only and name != only:
                continue
            points = list(_parser_points() if name == PARSER else ground.points(STORIES[name]))
            for point in points[chance.randrange(min(every, len(points))) :: every]:
                killed, wrong = ground.try_point(point)
                if killed:
                    outcome.points[name] += 1
                    outcome.steps[point.step] += 1
                else:
                    outcome.not_reached.append(point)
                outcome.violations += wrong
            say(f"{name:<26} {outcome.points[name]:>4} points")
    finally:
        ground.close()
    return outcome


def _parser_points() -> Iterator[Point]:
    for number in range(1, PARSER_WRITES + 1):
        yield Point(PARSER, number, BEFORE, "write")
        yield Point(PARSER, number, AFTER, "write")


def lines(outcome: Outcome) -> Iterator[str]:
    yield "steps: " + ", ".join(f"{count} {step}" for step, count in outcome.steps.most_common())
    yield from outcome.violations
    yield (
        f"{sum(outcome.points.values())} points, {len(outcome.not_reached)} not reached, "
        f"{len(outcome.violations)} violations"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.crash_points")
    parser.add_argument("--every", type=int, default=1, help="one point of so many (1)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument("--story", default="", help=f"of {', '.join([*STORIES, PARSER])}; all without one")
    given = parser.parse_args()
    began = time.monotonic()
    quiet()
    with tempfile.TemporaryDirectory() as folder, Deployment(Path(folder) / "installation") as at:
        outcome = walk(at, every=given.every, seed=given.seed, only=given.story)
    print("\n".join(lines(outcome)))
    print(f"seed {given.seed}, {time.monotonic() - began:.0f} s")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
