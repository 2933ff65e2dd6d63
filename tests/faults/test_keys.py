"""An `Idempotency-Key` in its hard cases: whatever happens to a request, one key never makes two jobs."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.adapters.idempotency import digest
from app.adapters.redis_client import PREFIX
from tests.faults.check import check
from tests.faults.explorer.actor import Direct, deterministic, run, services_of
from tests.faults.explorer.casts import upload
from tests.faults.explorer.world import World
from tests.processes import LIVE, Answer, Deployment, children_of, eventually

PARALLEL = 50
BODY = b"Half of it comes first, half of it later."


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with Deployment(Path(tmp_path_factory.mktemp("keys")) / "installation", {"WEB_THREADS": "128"}) as made:
        made.web()
        yield made


@pytest.fixture
def key() -> str:
    """One of its own, so that a test that is asked again begins anew."""
    return secrets.token_hex(8)


def jobs(at: Deployment) -> int:
    count: Any = at.redis.zcard(f"{PREFIX}jobs")
    return int(count)


def is_ready(at: Deployment) -> bool:
    try:
        return at.client.ask("GET", "/readyz").status == 200
    except (ConnectionError, http.client.HTTPException):
        return False


class HalfSent:
    """A request under a key of which half the body has arrived."""

    def __init__(self, at: Deployment, key: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", at.client.port, timeout=60)
        self.connection.putrequest("PUT", "/api/ingest/start/note.txt")
        self.connection.putheader("Content-Length", str(len(BODY)))
        self.connection.putheader("Idempotency-Key", key)
        self.connection.endheaders(BODY[: len(BODY) // 2])
        eventually(lambda: at.redis.exists(f"{PREFIX}idem:{digest(key)}"), what="the key to be held")

    def finish(self) -> None:
        self.connection.send(BODY[len(BODY) // 2 :])

    def cut(self) -> None:
        self.connection.close()

    def __enter__(self) -> HalfSent:
        return self

    def __exit__(self, *failure: object) -> None:
        self.cut()


def accepted(at: Deployment, key: str, body: bytes = BODY) -> str:
    """What a client that tries again while it is told 409 or 503, or is cut off, is given in the end."""

    def send() -> Answer | None:
        try:
            answer = at.client.send(body, key=key)
        except (ConnectionError, http.client.HTTPException):
            return None
        return None if answer.status in (409, 503) else answer

    answer = eventually(send, what="an answer that is one")
    assert answer
    assert answer.status == 202, answer
    return str(answer.document["jobId"])


@pytest.mark.usefixtures("at")
class TestOverHttp:
    pytestmark = LIVE

    def test_row_30_fifty_at_once_make_one_job(self, at: Deployment, key: str) -> None:
        """Guards the hold on the key: without it each of them makes a job."""
        before, answers = jobs(at), []
        gate = threading.Barrier(PARALLEL)

        def send() -> None:
            gate.wait(60)
            answers.append(at.client.send(BODY, key=key))

        threads = [threading.Thread(target=send) for _ in range(PARALLEL)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert len(answers) == PARALLEL
        assert {answer.status for answer in answers} <= {202, 409}
        assert {answer.code for answer in answers if answer.status == 409} <= {"idempotency_running"}
        made = {answer.document["jobId"] for answer in answers if answer.status == 202}
        assert made == {accepted(at, key)}
        assert jobs(at) == before + 1

    def test_a_connection_cut_in_mid_body_makes_no_job_and_frees_its_key(self, at: Deployment, key: str) -> None:
        """Guards the count of the bytes, without which half a file is accepted."""
        before = jobs(at)
        HalfSent(at, key).cut()
        job_id = accepted(at, key)
        assert jobs(at) == before + 1
        assert at.job(job_id).file.size == len(BODY)

    def test_a_202_that_was_never_read_is_given_again(self, at: Deployment, key: str) -> None:
        """Guards the key's entry beside the record: without it the repeat makes a second job."""
        before = jobs(at)
        with HalfSent(at, key) as first:
            first.finish()
        job_id = accepted(at, key)
        assert accepted(at, key) == job_id
        assert jobs(at) == before + 1

    def test_a_repeat_while_the_first_still_sends_waits_and_gets_its_job(self, at: Deployment, key: str) -> None:
        """Guards the hold for as long as bytes arrive."""
        before = jobs(at)
        with HalfSent(at, key) as first:
            assert at.client.send(BODY, key=key).code == "idempotency_running"
            first.finish()
            answer = first.connection.getresponse()
            assert answer.status == 202
            assert accepted(at, key).encode() in answer.read()
        assert jobs(at) == before + 1

    def test_other_bytes_under_a_key_are_refused(self, at: Deployment, key: str) -> None:
        job_id = accepted(at, key)
        refused = at.client.send(b"something else", key=key)
        assert (refused.status, refused.code) == (422, "idempotency_mismatch")
        assert accepted(at, key) == job_id

    def test_row_1_a_web_process_killed_in_mid_body_leaves_the_key_to_the_repeat(
        self, at: Deployment, key: str
    ) -> None:
        """Guards the end of a hold that nobody renews, and the pruning of what was begun; here last, for it kills."""
        before = jobs(at)
        assert at.web_process
        (serving,) = children_of(at.web_process.pid)
        with HalfSent(at, key):
            os.kill(serving, signal.SIGKILL)
            eventually(lambda: serving not in children_of(at.web_process.pid), what="the end of the web process")
        eventually(lambda: is_ready(at), what="the next web process")
        assert at.client.send(BODY, key=key).code == "idempotency_running"
        at.redis.hset(f"{PREFIX}idem:{digest(key)}", "until", "0")  # as if thirty seconds had passed
        accepted(at, key)
        assert jobs(at) == before + 1
        at.worker()
        everything = [member.decode() for member in at.redis.zrange(f"{PREFIX}jobs", 0, -1)]
        for job_id in everything:
            at.client.until(job_id, "completed")
        at.age_files(2 * 86_400)
        assert at.client.batch().status == 200
        check(at, dict.fromkeys(everything, BODY.decode()))


def test_a_key_is_forgotten_a_day_after_its_job_was_accepted() -> None:
    """Guards EXPIRE, over a store whose time is passed in: a minute before it is the same job, a minute after another."""
    world = World()
    player = Direct("u", world, world.empty)
    with deterministic(world):
        services = services_of(player)

        def send() -> object:
            return run(player, lambda it: upload(it, key="a-key").id, services)

        first = send()
        player.step(("advance", 86_400_000 - 60_000))
        assert send() == first
        player.step(("advance", 120_000))
        player.jobs += 1  # ids are random where time is real
        assert send() != first
