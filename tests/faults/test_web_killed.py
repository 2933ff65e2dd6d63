"""The web process is killed in the middle of an upload: what was stored is restored, and a key never makes two jobs."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.adapters.idempotency import digest
from app.adapters.redis_client import PREFIX
from tests.faults.check import check
from tests.processes import LIVE, Deployment, eventually

pytestmark = LIVE

KEY = "the-very-same"
DATA, TEXT = b"kept all the same", "kept all the same"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A web server for the tests that do it no harm."""
    with Deployment(Path(tmp_path_factory.mktemp("served")), {"WEB_THREADS": "512"}) as made:
        made.web()
        yield made


@pytest.fixture
def cut_short(deploy: Callable[..., Deployment]) -> Deployment:
    """An upload was stored, and then the web process died before it wrote the record; another one serves again."""
    at = deploy()
    at.web(crash={"when": "before", "step": "add"})
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        at.client.send(DATA, key=KEY)
    eventually(lambda: at.client.ask("GET", "/readyz").status == 200, what="the next web process")
    assert at.services.jobs.is_empty()
    (stored,) = at.services.blobs.list_uploads()
    assert at.services.blobs.manifest(stored.job_id)
    return at


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_row_27_a_client_that_leaves_in_the_middle_leaves_nothing(served: Deployment, share: float) -> None:
    """Guards the count of what came and the removal of what is unfinished: without them half a file becomes a job."""
    data = b"half a file " * 100_000
    with socket.create_connection(("127.0.0.1", served.client.port)) as client:
        head = f"PUT /api/ingest/start/note.txt HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
        client.sendall(head.encode() + data[: int(len(data) * share)])
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()
    assert b" 400 " in answer.splitlines()[0]
    partial = served.data_dir / "blobs" / "partial"
    eventually(lambda: not list(partial.glob("*")), what="the unfinished file to go")
    assert served.services.jobs.is_empty()
    assert list(served.services.blobs.list_uploads()) == []


def test_row_28_two_hundred_silent_clients_keep_nobody_from_being_served(served: Deployment) -> None:
    """Guards the number of threads that the service comes with: each silent client holds one until it is cut off. More
    of them than threads are nginx's to keep away, see tests/deploy/test_nginx.py."""
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", served.client.port)))
        for _ in range(10):
            assert served.client.ask("GET", "/readyz").status == 200


def hold_runs_out(at: Deployment) -> None:
    """As if the thirty seconds had passed for which a key is held for an upload that may still be running."""
    assert at.redis.hset(f"{PREFIX}idem:{digest(KEY)}", "until", "0") == 0


def test_row_2_the_batch_restores_what_was_stored(cut_short: Deployment) -> None:
    """Guards `look_at_uploads`: without it the batch finds nothing to do, and the upload lies there for ever."""
    (stored,) = cut_short.services.blobs.list_uploads()
    assert cut_short.client.batch().document["processed"] == 0  # too young: its upload may still be at it
    assert cut_short.services.jobs.is_empty()
    cut_short.age_files(120)
    cut_short.worker()
    assert cut_short.client.batch().status == 200
    assert cut_short.client.until(stored.job_id)["status"] == "completed"
    assert cut_short.client.upload(DATA, key=KEY) == stored.job_id
    check(cut_short, {stored.job_id: TEXT})


def test_row_2_a_repeat_with_the_same_key_gives_that_job(cut_short: Deployment) -> None:
    """Guards the key's entry that holds the id from the first byte on: without it the repeat makes a second job."""
    (stored,) = cut_short.services.blobs.list_uploads()
    assert cut_short.client.send(DATA, key=KEY).code == "idempotency_running"
    hold_runs_out(cut_short)
    assert cut_short.client.send(b"something else", key=KEY).code == "idempotency_mismatch"
    hold_runs_out(cut_short)
    assert cut_short.client.upload(DATA, key=KEY) == stored.job_id
    cut_short.worker()
    cut_short.client.until(stored.job_id, "completed")
    cut_short.age_files(120)
    assert cut_short.client.batch().status == 200
    check(cut_short, {stored.job_id: TEXT})


def test_row_3_a_job_whose_202_was_never_sent_runs_and_is_found_by_its_key(deploy: Callable[..., Deployment]) -> None:
    """Guards the key's entry, written with the record, and the id that it holds before: where neither is there the
    repeat makes a second job (one of the two is enough)."""
    at = deploy()
    at.web(crash={"when": "after", "step": "add"})
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        at.client.send(DATA, key=KEY)
    (stored,) = at.services.blobs.list_uploads()
    eventually(lambda: at.client.ask("GET", "/readyz").status == 200, what="the next web process")
    assert at.client.upload(DATA, key=KEY) == stored.job_id
    at.worker()  # nothing was delivered: the sweep counts
    at.client.until(stored.job_id, "completed")
    check(at, {stored.job_id: TEXT})
