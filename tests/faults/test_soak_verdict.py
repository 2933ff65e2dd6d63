"""The judge of the soak: who was charged a loss without cause, how long a fault cost, and when a view went back."""

from __future__ import annotations

from dataclasses import replace

from app.domain.job import Attempt, FileInfo, Job, Priority
from bench.soak_diary import Entry
from bench.soak_load import View
from bench.soak_verdict import BEFORE, FROZEN, KILLED, false_losses, recoveries

HOLDER, NEXT = "worker.here.7.aaaa", "worker.here.8.bbbb"
JOB = Job.new("job_a", priority=Priority.LOW, file=FileInfo("a.txt", 1, "text/plain", "0" * 64), now=0)


def job_lost(*, began: int = 1_000, ended: int = 4_000, again: int = 4_500) -> Job:
    """Held by process 7 until it was taken for lost, then completed by process 8."""
    lost = Attempt(1, 1, began, ended, "worker_lost", HOLDER)
    return replace(JOB, history=(lost, Attempt(1, 1, again, again + 100, "completed", NEXT)))


def test_a_loss_whose_holder_was_killed_or_frozen_has_its_cause() -> None:
    for kind in ("kill", "frozen"):
        assert list(false_losses(job_lost(), [Entry(kind, 7, 2_000, 2_000)])) == []
    assert list(false_losses(job_lost(), [Entry("frozen", 7, 500, 3_000)])) == [], "it froze before it had the answer"


def test_a_loss_without_cause_is_told() -> None:
    others = [
        Entry("kill", 8, 2_000, 2_000),
        Entry("kill", 7, 4_001, 4_001),
        Entry("frozen", 7, 100, 900),
        Entry("child frozen", 7, 2_000, 3_000),
        Entry("kill child", 7, 2_000, 2_000),
        Entry("Valkey killed", 0, 2_000, 2_500),
    ]
    (said,) = false_losses(job_lost(), others)
    assert "job_a" in said
    assert HOLDER in said


def test_a_recovery_is_the_time_from_the_fault_until_the_job_is_handed_on_and_held_again() -> None:
    assert list(recoveries(job_lost(), [Entry("kill", 7, 2_000, 2_010)])) == [(KILLED, 2.0, 2.5)]
    frozen = job_lost(ended=17_000, again=17_500)
    assert list(recoveries(frozen, [Entry("frozen", 7, 1_500, 20_000)])) == [(FROZEN, 15.5, 16.0)]
    assert list(recoveries(job_lost(), [])) == []


def test_a_recovery_over_a_restart_of_redis_is_told_apart_and_counts_from_its_return() -> None:
    entries = [Entry("kill", 7, 2_000, 2_010), Entry("Valkey killed", 0, 3_000, 3_500)]
    assert list(recoveries(job_lost(ended=18_000, again=18_500), entries)) == [(BEFORE, 14.5, 15.0)]


def shown(version: int, status: str, percentage: int) -> dict[str, object]:
    return {"version": version, "status": status, "progress": {"percentage": percentage}}


def test_a_view_that_goes_back_or_has_a_gap_is_told() -> None:
    view = View()
    assert view.takes(shown(3, "processing", 40)) is None
    assert view.takes(shown(3, "processing", 40)) is None, "the state of the beginning may come twice"
    assert view.takes(shown(4, "retrying", 40)) is None
    assert view.takes(shown(6, "processing", 50)) == "version 6 came after 4"
    assert view.takes(shown(5, "processing", 50)) == "version 5 came after 6"
    assert view.takes(shown(6, "processing", 49)) == "49 % came after 50 % (processing, processing)"


def test_a_new_run_begins_again() -> None:
    view = View()
    assert view.takes(shown(3, "failed", 40)) is None
    assert view.takes(shown(4, "pending", 0)) is None


def test_a_cut_off_holder_excuses_a_loss_and_counts_beside_the_frozen() -> None:
    cut = Entry("cut off", 7, 1_500, 20_000)
    assert list(false_losses(job_lost(), [cut])) == []
    assert list(recoveries(job_lost(ended=17_000, again=17_500), [cut])) == [(FROZEN, 15.5, 16.0)]


def test_a_kill_behind_a_network_that_is_cut_off_is_hidden_by_it_and_one_outside_is_not() -> None:
    lost = job_lost(ended=17_000, again=17_500)
    cut, hidden, later = (
        Entry("cut off", 7, 1_500, 14_000),
        Entry("kill", 7, 5_000, 5_010),
        Entry("kill", 7, 15_000, 15_010),
    )
    assert list(recoveries(lost, [hidden, cut])) == [(FROZEN, 15.5, 16.0)]
    assert list(recoveries(lost, [cut, later])) == [(KILLED, 2.0, 2.5)]
