"""`./run doctor`: what would be used and why, and what is wrong. Starts no server, changes nothing, disturbs nobody."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator

from app.adapters import embedded
from app.adapters.blob_store import open_store
from app.adapters.job_store import JobStore
from app.adapters.redis_client import process_name, quick_client, translated
from app.adapters.redis_facts import redis_facts
from app.adapters.server_binaries import first_choice
from app.adapters.worker_registry import WorkerRegistry
from app.errors import IngestError, QueueUnavailable
from app.settings import ROOT, Settings
from app.supervision import doctor_machine as machine
from app.supervision.claim import running_at
from app.supervision.doctor_parser import of_parser
from app.supervision.doctor_redis import of_redis
from app.supervision.doctor_storage import of_pair, of_storage
from app.supervision.findings import Finding, Report, Use, advice, fine, wrong


def examine(settings: Settings) -> Report:
    url = settings.redis_address or embedded.find(settings.data_dir)
    parser, of_child = of_parser()
    findings = [
        *_redis_and_files(settings, url),
        *machine.of_address(settings),
        *machine.of_secrets(settings),
        *machine.of_limits(settings),
        *machine.of_packages(ROOT / "requirements.lock"),
        *of_child,
    ]
    return Report([*_uses(settings, url), parser], findings)


def of_wrong_settings(lines: list[str]) -> Report:
    """Nothing else can be looked at."""
    do = "correct it in the environment or in .env; README.md tells what each means"
    return Report([], [wrong("settings", line, why="nothing starts with it", do=do) for line in lines])


# ---- what would be used ----------------------------------------------------------------------------------------


def _uses(settings: Settings, url: str | None) -> Iterator[Use]:
    yield _redis(settings, url)
    if settings.s3:
        yield Use("files", f"the bucket {settings.s3.bucket} at {settings.s3.endpoint}", "S3_ENDPOINT is set")
    else:
        yield Use("files", f"the folder {settings.data_dir / 'blobs'}", "no S3_ENDPOINT is set")
    yield Use("web", f"{settings.host}:{settings.port}, {settings.web_threads} threads", "HOST, PORT, WEB_THREADS")
    why = "WORKERS" if "workers" in settings.model_fields_set else "one for each core"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Use("workers", f"{settings.workers} on {cores} cores", why)
    yield Use("python", f"{platform.python_version()} at {sys.executable}", "the one that this was started with")
    running = running_at(settings.data_dir)
    yield Use("running", running or "nothing on this data folder", "the lock in DATA_DIR")


def _redis(settings: Settings, url: str | None) -> Use:
    if settings.redis_url:
        return Use("redis", settings.redis_url.partition("?")[0].rpartition("@")[2], "REDIS_URL is set")
    if url:
        return Use("redis", "the embedded server that runs on DATA_DIR", "REDIS_URL is not set, and this one runs")
    found = first_choice()
    if found is None:
        return Use("redis", "none", "REDIS_URL is not set, and no server was found")
    return Use("redis", f"an embedded server, {found}", "REDIS_URL is not set, and this is the first that was found")


# ---- what is wrong ---------------------------------------------------------------------------------------------


def _redis_and_files(settings: Settings, url: str | None) -> Iterator[Finding]:
    blobs = open_store(settings, hurried=True)  # a person waits
    yield from of_storage(blobs, settings)
    if url is None:
        yield from _of_no_redis()
        return
    name = process_name("doctor")
    try:
        with translated():
            client = quick_client(url, name)
        with client:
            yield from of_redis(redis_facts(client, name), url)
            yield from _alive(WorkerRegistry(client), settings)
            jobs = JobStore(client)
            yield from of_pair(
                stored=blobs.installation(),
                noted=jobs.installation(),
                files_empty=blobs.is_empty(),
                jobs_empty=jobs.is_empty(),
            )
    except QueueUnavailable as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        why, do = "uploads are refused and jobs wait", "start it, or correct REDIS_URL"
        yield wrong("redis", f"it does not answer{cause}", why=why, do=do)
    except IngestError:
        return  # of the storage, which was told above


def _of_no_redis() -> Iterator[Finding]:
    if first_choice() is None:
        first, *rest = embedded.INSTALL.splitlines()
        yield wrong("redis", first, why="jobs are kept there", do=" ".join(rest))
    else:
        yield fine("redis", "the embedded server is not running; ./run starts it")


def _alive(workers: WorkerRegistry, settings: Settings) -> Iterator[Finding]:
    """Beside a running service."""
    if not running_at(settings.data_dir) and not settings.redis_url:
        return
    alive = workers.alive()
    if alive:
        yield fine("workers", f"{len(alive)} are alive")
    else:
        why, do = "jobs wait, but for the few of each minute's batch", "start ./run, or python worker.py"
        yield advice("workers", "none is alive", why=why, do=do)
