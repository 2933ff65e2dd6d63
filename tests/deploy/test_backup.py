"""A backup as docs/operations.md takes it: all is stopped, DATA_DIR copied with Valkey's log in it, and it goes on elsewhere."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable

from tests.faults.check import check
from tests.processes import LIVE, Deployment

pytestmark = LIVE


def recorded(at: Deployment, job_id: str) -> tuple[str, int]:
    job = at.job(job_id)
    return job.status.value, job.version


def test_what_was_copied_is_all_there_elsewhere_and_goes_on(deploy: Callable[..., Deployment]) -> None:
    old = deploy("old")
    old.web()
    _, child = old.warm_worker()
    (warm,) = old.services.jobs.ended_before(old.services.jobs.now())
    texts = {text: old.client.upload(text.encode(), f"{number}.txt") for number, text in enumerate(("first", "second"))}
    done = {text: old.client.until(job_id, "completed") for text, job_id in texts.items()}
    refused = old.client.upload(b'{"name": ', "broken.json")
    refused_as = old.client.until(refused, "failed")["error"]["code"]
    os.kill(child, signal.SIGSTOP)
    texts["in hand"] = old.client.upload(b"in hand", "held.txt", key="kept")
    old.client.until(texts["in hand"], "processing")
    texts["in the queue"] = old.client.upload(b"in the queue", "later.txt")
    for process in reversed(old.processes):  # what is in hand is given back
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    everything = {job_id: recorded(old, job_id) for job_id in [*texts.values(), refused]}
    old.server.stop()

    folder = old.folder.parent / "new"
    shutil.copytree(old.data_dir, folder / "data")
    shutil.rmtree(old.data_dir)
    new = deploy("new")
    assert {job_id: recorded(new, job_id) for job_id in everything} == everything
    new.web()
    for text, document in done.items():
        assert new.client.status(document["jobId"])["result"] == document["result"]
        assert new.client.text(document["jobId"]) == text
    assert new.client.status(refused)["error"]["code"] == refused_as
    again = new.client.send(b"in hand", "held.txt", key="kept")
    assert again.document["jobId"] == texts["in hand"], "the Idempotency-Key was forgotten"
    new.worker()
    for job_id in texts.values():
        new.client.until(job_id, "completed")
    assert new.client.ask("DELETE", f"/api/ingest/jobs/{refused}").status in (200, 204)
    check(new, {job_id: text for text, job_id in texts.items()} | {warm: "to warm up"})
