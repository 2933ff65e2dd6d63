"""Watchers leave without a word, and what they watch through is killed: nothing is held for them, and nobody misses a step."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from app.domain.job import Priority
from app.ingestion.cancel import change_priority
from tests.faults.check import check
from tests.processes import LIVE, SECRETS, Deployment, eventually

pytestmark = LIVE

CROWD = 500
WATCHED = "read under watch"


def streams_held(at: Deployment) -> int:
    answer = at.client.ask("GET", "/metrics", headers={"Authorization": f"Bearer {SECRETS['ADMIN_TOKEN']}"})
    found = re.search(r'^ingest_held_requests\{kind="stream"\} (\S+)$', answer.body.decode(), re.MULTILINE)
    assert found
    return int(float(found[1]))


def test_row_29_five_hundred_streams_that_were_left_hold_nothing(deploy: Callable[..., Deployment]) -> None:
    """Guards the signs of life of a silent stream: without them nobody notices that its reader has gone, and the threads
    of a web process are used up for ever by people who closed their laptops."""
    at = deploy(WEB_THREADS=str(-(-CROWD * 4 // 3)))
    at.web()
    job_id = at.client.upload(WATCHED.encode())  # without a worker: nothing happens that could be told
    with ExitStack() as crowd:
        statuses = [crowd.enter_context(at.client.stream(job_id)).status for _ in range(CROWD)]
        assert statuses == [200] * CROWD
        assert streams_held(at) == CROWD
        with at.client.stream(job_id) as one_more:
            assert one_more.status == 503
    eventually(lambda: streams_held(at) == 0, what="the end of the streams that nobody reads")
    with at.client.stream(job_id) as back:
        assert next(back.states())["status"] == "pending"


def test_row_29_who_watches_through_restarts_of_web_and_redis_misses_nothing(deploy: Callable[..., Deployment]) -> None:
    """Guards the replay by `Last-Event-ID`: without it whoever was cut off begins with the present state, and never
    hears of what happened meanwhile; and the stream's patience with a Redis that is away."""
    at = deploy()
    web = at.web()
    job_id = at.client.upload(WATCHED.encode())
    with at.client.stream(job_id) as stream:
        states = stream.states()
        seen = [next(states)]
        change_priority(at.services, job_id, Priority.HIGH)
        seen.append(next(states))
        web.end()
        with pytest.raises((OSError, http.client.HTTPException)):
            seen += states
        last_id = stream.last_id
    for priority in (Priority.URGENT, Priority.MEDIUM):
        change_priority(at.services, job_id, priority)
    at.web()
    with at.client.stream(job_id, last_id=last_id) as stream:
        states = stream.states()
        seen += [next(states), next(states)]
        at.restart_server()
        change_priority(at.services, job_id, Priority.LOW)
        seen.append(next(states))
        at.worker()
        seen += states
        last_id = stream.last_id
    assert [state["priority"] for state in seen[:5]] == ["medium", "high", "urgent", "medium", "low"]
    assert [state["version"] for state in seen] == list(range(1, at.job(job_id).version + 1))
    assert seen[-1]["status"] == "completed"
    with at.client.stream(job_id, last_id=last_id) as stream:
        assert stream.status == 204
    check(at, {job_id: WATCHED})
