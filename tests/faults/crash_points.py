"""Kills a process of ours before and after each of its steps to the outside, story by story, and looks what comes of it.

usage: python -m tests.faults.crash_points [--bucket] [--every K] [--seed S] [--story NAME]

The steps of a story are those of a dry run. After each kill the client asks again, a healthy process drains what is left
(sweep, jobs, one batch), and the checker looks at everything. Time is not waited for: leases, holds and ages are set back.
Redis stays, and with `--bucket` a MinIO that holds the files; the killed process is a fork of one that has imported everything, with connections of its own.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.job import PRIORITIES, Job, Priority
from app.errors import RequestRefused
from app.ingestion.batch import run_batch
from app.ingestion.check import check, lines_of
from app.ingestion.process import process_next
from app.ingestion.rescue import Sweep
from tests.faults import crash_stories
from tests.faults.crash_bucket import clear, client_of, unfinished
from tests.faults.crash_steps import AFTER, BEFORE
from tests.faults.crash_stories import IN_PARTS, STORIES, Story, connected, parser_that_dies, quiet, waiting
from tests.processes import Deployment
from tests.s3_servers import running_minio

PARSER = "parser child"
NAMES = [*STORIES, *IN_PARTS, PARSER]
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
        self._names = {"DATA_DIR": str(at.data_dir), "REDIS_URL": at.url, **at.settings}
        self._services = connected(self._names, role="test")
        self._installation = self._services.binding()
        self._fork = multiprocessing.get_context("forkserver")
        self._fork.set_forkserver_preload([crash_stories.__name__])
        self._note = at.folder / "steps"

    @property
    def stories(self) -> dict[str, Story]:
        return {**STORIES, **IN_PARTS} if client_of(self._services) else STORIES

    def close(self) -> None:
        self._services.parser.close()
        self._services.close()

    def points(self, story: Story) -> Iterator[Point]:
        for _ in range(2):  # the first of all sends scripts whole
            self._clear()
            self._break_off(story, 0, BEFORE, story.prepare(self._services))
        for number, step in enumerate(json.loads(self._note.read_text()), 1):
            if story.only in step:
                yield Point(story.name, number, BEFORE, step)
                yield Point(story.name, number, AFTER, step)

    def try_point(self, point: Point) -> tuple[bool, list[str]]:
        """Was it killed there, and what is wrong afterwards?"""
        self._clear()
        if point.story == PARSER:
            return self._try_parser(point)
        story = self.stories[point.story]
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
            args=(story.name, self._names),
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
        clear(self._services)
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
        self._services.notes.outlook()
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
        wrong = list(lines_of(self._services, report)) if report.violations or undone else []
        return [*wrong, *unfinished(self._services)]

    def _records(self) -> dict[str, Job]:
        ids = [member.decode() for member in self._at.redis.zrange("ingest:jobs", 0, -1)]
        return {job.id: job for job in self._services.jobs.get_many(ids) if job is not None}


@dataclass(frozen=True)
class Choice:
    """Each `every`-th point of each story, from a first one that the seed chooses; `stories`: of these alone; `step`: of
    those steps alone whose name has it."""

    every: int = 1
    seed: int = 1
    stories: Sequence[str] = ()
    step: str = ""


def walk(at: Deployment, choice: Choice, *, say: Callable[[str], None] = print) -> Outcome:
    outcome, chance = Outcome(), random.Random(f"crash points {choice.seed}")
    ground = Range(at)
    try:
        for name in [*ground.stories, PARSER]:
            if choice.stories and name not in choice.stories:
                continue
            found = _parser_points() if name == PARSER else ground.points(ground.stories[name])
            points = [point for point in found if choice.step in point.step]
            for point in points[chance.randrange(max(1, min(choice.every, len(points)))) :: choice.every]:
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
    parser.add_argument("--bucket", action="store_true", help="the files are in a MinIO")
    parser.add_argument("--every", type=int, default=1, help="one point of so many (1)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument("--story", action="append", default=[], help=f"of {', '.join(NAMES)}; all without one")
    parser.add_argument("--step", default="", help="only steps whose name has this, as S3")
    given = parser.parse_args()
    began = time.monotonic()
    quiet()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        names = stack.enter_context(running_minio(folder / "minio")).environment("crash") if given.bucket else {}
        at = stack.enter_context(Deployment(folder / "installation", names))
        outcome = walk(at, Choice(given.every, given.seed, given.story, given.step))
    print("\n".join(lines(outcome)))
    print(f"seed {given.seed}, {time.monotonic() - began:.0f} s")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
