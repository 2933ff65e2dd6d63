"""Redis is killed, frozen or wiped: nothing that was accepted is lost, and nobody is blamed for it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.adapters.idempotency import digest
from app.adapters.redis_client import PREFIX
from app.domain.job import JobStatus
from app.ingestion.rescue import CALM_MS, MISSED_MS
from app.settings import ROOT
from tests.faults.check import check
from tests.processes import LIVE, Answer, Deployment, eventually

pytestmark = LIVE

#: How long Redis stays away where its length is what matters; the long form is `OUTAGE_SECONDS=60`.
OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "5"))
ROUNDS, SENDERS, PER_ROUND = 3, 3, 15
KEY = "the-very-same"
TEXT = "Half of it came before, half of it after."
HALVES = f"<!doctype html><!-- {'much ' * 400_000}--><p>{TEXT}</p>".encode()


# ---- row 14 ---------------------------------------------------------------------------------------------------------


class Load:
    """Clients that send small files without a pause; what was accepted, and what was refused in the meantime."""

    def __init__(self, at: Deployment) -> None:
        self._at = at
        self._stop = threading.Event()
        self.accepted: dict[str, str] = {}
        self.refused: list[Answer] = []
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]

    def _send(self, number: int) -> None:
        for count in range(sys.maxsize):
            if self._stop.is_set():
                return
            text = f"sender {number} file {count}"
            answer = self._at.client.send(text.encode())
            if answer.status == 202:
                self.accepted[answer.document["jobId"]] = text
            else:
                self.refused.append(answer)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def test_row_14_no_accepted_job_is_lost_when_redis_is_killed_under_load(deploy: Callable[..., Deployment]) -> None:
    """Guards the order bytes, record, 202: with the answer before the record some of these jobs are never heard of
    again; and a worker's patience: one that does not catch each way in which Redis can be away is gone afterwards."""
    at = deploy()
    at.web()
    workers = [at.worker(), at.worker()]
    with Load(at) as load:
        for _ in range(ROUNDS):
            enough = len(load.accepted) + PER_ROUND
            eventually(lambda enough=enough: len(load.accepted) >= enough, what="uploads that are accepted")
            at.kill_server()
            refused = len(load.refused)
            eventually(lambda refused=refused: len(load.refused) > refused, what="an upload that is refused")
            at.server.start()
    assert {(answer.status, answer.code) for answer in load.refused} == {(503, "queue_unavailable")}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in load.refused)
    eventually(lambda: at.client.ask("GET", "/readyz").status == 200, what="the service to be ready")
    at.age_files(120)
    assert at.client.batch().status == 200  # brings back what the last second of Redis's log did not hold
    for job_id in load.accepted:
        assert at.client.until(job_id)["status"] == "completed"
        assert at.job(job_id).losses == 0
    assert all(worker.is_alive for worker in workers)
    everything = {member.decode() for member in at.redis.zrange(f"{PREFIX}jobs", 0, -1)}
    for job_id in everything - load.accepted.keys():  # those whose 202 could not be sent run too
        assert at.client.until(job_id)["status"] == "completed"
    check(at, load.accepted)


def test_row_14_a_worker_that_comes_back_after_redis_keeps_its_job(deploy: Callable[..., Deployment]) -> None:
    """Guards the note of an outage: without it a worker is taken for dead that is two seconds slower than Redis, also
    by a process that never saw Redis away."""
    at = deploy()
    at.web()
    holder, child = at.warm_worker()
    os.kill(child, signal.SIGSTOP)
    job_id = at.client.upload(b"kept in hand")
    at.client.until(job_id, "processing")
    holder.send(signal.SIGSTOP)
    at.kill_server()
    at.server.start()
    other = at.worker()
    at.sweeps_on(CALM_MS + MISSED_MS + 2_000)
    assert at.job(job_id).status is JobStatus.PROCESSING
    holder.send(signal.SIGCONT)
    os.kill(child, signal.SIGCONT)
    assert at.client.until(job_id)["status"] == "completed"
    assert [attempt.outcome for attempt in at.job(job_id).history] == ["completed"]
    assert holder.is_alive
    assert other.is_alive


# ---- row 15 ---------------------------------------------------------------------------------------------------------


