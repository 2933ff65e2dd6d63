"""A disk is full, that of the files or that of Redis's log: what does not fit is refused in time, and no process ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.check import check
from tests.faults.test_redis_full import ids_of, is_refused
from tests.processes import LIVE, Deployment, eventually
from tests.samples.make_samples import pdf

MOUNT = ["mount", "-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs"]
KIB = 1024


def mounts() -> bool:
    """Whether this process may mount a disk of its own: root outside of a container may."""
    tried = ["unshare", "--mount", *MOUNT, "/mnt"]  # gone with the process that mounted it
    return os.geteuid() == 0 and subprocess.run(tried, capture_output=True).returncode == 0


pytestmark = [*LIVE, pytest.mark.skipif(not mounts(), reason="only root may mount a small disk")]


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    place.mkdir(parents=True)
    subprocess.run([*MOUNT, str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextlib.contextmanager
def filled(disk: Path, *, but: int = 0) -> Iterator[None]:
    """Not a byte is left on it, or so many."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4 * KIB))
    os.truncate(filler, max(0, filler.stat().st_size - but))
    yield
    filler.unlink()


def test_row_17_the_disk_of_the_log_of_redis_is_full(tmp_path: Path) -> None:
    """Guards the worker's patience with whatever Redis answers: RQ's loop ends on the error that a full disk brings."""
    with small_disk(tmp_path / "installation" / "data" / "redis") as disk, Deployment(tmp_path / "installation") as at:
        at.web()
        worker, child = at.warm_worker()
        (done,) = ids_of(at)
        os.kill(child, signal.SIGSTOP)
        running = at.client.upload(b"runs")
        at.client.until(running, "processing")
        idle = at.worker("low")  # nothing comes its way
        with filled(disk):
            eventually(lambda: is_refused_for(at, "no room"), what="Redis to notice")
            assert is_refused(at.client.send(b"new"))
            assert at.client.text(done) == "to warm up"
            os.kill(child, signal.SIGCONT)
            eventually(lambda: at.services.blobs.results_of(running), what="the result of the job that ran")
            assert at.client.status(running)["status"] == "processing"
            eventually(lambda: refused_pops(at), what="a worker that is refused a delivery")
        assert at.client.until(running)["status"] == "completed"
        assert at.job(running).losses == 0
        later = eventually(lambda: accepted(at, b"later"), what="an upload that is accepted")
        at.client.until(later, "completed")
        at.age_files(120)
        eventually(lambda: at.client.batch().status == 200, what="a batch")
        for job_id in ids_of(at):
            at.client.until(job_id, "completed")
        assert worker.is_alive
        assert idle.is_alive
        check(at, {done: "to warm up", running: "runs", later: "later"})


def is_refused_for(at: Deployment, text: str) -> bool:
    return at.client.send(text.encode()).status == 503


def refused_pops(at: Deployment) -> int:
    told = at.redis.info("commandstats")["cmdstat_blpop"]
    return int(told["rejected_calls"]) + int(told["failed_calls"])


def accepted(at: Deployment, data: bytes) -> str | None:
    answer = at.client.send(data)
    return str(answer.document["jobId"]) if answer.status == 202 else None


def test_row_23_the_disk_of_the_files_is_full(tmp_path: Path) -> None:
    """Guards the look at the room before the body, the removal of what was half written, and that a result without room
    is a failure that passes."""
    with small_disk(tmp_path / "installation" / "data" / "blobs") as disk, Deployment(tmp_path / "installation") as at:
        at.web()
        worker, child = at.warm_worker()
        (done,) = ids_of(at)
        os.kill(child, signal.SIGSTOP)
        running = at.client.upload(pdf(*("word " * 40 for _ in range(60))), "long.pdf")
        at.client.until(running, "processing")
        with filled(disk):
            refused = at.client.send(b"large " * (KIB * KIB), "large.txt")
            assert (refused.status, refused.code) == (503, "storage_full")
            refused = at.client.send(b"small", "small.txt")
            assert (refused.status, refused.code) == (503, "storage_full")
            assert list((disk / "partial").iterdir()) == []
            assert ids_of(at) == [done, running]
            assert at.client.text(done) == "to warm up"
            os.kill(child, signal.SIGCONT)
            waits = at.client.until(running, "retrying")
            assert waits["error"]["code"] == "storage_full"
            assert at.services.blobs.results_of(running) == []
        assert at.client.ask("POST", f"/api/ingest/retry/{running}").status == 200
        later = at.client.upload(b"later")
        for job_id in (running, later):
            at.client.until(job_id, "completed")
        assert worker.is_alive
        check(at, {done: "to warm up", running: at.client.text(running), later: "later"})
