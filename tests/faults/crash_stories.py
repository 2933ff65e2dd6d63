"""The stories that are broken off at each of their steps: what has to be there before, and what the killed process does.

`prepare` and `repeat` run in the healthy process, `act` in the one that is killed, over services of its own.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from app import create_app
from app.adapters.minute_schedule import MinuteSchedule
from app.adapters.parser_process import ParserProcess
from app.adapters.redis_client import patient_client
from app.adapters.rq_worker import IngestWorker
from app.domain.job import PRIORITIES, Job, JobStatus, Priority
from app.ingestion.batch import run_batch
from app.ingestion.process import process_next
from app.ingestion.rescue import Sweep
from app.services import Services, connect
from app.settings import Settings, read_settings
from app.tasks import WorkerHost
from tests import jobs_in_states as jobs
from tests.faults import crash_bucket
from tests.faults.crash_steps import Steps, arm
from tests.processes import SECRETS

TEXT, KEY = "words", "a-key-of-crash-points"
LONG_TEXT = "some words " * (crash_bucket.PART_BYTES // 10)
LONG_AGO = 1_000_000_000_000
ADMIN = {"Authorization": f"Bearer {SECRETS['ADMIN_TOKEN']}"}
CRASHING_PARSER = Path(__file__).with_name("crashing_parser.py")


def settings_at(names: Mapping[str, str]) -> Settings:
    """`names` are settings as in an environment: where Redis, the folder and the bucket are."""
    given: dict[str, Any] = {name.lower(): value for name, value in {**SECRETS, **names}.items()}
    return read_settings(env_file=None, min_free_bytes=0, log_level="error", **given)


def connected(names: Mapping[str, str], *, role: str) -> Services:
    services = connect(settings_at(names), role=role)
    crash_bucket.fit(services)
    return services


def quiet() -> None:
    """Thousands of jobs end here, and nobody wants to read of each."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


# ---- what the killed process does -----------------------------------------------------------------------------------


def ask(services: Services, method: str, path: str, **options: Any) -> Any:
    return create_app(services=services).test_client().open(path, method=method, **options)


def upload(services: Services, _: str, *, text: str = TEXT) -> Any:
    path = "/api/ingest/start/a.txt?priority=high"
    return ask(services, "PUT", path, data=text.encode(), headers={"Idempotency-Key": KEY})


def upload_in_parts(services: Services, job_id: str) -> Any:
    return upload(services, job_id, text=LONG_TEXT)


def cancel(services: Services, job_id: str) -> Any:
    return ask(services, "POST", f"/api/ingest/cancel/{job_id}")


def retry(services: Services, job_id: str) -> Any:
    return ask(services, "POST", f"/api/ingest/retry/{job_id}")


def delete(services: Services, job_id: str) -> Any:
    return ask(services, "DELETE", f"/api/ingest/jobs/{job_id}")


def cleanup(services: Services, _: str) -> Any:
    return ask(services, "POST", "/api/admin/queue", json={"action": "cleanup", "daysOld": 7}, headers=ADMIN)


def work(services: Services, _: str) -> None:
    host = WorkerHost(services, list(PRIORITIES))
    IngestWorker(host, patient_client(services.url or "", services.name), PRIORITIES).work(
        burst=True, logging_level="ERROR"
    )


def sweep(services: Services, _: str) -> None:
    Sweep(services).run()


def batch(services: Services, _: str) -> None:
    run_batch(services)


def schedule(services: Services, _: str) -> None:
    MinuteSchedule(services.redis, name=services.name).run(burst=True)


# ---- what is there before -------------------------------------------------------------------------------------------


def nothing(_: Services) -> str:
    return ""


def waiting(services: Services) -> str:
    job = jobs.pending(services, with_bytes=True)
    services.queues.deliver(job)
    return job.id


def waiting_in_parts(services: Services) -> str:
    return str(upload_in_parts(services, "").json["jobId"])


def held(services: Services) -> str:
    return str(jobs.processing(services, with_bytes=True, holder="worker.gone.1.dead").id)


def completed(services: Services) -> str:
    job_id = waiting(services)
    process_next(services, Priority.MEDIUM)
    return job_id


def failed(services: Services) -> str:
    return str(jobs.failed(services, with_bytes=True, code="parser_crashed").id)


def old(services: Services) -> str:
    """A finished and a failed job that are old enough to go, and one that waits."""
    done, broken, _ = completed(services), failed(services), waiting(services)
    for status, job_id in ((JobStatus.COMPLETED, done), (JobStatus.FAILED, broken)):
        services.redis.zadd(f"ingest:ended:{status.value}", {job_id: LONG_AGO})
    return done


