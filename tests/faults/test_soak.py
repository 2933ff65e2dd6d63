"""The random soak in its short form: clients at work while everything is killed, frozen and restarted; nothing is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.soak import Plan, soak

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="freezes and kills processes as Linux shows them"),
]


def test_nothing_is_lost_or_doubled_and_nobody_is_charged_without_cause_under_sixty_kills(tmp_path: Path) -> None:
    """Guards all safeguards at once. How long a job waited for its next holder is told by the long form, not judged here."""
    verdict = soak(Plan(kills=60, jobs=500, seed=10, longest_pause=6), tmp_path / "installation", print)
    print("\n".join(verdict.lines()))
    assert verdict.violations == []
    assert verdict.false_losses == []
    assert verdict.jobs >= 450, "some are deleted, and no more than some"
