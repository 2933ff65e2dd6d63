"""The soak's neighbours: a network that is cut off closes nothing, and a MinIO that was killed is there again with what it had."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.adapters.s3_blobs import S3Blobs, open_s3_blobs
from app.errors import StorageUnavailable
from bench.soak_diary import Hand
from bench.soak_neighbours import Bucket, Cable
from tests.processes import LIVE, Deployment, eventually
from tests.s3_servers import MinioServer

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


def strike(bucket: Bucket, name: str) -> bool:
    return next(what for _, kind, what in bucket.kinds() if kind == name)()


def test_a_minio_that_was_killed_is_started_again_where_it_was_with_all_that_it_had_taken(tmp_path: Path) -> None:
    """Guards what the soak asks of a bucket: what it answered for is not lost, and nobody has to be told a new address."""
    minio, hand = MinioServer(tmp_path / "disk"), Hand(1, 1.0)
    try:
        blobs = open_s3_blobs(minio.start().place(), tmp_path / "spool", hurried=False)
        bucket = Bucket(minio, hand)
        blobs.set_installation("taken")
        for fault in ("kill MinIO", "restart MinIO"):
            assert strike(bucket, fault)
            eventually(lambda: not minio.is_alive, what="its end")
            assert not strike(bucket, "freeze MinIO"), "there is nobody to freeze"
            eventually(lambda: bucket.turn() or minio.is_alive, what="its start")
            eventually(lambda: is_told(blobs), what="its answer")
        assert strike(bucket, "freeze MinIO")
        assert not strike(bucket, "kill MinIO"), "one at a time"
        hand.turn(everything=True)
        assert is_told(blobs)
    finally:
        minio.stop()


def is_told(blobs: S3Blobs) -> bool:
    try:
        return blobs.installation() == "taken"
    except StorageUnavailable:
        return False