def everything(services: Services) -> str:
    """Something for each duty of the sweep: a dead holder, a due retry, a lost delivery, an upload that is spent."""
    spent = completed(services)
    services.redis.zadd("ingest:spent", {spent: LONG_AGO})
    lost = held(services)
    services.redis.zadd("ingest:leases", {lost: 1})
    due = jobs.retrying(services, with_bytes=True, priority=Priority.LOW)
    services.jobs.replace(due, due.retried(now=services.jobs.now()))
    jobs.pending(services, with_bytes=True, priority=Priority.URGENT)
    services.notes.outlook()
    services.redis.hset("ingest:sweep", "back", "0")  # or the claim would be one from before an outage
    return spent


def due(services: Services) -> str:
    schedule_ = MinuteSchedule(services.redis, name="before")
    schedule_.ensure()
    services.redis.zadd(
        schedule_.scheduled_jobs_key, dict.fromkeys(services.redis.zrange(schedule_.scheduled_jobs_key, 0, -1), 1)
    )
    return ""


def a_busy_minute(services: Services) -> str:
    """A job that waits, one whose web process died before its record, one that was deleted and left its bytes."""
    job_id = waiting(services)
    buried = jobs.pending(services, with_bytes=True, priority=Priority.LOW)
    services.jobs.bury(buried.id)
    unknown = jobs.pending(services, with_bytes=True, priority=Priority.HIGH)
    services.jobs.bury(unknown.id)
    services.redis.zrem("ingest:tombs", unknown.id)
    crash_bucket.begun(services, unknown.id)
    for path in (services.settings.data_dir / "blobs").glob("uploads/*"):
        os.utime(path, (LONG_AGO / 1000, LONG_AGO / 1000))
    return job_id


# ---- what has to come of it -----------------------------------------------------------------------------------------


def all_completed(found: Mapping[str, Job], _: str) -> bool:
    return bool(found) and all(job.status is JobStatus.COMPLETED for job in found.values())


def one_completed(found: Mapping[str, Job], job_id: str) -> bool:
    return len(found) == 1 and all_completed(found, job_id)


def is_cancelled(found: Mapping[str, Job], job_id: str) -> bool:
    return found[job_id].is_cancelled


def is_gone(found: Mapping[str, Job], job_id: str) -> bool:
    return not found


def ran_again(found: Mapping[str, Job], job_id: str) -> bool:
    return one_completed(found, job_id) and found[job_id].run == 2


def anything(found: Mapping[str, Job], job_id: str) -> bool:
    return True


@dataclass(frozen=True)
class Story:
    """`role` is what the killed process is; `repeated`: its client asks again, as it had no answer; `only`: steps of other
    names are left out."""

    name: str
    role: str
    prepare: Callable[[Services], str]
    act: Callable[[Services, str], Any]
    comes_to: Callable[[Mapping[str, Job], str], bool]
    repeated: bool = False
    only: str = ""


STORIES = {
    story.name: story
    for story in (
        Story("upload", "web", nothing, upload, one_completed, repeated=True),
        Story("cancel of a waiting job", "web", waiting, cancel, is_cancelled, repeated=True),
        Story("cancel of a running job", "web", held, cancel, is_cancelled, repeated=True),
        Story("delete of a running job", "web", held, delete, is_gone, repeated=True),
        Story("delete of a finished job", "web", completed, delete, is_gone, repeated=True),
        Story("retry", "web", failed, retry, ran_again, repeated=True),
        Story("cleanup", "web", old, cleanup, one_completed, repeated=True),
        Story("worker", "worker", waiting, work, one_completed),
        Story("sweep", "scheduler", everything, sweep, all_completed),
        Story("batch", "web", a_busy_minute, batch, all_completed),
        Story("scheduler", "scheduler", due, schedule, anything),
    )
}


#: Those that only a bucket has: a file that is large goes up in parts, and all other steps are those of a short one.
IN_PARTS = {
    story.name: story
    for story in (
        Story("upload in parts", "web", nothing, upload_in_parts, one_completed, repeated=True, only="S3"),
        Story("worker, in parts", "worker", waiting_in_parts, work, one_completed, only="S3"),
    )
}


def run(name: str, names: Mapping[str, str], *, job_id: str, steps: tuple[int, str], note: str) -> None:
    """In the process that is to be killed. It ends well only if it has fewer steps; then they are noted."""
    quiet()
    story = {**STORIES, **IN_PARTS}[name]
    services = connected(names, role=story.role)
    counted = Steps(*steps)
    arm(counted)
    story.act(services, job_id)
    counted.number = 0
    names = list(counted.met)
    services.parser.close()
    Path(note).write_text(json.dumps(names))


def parser_that_dies(step: int, when: str, note: Path) -> ParserProcess:
    """Its first child is killed at that write into its pipe."""
    plan = json.dumps({"number": step, "when": when, "note": str(note)})
    return ParserProcess(command=[sys.executable, "-I", str(CRASHING_PARSER)], extra_env={"CRASH": plan})
