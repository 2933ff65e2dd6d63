"""Some of the crash points, in real processes: one of so many steps of each story, before or after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.crash_points import lines, walk
from tests.processes import LIVE, Deployment

pytestmark = [pytest.mark.timeout(600), *LIVE]  # the first limit counts


def test_no_step_of_any_story_is_one_that_a_process_may_not_die_at(tmp_path: Path) -> None:
    """Guards the order of the steps of each story, and all that repairs what they leave. See `crash_points.py`, which takes
    all of them."""
    with Deployment(tmp_path / "installation") as at:
        outcome = walk(at, every=23, seed=3)
    print("\n".join(lines(outcome)))
    assert outcome.violations == []
    assert sum(outcome.points.values()) >= 12
    assert len(outcome.points) >= 10, "a story was not broken off at all"
