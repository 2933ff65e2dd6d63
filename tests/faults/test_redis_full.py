"""Redis is full, or the disk of its log is: nothing new is taken, what runs ends, and everybody may read and steer."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from app.ingestion.cleanup import DAY_MS
from tests.faults.check import check
from tests.processes import LIVE, SECRETS, Answer, Deployment, eventually

pytestmark = LIVE

ADMIN = {"Authorization": f"Bearer {SECRETS['ADMIN_TOKEN']}"}


def admin(at: Deployment, method: str, path: str, **asked: Any) -> Answer:
    body = json.dumps(asked).encode() if asked else None
    return at.client.ask(method, path, body, headers={**ADMIN, "Content-Type": "application/json"})


def login(at: Deployment, token: str) -> Answer:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return at.client.ask("POST", "/admin/login", urlencode({"token": token}).encode(), headers=form)


def is_refused(answer: Answer) -> bool:
    return (answer.status, answer.code) == (503, "queue_unavailable") and int(answer.headers["Retry-After"]) > 0


def ids_of(at: Deployment) -> list[str]:
    return [member.decode() for member in at.redis.zrange("ingest:jobs", 0, -1)]


def test_row_17_a_full_redis_takes_nothing_new_and_lets_the_rest_go_on(deploy: Callable[..., Deployment]) -> None:
    """Guards the removal that our scripts begin with: without it the running job is lost, the batch does not begin, and
    the admin, of all people, is kept out."""
    at = deploy()
    at.web()
    worker, child = at.warm_worker()
    (done,) = ids_of(at)
    expired, old, unwanted = (at.client.upload(data) for data in (b"expired", b"old", b"unwanted"))
    for job_id in (expired, old, unwanted):
        at.client.until(job_id)
    at.redis.zadd("ingest:ended:completed", {expired: 1, old: at.services.jobs.now() - 3 * DAY_MS})
    os.kill(child, signal.SIGSTOP)
    running = at.client.upload(b"runs")
    at.client.until(running, "processing")
    waiting = at.client.upload(b"waits")

    at.redis.config_set("maxmemory", 1)
    assert is_refused(at.client.send(b"new"))
    assert is_refused(at.client.send(b"new", key="a-key"))
    deadline = at.services.jobs.leases()[0].deadline
    eventually(lambda: at.services.jobs.leases()[0].deadline > deadline, what="a claim that is renewed")
    at.sweeps_on(1_500)
    assert at.client.text(done) == "to warm up"
    os.kill(child, signal.SIGCONT)
    for job_id in (running, waiting):
        assert at.client.until(job_id)["status"] == "completed"
    assert at.client.text(running) == "runs"

    assert admin(at, "GET", "/api/admin/queue").status == 200
    assert admin(at, "GET", "/api/ingest/jobs").status == 200
    assert admin(at, "POST", "/api/admin/queue", action="pause", priority="low").document["success"]
    assert [priority.value for priority in at.services.jobs.paused()] == ["low"]
    assert admin(at, "POST", "/api/admin/queue", action="resume", priority="low").document["success"]
    assert login(at, "a wrong one").status == 401
    assert login(at, SECRETS["ADMIN_TOKEN"]).status == 303
    at.age_files(120)  # what was refused has stored its bytes: that they cannot be restored yet must not end the batch
    assert at.client.batch().document["expired"] == 1
    assert admin(at, "POST", "/api/admin/queue", action="cleanup", daysOld=2).document["jobIds"] == [old]
    assert at.client.ask("DELETE", f"/api/ingest/jobs/{unwanted}").status == 204
    for job_id in (expired, old, unwanted):
        assert at.client.ask("GET", f"/api/ingest/status/{job_id}").status == 404

    at.redis.config_set("maxmemory", 0)
    later = at.client.upload(b"new", key="a-key")
    assert at.client.until(later)["status"] == "completed"
    at.age_files(120)
    assert at.client.batch().status == 200  # brings back the one whose sender was told 503 after its bytes were stored
    texts = dict.fromkeys(ids_of(at), "new") | {done: "to warm up", running: "runs", waiting: "waits"}
    for job_id in texts:
        assert at.client.until(job_id)["status"] == "completed"
    assert later in texts
    assert len(texts) == 5
    assert worker.is_alive
    check(at, texts)