def test_row_15_what_ends_while_redis_is_away_is_committed_when_it_is_back(deploy: Callable[..., Deployment]) -> None:
    """Guards the patience of who ends a job, and of worker, scheduler and web: without it the work of all is lost, or
    somebody has to start them again. In turn Redis is killed and frozen."""
    at = deploy()
    at.web()
    worker, child = at.warm_worker()
    scheduler = at.scheduler()
    texts = {member.decode(): "to warm up" for member in at.redis.zrange(f"{PREFIX}jobs", 0, -1)}
    for outage in (away, frozen):
        os.kill(child, signal.SIGSTOP)
        job_id = at.client.upload(b"ends meanwhile")
        at.client.until(job_id, "processing")
        with outage(at):
            back = time.monotonic() + OUTAGE_SECONDS
            os.kill(child, signal.SIGCONT)
            eventually(lambda job_id=job_id: at.services.blobs.results_of(job_id), what="the result")
            eventually(lambda back=back: time.monotonic() > back, seconds=2 * OUTAGE_SECONDS + 60, what="the end")
        at.waits_for(lambda job: job.status is JobStatus.COMPLETED, job_id)
        assert [attempt.outcome for attempt in at.job(job_id).history] == ["completed"]
        eventually(lambda: at.client.ask("GET", "/readyz").status == 200, what="the service to be ready")
        texts[job_id] = "ends meanwhile"
    later = at.client.upload(b"later")
    assert at.client.until(later)["status"] == "completed"
    assert all(process.is_alive for process in (worker, scheduler))
    check(at, {**texts, later: "later"})


# ---- row 16 ---------------------------------------------------------------------------------------------------------


class HalfSent:
    """An upload of which the first half has arrived."""

    def __init__(self, at: Deployment, data: bytes) -> None:
        half = len(data) // 2
        self._rest = data[half:]
        self._connection = http.client.HTTPConnection("127.0.0.1", at.client.port, timeout=30)
        self._connection.putrequest("PUT", "/api/ingest/start/note.html")
        self._connection.putheader("Content-Length", str(len(data)))
        self._connection.putheader("Idempotency-Key", KEY)
        self._connection.endheaders(data[:half])
        partial = at.data_dir / "blobs" / "partial"
        eventually(lambda: any(size_of(path) for path in listed(partial)), what="the beginning of an upload")

    def finish(self) -> Answer:
        self._connection.send(self._rest)
        response = self._connection.getresponse()
        answer = Answer(response.status, dict(response.getheaders()), response.read())
        self._connection.close()
        return answer


def listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def away(at: Deployment) -> Iterator[None]:
    at.kill_server()
    yield
    at.server.start()


@contextlib.contextmanager
def frozen(at: Deployment) -> Iterator[None]:
    assert at.server.pid
    os.kill(at.server.pid, signal.SIGSTOP)
    yield
    os.kill(at.server.pid, signal.SIGCONT)


