"""The soak's network: one that is cut off closes nothing, Redis still takes the worker for connected, and what was sent comes late."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bench.soak_diary import Hand
from bench.soak_neighbours import Cable
from tests.processes import LIVE, Deployment, eventually

pytestmark = LIVE

NAME = "worker.behind-a-cable"


def is_known(at: Deployment) -> bool:
    return NAME in [client["name"] for client in at.redis.client_list()]


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:  # the relay is on its way up
        return False


def test_who_is_cut_off_gets_no_answer_is_still_a_client_and_is_heard_once_it_is_joined_again(
    deploy: Callable[..., Deployment],
) -> None:
    """Guards what the soak means by "cut off": only the lease can tell."""
    at = deploy()
    cable = Cable(at, Hand(1, 1.0), "worker")
    client = redis.Redis.from_url(cable.url, client_name=NAME, socket_timeout=1, retry=Retry(NoBackoff(), 0))
    try:
        eventually(lambda: answers(client), what="the relay")
        assert is_known(at)
        os.kill(cable.pid, signal.SIGSTOP)
        with pytest.raises(redis.TimeoutError):
            client.set("late", "1")
        assert is_known(at)
        assert at.redis.get("late") is None
        os.kill(cable.pid, signal.SIGCONT)
        eventually(lambda: at.redis.get("late") == b"1", what="what was sent meanwhile")
        eventually(lambda: not is_known(at), what="the end of the connection that the client gave up")
        assert answers(client)
        at.restart_server()
        eventually(lambda: answers(client), what="the restarted server, through the same relay")
    finally:
        client.close()
        cable.end()
