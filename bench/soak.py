"""The random soak: clients at work while everything is killed, frozen, restarted and cut off, by seed; then nothing may be lost.

`python -m bench soak --kills N --jobs M --seed S [--seconds T] [--bucket]`. Afterwards all is started and drained, the service's own
checker looks at everything, and losses are compared with the diary of faults. Exit status 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.adapters.server_binaries import first_choice
from app.errors import QueueUnavailable
from app.ingestion.check import check, lines_of
from app.ingestion.housekeeping import RESTORE_AFTER
from app.services import VERSION
from bench.report import Say
from bench.soak_diary import LONGEST_PAUSE
from bench.soak_faults import Hail
from bench.soak_load import AWAY, Load
from bench.soak_verdict import Verdict, judge, told
from tests.processes import Deployment
from tests.s3_servers import MinioServer

#: Faults come after jobs, but when nothing is accepted any more they come all the same (seconds).
IMPATIENT_SECONDS = 3.0
#: Nothing may stand still for that long while it is drained (seconds).
STUCK_SECONDS = 120.0
#: What ended by the soak's own hand is tried once more when all is calm, and has to be completed then.
BY_FAULTS = ("poison", "parser_crashed", "storage_unavailable", "storage_full", "job_timeout", "worker_lost")
SETTINGS = {"RETRY_BASE_SECONDS": "0.5", "WORKERS": "3"}


@dataclass(frozen=True)
class Plan:
    kills: int
    jobs: int
    seed: int
    seconds: float = float("inf")
    longest_pause: float = LONGEST_PAUSE
    bucket: bool = False


class Stuck(Exception):
    """Something does not come to its end any more."""


def soak(plan: Plan, folder: Path, say: Say) -> Verdict:
    began = time.monotonic()
    with ExitStack() as stack:
        minio, names = _minio(folder, stack) if plan.bucket else (None, {})
        at = stack.enter_context(Deployment(folder, {**SETTINGS, **names}))
        run = _Run(plan, at, minio)
        try:
            run.under_fire(say)
            say(f"({time.monotonic() - began:.0f} s under fire; draining)")
            verdict = run.afterwards()
        except Stuck as reason:
            verdict = Verdict(violations=[str(reason), *run.state()])
        finally:
            run.end()
    for line in run.summary(time.monotonic() - began):
        say(line)
    return verdict


def _minio(folder: Path, stack: ExitStack) -> tuple[MinioServer, dict[str, str]]:
    """One that runs, and the settings that lead to a bucket of it."""
    try:
        minio = MinioServer(folder / "minio")
    except pytest.skip.Exception as reason:
        raise SystemExit(str(reason)) from reason
    stack.callback(minio.stop)
    return minio, minio.start().environment("soak")


class _Run:
    def __init__(self, plan: Plan, at: Deployment, minio: MinioServer | None) -> None:
        self._plan, self._at = plan, at
        self._load = Load(at.client.port, jobs=plan.jobs, seed=plan.seed)
        self._hail = Hail(at, minio, seed=plan.seed, longest_pause=plan.longest_pause)
        self._chance = random.Random(f"pace {plan.seed}")

    # ---- under fire -------------------------------------------------------------------------------------------

    def under_fire(self, say: Say) -> None:
        """Jobs and kills go in step: neither is over long before the other."""
        self._hail.start()
        self._load.start()
        began = said = time.monotonic()
        last = began
        while not self._is_over(began):
            now = time.monotonic()
            self._hail.turn()
            kills = self._hail.diary.kills
            self._load.allow((kills + 4) * self._plan.jobs // self._plan.kills + 1)
            due = self._load.accepted >= kills * self._plan.jobs // self._plan.kills or now - last > IMPATIENT_SECONDS
            if kills < self._plan.kills and due:
                self._hail.strike()
                last = time.monotonic()
            if now - said > 60:
                said = now
                say(f"{now - began:.0f} s: {self._load.accepted} jobs, {kills} kills, load {os.getloadavg()[0]:.1f}")
            time.sleep(0.01 + 0.1 * self._chance.random())

    def _is_over(self, began: float) -> bool:
        enough = self._hail.diary.kills >= self._plan.kills and self._load.is_sent
        return enough or time.monotonic() - began > self._plan.seconds

    # ---- afterwards -------------------------------------------------------------------------------------------

    def afterwards(self) -> Verdict:
        self._hail.calm()
        self._load.hurry()
        self._until(lambda: self._load.is_sent, "the clients")
        self._drain()
        self._once_more()
        self._drain()
        self._load.finish()
        return judge(self._at.services, self._load.told, self._hail.diary)

    def end(self) -> None:
        self._load.hurry()
        self._hail.stop()
        self._load.finish()

    def _drain(self) -> None:
        """Until nothing waits, is held or is due, and nothing lies there without a record."""
        self._until(self._is_idle, "the jobs")
        self._let_age()
        for _ in range(3 + self._load.accepted // 250):  # a batch looks at 500 of each kind
            self._until(self._batch, "the batch")
        self._until(self._is_idle, "the jobs that were restored")

    def _let_age(self) -> None:
        """What waits for its rule's time has waited; the ages in a bucket can't be set back."""
        self._at.age_files(7_200)
        due = time.monotonic() + (RESTORE_AFTER + 5 if self._plan.bucket else 0)
        self._until(lambda: time.monotonic() >= due, "time to pass")

    def _is_idle(self) -> bool:
        services = self._at.services
        pipe = self._at.redis.pipeline()
        for place in ("pending", "retrying", "leases"):
            pipe.zcard(f"ingest:{place}")
        return not (any(pipe.execute()) or services.line.length())

    def _batch(self) -> bool:
        return self._at.client.batch().status == 200

    def _once_more(self) -> None:
        for job in self._failed_by_faults():
            self._until(
                lambda job_id=job: self._at.client.ask("POST", f"/api/ingest/retry/{job_id}").status in (200, 404),
                f"the retry of {job}",
            )

    def _failed_by_faults(self) -> list[str]:
        found: list[str] = []
        for code in BY_FAULTS:
            found += [member.decode() for member in self._at.redis.zrange(f"ingest:failed:{code}", 0, -1)]
        return found

    def _until(self, look: Callable[[], bool], what: str) -> None:
        give_up, jobs = time.monotonic() + STUCK_SECONDS, -1
        while True:
            with contextlib.suppress(*AWAY, QueueUnavailable):
                if look():
                    return
                ended = self._ended()
                if ended != jobs:  # something moves
                    jobs, give_up = ended, time.monotonic() + STUCK_SECONDS
            if time.monotonic() > give_up:
                raise Stuck(f"waited {STUCK_SECONDS:g} s in vain for {what}")
            self._hail.turn()
            time.sleep(0.05)

    def _ended(self) -> int:
        return sum(self._at.redis.zcard(f"ingest:ended:{status}") for status in ("completed", "failed"))

    def state(self) -> list[str]:
        """Where it stands still, for whoever has to find out why."""
        report = check(self._at.services)
        return list(lines_of(self._at.services, report))

    # ---- what is printed --------------------------------------------------------------------------------------

    def summary(self, seconds: float) -> list[str]:
        diary, known = self._hail.diary, self._load.told
        return [
            f"seed {self._plan.seed}; service {VERSION}, Python {platform.python_version()}, {first_choice()}; "
            f"files in {'a MinIO' if self._plan.bucket else 'a folder'}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
            f"{len(known.accepted)} jobs accepted in {seconds:.0f} s; clients: {told(known.counts)}",
            f"{diary.kills} kills among {sum(diary.counts.values())} faults: {told(diary.counts)}; "
            f"{diary.refused_starts} starts refused without Redis",
        ]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench soak", description="Nothing may be lost, whatever is killed."
    )
    parser.add_argument("--kills", type=int, default=2_000, help="how many SIGKILLs (2000)")
    parser.add_argument("--jobs", type=int, default=50_000, help="how many jobs are accepted (50000)")
    parser.add_argument("--seed", type=int, default=1, help="what all choices come from (1)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="under fire at most (no bound)")
    parser.add_argument(
        "--bucket", action="store_true", help="the files are in a MinIO, which is killed and frozen too"
    )
    parser.add_argument("--where", type=Path, help="folder on the disk to use (the system's temporary one)")
    given = parser.parse_args(arguments)
    plan = Plan(given.kills, given.jobs, given.seed, given.seconds, bucket=given.bucket)
    with tempfile.TemporaryDirectory(prefix="soak-", dir=given.where) as folder:
        verdict = soak(plan, Path(folder) / "installation", lambda text: print(text, flush=True))
        print("\n".join(verdict.lines()), flush=True)
    return 1 if verdict.violations or verdict.false_losses else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