@pytest.mark.parametrize("outage", [away, frozen])
def test_row_16_an_upload_that_loses_redis_half_way_is_restored(
    deploy: Callable[..., Deployment], outage: Callable[[Deployment], contextlib.AbstractContextManager[None]]
) -> None:
    """Guards the bytes being stored without asking Redis for anything: where that is asked first, its absence throws
    them away; and the short timeouts: with the default ones the client waits for a minute."""
    at = deploy()
    at.web()
    upload = HalfSent(at, HALVES)
    at.sweeps_on(1_500)  # longer than a time that was asked for is good for
    with outage(at):
        answer = upload.finish()
        assert (answer.status, answer.code) == (503, "queue_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        again = at.client.send(b"at the door", seconds=10)
        assert (again.status, again.code) == (503, "queue_unavailable")
    texts = stored_texts(at)
    at.worker()
    at.age_files(120)
    eventually(lambda: at.client.batch().status == 200, what="a batch")
    for job_id in texts:
        assert at.client.until(job_id)["status"] == "completed"
    again = eventually_accepted(at)
    assert texts[again] == TEXT
    check(at, texts)


def stored_texts(at: Deployment) -> dict[str, str]:
    """What was stored, though its sender was told 503: the one file, and maybe the other that was small enough."""
    stored = [at.services.blobs.manifest(upload.job_id) for upload in at.services.blobs.list_uploads()]
    texts = {manifest.job_id: TEXT if manifest.idempotency_key else "at the door" for manifest in stored if manifest}
    assert TEXT in texts.values()
    return texts


def eventually_accepted(at: Deployment) -> str:
    """The job that a repeat under the same key is given, as soon as the service takes uploads again."""
    answer = eventually(
        lambda: answer if (answer := at.client.send(HALVES, "note.html", key=KEY)).status != 503 else None,
        what="the service to take uploads",
    )
    assert answer
    assert answer.status == 202, answer
    return str(answer.document["jobId"])


def test_row_16_the_repeat_comes_before_the_restore(deploy: Callable[..., Deployment]) -> None:
    """Guards the key's entry, which Redis kept in its log: without it the repeat makes a second job."""
    at = deploy()
    at.web()
    upload = HalfSent(at, HALVES)
    with away(at):
        assert upload.finish().status == 503
    ((job_id, text),) = stored_texts(at).items()
    at.redis.hset(f"{PREFIX}idem:{digest(KEY)}", "until", "0")  # as if thirty seconds had passed
    assert eventually_accepted(at) == job_id
    at.worker()
    at.client.until(job_id, "completed")
    check(at, {job_id: text})


# ---- row 18 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [None, "0123456789abcdef0123456789abcdef"])
def test_row_18_a_redis_that_was_wiped_or_is_another_one_costs_nothing(
    deploy: Callable[..., Deployment], other: str | None
) -> None:
    """Guards the id that Redis and the folder share: without it the batch takes the files for leftovers of nobody,
    uploads go into the wrong Redis, and clients are told that their jobs are not there."""
    at = deploy()
    at.web()
    worker, child = at.warm_worker()
    texts = {member.decode(): "to warm up" for member in at.redis.zrange(f"{PREFIX}jobs", 0, -1)}
    os.kill(child, signal.SIGSTOP)
    for text in ("one", "two", "three"):
        texts[at.client.upload(text.encode(), key=f"key-{text}")] = text
    eventually(lambda: at.services.jobs.leases(), what="a job that is being read")

    at.redis.flushall()
    if other:
        at.services.jobs.set_installation(other)
    eventually(lambda: at.client.ask("GET", "/readyz").status == 503, what="/readyz to see it")
    assert b"./run rebuild" in at.client.ask("GET", "/readyz").body
    refused = at.client.send(b"for whom?")
    assert (refused.status, refused.code) == (503, "queue_unavailable")
    for stored in at.services.blobs.list_uploads():  # it may have come so far as to be stored
        texts.setdefault(stored.job_id, "for whom?")
    for job_id in texts:  # who is told that a job is not there gives up
        assert at.client.ask("GET", f"/api/ingest/status/{job_id}").status == 503
    eventually(lambda: len(results(at)) == 1, what="the end of the job that was being read")
    at.age_files(3 * 86_400)
    assert at.client.batch().status == 503
    assert {upload.job_id for upload in at.services.blobs.list_uploads()} == texts.keys()
    assert len(results(at)) == 1

    assert f"; {len(texts)} jobs wait again." in rebuild(at)
    eventually(lambda: at.client.ask("GET", "/readyz").status == 200, what="/readyz to see it")
    for job_id in texts:
        assert at.client.until(job_id)["status"] == "completed"
    assert worker.is_alive
    assert at.client.upload(b"two", key="key-two") in texts
    assert at.client.batch().status == 200  # which prunes the result of the claim that went with the data
    check(at, texts)


def test_row_18_a_rebuild_that_is_killed_is_called_again_and_lists_what_was_finished(
    deploy: Callable[..., Deployment],
) -> None:
    """Guards the rebuild's last step, which alone lets the batch prune, and the facts that a result carries."""
    at = deploy()
    at.web()
    at.warm_worker()
    texts = {at.client.upload(text.encode(), key=text): text for text in ("one", "two", "three")}
    before = {job_id: at.client.until(job_id) for job_id in texts}
    texts |= {member.decode(): "to warm up" for member in at.redis.zrange(f"{PREFIX}jobs", 0, -1)} | texts
    for job_id in texts:
        at.services.blobs.delete_upload(job_id)  # as the sweep does a minute later
    at.age_files(3 * 86_400)
    at.redis.flushall()

    killed = at.start("-m", "app", "rebuild", crash={"when": "after", "step": "add"})
    assert killed.wait() == -signal.SIGKILL
    assert at.client.batch().status == 503
    assert len(results(at)) == len(texts)

    assert "; 0 jobs wait again.\n" in rebuild(at)
    eventually(lambda: at.client.ask("GET", "/readyz").status == 200, what="/readyz to see it")
    for job_id, document in before.items():
        again = at.client.status(job_id)  # its end as the result notes it, a moment before the record did
        assert [again[part] for part in ("file", "result", "progress")] == [
            document[part] for part in ("file", "result", "progress")
        ]
        assert again["timestamps"]["createdAt"] == document["timestamps"]["createdAt"]
        assert at.client.text(job_id) == texts[job_id]
    assert at.client.upload(b"two", key="two") in texts
    assert at.client.batch().status == 200
    check(at, texts)


def results(at: Deployment) -> list[str]:
    return [result.token for result in at.services.blobs.list_results()]


def rebuild(at: Deployment) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "app", "rebuild"],
        cwd=ROOT,
        env=at.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout
