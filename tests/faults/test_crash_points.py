"""Some of the crash points, in real processes: one of so many steps of each story, before or after it."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.faults.crash_points import Choice, lines, walk
from tests.processes import LIVE, Deployment
from tests.s3_servers import S3Server

pytestmark = [pytest.mark.timeout(600), *LIVE]  # the first limit counts


def test_no_step_of_any_story_is_one_that_a_process_may_not_die_at(tmp_path: Path) -> None:
    """Guards the order of the steps of each story, and all that repairs what they leave. See `crash_points.py`, which takes
    all of them."""
    with Deployment(tmp_path / "installation") as at:
        outcome = walk(at, Choice(every=23, seed=3))
    print("\n".join(lines(outcome)))
    assert outcome.violations == []
    assert sum(outcome.points.values()) >= 12
    assert len(outcome.points) >= 10, "a story was not broken off at all"


def test_no_request_to_a_bucket_is_one_that_a_process_may_not_die_at(tmp_path: Path, minio: S3Server) -> None:
    """Guards the same where the files are in a MinIO: what was put and has no record, what was begun in parts, what was to
    be removed."""
    stories = ("upload", "upload in parts", "worker", "sweep", "cleanup", "delete of a finished job")
    with Deployment(tmp_path / "installation", minio.environment(f"crash-{secrets.token_hex(8)}")) as at:
        outcome = walk(at, Choice(every=5, seed=1, stories=stories, step="S3"))
    print("\n".join(lines(outcome)))
    assert outcome.violations == []
    assert len(outcome.points) == len(stories), "a story was not broken off at all"
    assert len(outcome.steps) >= 4, "too few kinds of requests"
