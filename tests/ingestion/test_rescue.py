from __future__ import annotations

import itertools

import pytest
import redis as redis_library

from app.adapters.job_store import LEASE_MS
from app.adapters.places import SPENT_AFTER_MS
from app.domain.job import JobStatus, Priority
from app.errors import StorageUnavailable
from app.ingestion.cancel import cancel
from app.ingestion.rescue import CALM_MS, EVERY_SECONDS, REMOVING_SECONDS, Sweep
from tests import jobs_in_states as jobs


@pytest.fixture
def clients(redis, monkeypatch):
    """The names of Redis's clients, as CLIENT LIST would tell them."""
    names = ["worker.test"]
    monkeypatch.setattr(redis, "client_list", lambda: [{"name": name} for name in names])
    return names


@pytest.fixture
def server(redis, monkeypatch):
    told = {"run_id": "first"}
    monkeypatch.setattr(redis, "info", lambda section: told)
    return told


@pytest.fixture
def sweep(services, clients, server, clock):
    """One that has been at it for a while."""
    made = Sweep(services)
    made.run()
    watch(made, clock, CALM_MS / 1000)
    return made


def watch(sweep, clock, seconds):
    """A sweep each half second for so long; gives how many jobs were rescued."""
    rescued = 0
    for _ in range(int(seconds / EVERY_SECONDS)):
        clock.advance(EVERY_SECONDS)
        rescued += sweep.run().rescued
    return rescued


def _raises_away():
    raise redis_library.ConnectionError


def test_a_killed_worker_is_missed_for_two_seconds_and_its_job_waits_again(services, sweep, clients, clock):
    job = jobs.processing(services)
    clients.clear()
    assert watch(sweep, clock, 2) == 0
    assert watch(sweep, clock, EVERY_SECONDS) == 1
    lost = services.jobs.get(job.id)
    assert (lost.status, lost.losses, lost.failure.code) == (JobStatus.RETRYING, 1, "worker_lost")
    assert services.queues.depths()["medium"] == 1
    assert services.jobs.claim_next(job.priority, holder="v", token="u").id == job.id


def test_a_lost_job_of_a_newer_version_is_left_to_the_sweep_of_that_version(services, redis, sweep, clients, clock):
    newer, ours = jobs.processing(services), jobs.processing(services, priority=Priority.HIGH)
    key = f"ingest:job:{newer.id}"
    redis.hset(key, "record", redis.hget(key, "record").replace(b'"schema":1', b'"schema":99'))
    clients.clear()
    assert watch(sweep, clock, 3) == 1
    assert services.jobs.get(newer.id).status is JobStatus.PROCESSING
    assert services.jobs.get(ours.id).status is JobStatus.RETRYING


def test_a_worker_that_is_seen_again_is_forgiven(services, sweep, clients, clock):
    jobs.processing(services)
    clients.clear()
    watch(sweep, clock, 1)
    clients.append("worker.test")
    watch(sweep, clock, 1)
    clients.clear()
    assert watch(sweep, clock, 2) == 0


def test_a_worker_missed_for_a_moment_long_ago_is_not_lost_for_another_moment(services, sweep, clients, clock):
    job = jobs.processing(services)
    clients.clear()
    watch(sweep, clock, 1)  # it connects anew, and ends its job before anybody looks again
    services.jobs.replace(job, job.completed(jobs.RESULT, now=clock()))
    clients.append("worker.test")
    watch(sweep, clock, 60)
    jobs.processing(services)
    clients.clear()
    assert watch(sweep, clock, 1) == 0


def test_notes_about_workers_that_are_gone_do_not_pile_up(services, sweep, clients, clock, redis):
    for holder in ("worker.one", "worker.two", "worker.three"):
        jobs.processing(services, holder=holder)
        watch(sweep, clock, 3)
        [job_id] = services.jobs.waiting_ids(Priority.MEDIUM, 9)
        cancel(services, job_id)
    jobs.processing(services)
    watch(sweep, clock, 1)
    assert [field for field in redis.hkeys("ingest:missed") if field.startswith(b"worker.")] == []


def test_a_frozen_worker_is_judged_by_its_lease(services, sweep, clock):
    jobs.processing(services)
    assert watch(sweep, clock, LEASE_MS // 1000) == 0
    assert watch(sweep, clock, 1) == 1


def test_a_holder_that_cannot_be_seen_is_judged_by_its_lease_alone(services, sweep, clients, clock):
    jobs.pending(services)
    job = services.jobs.claim_next(jobs.Priority.MEDIUM, holder="behind.a.proxy", token="t", visible=False)
    assert watch(sweep, clock, 10) == 0
    assert watch(sweep, clock, 6) == 1
    assert services.jobs.get(job.id).losses == 1


def test_after_a_restart_of_redis_a_whole_lease_passes_before_anybody_is_lost(services, sweep, clients, server, clock):
    job = jobs.processing(services)
    clients.clear()
    server["run_id"] = "second"
    assert watch(sweep, clock, LEASE_MS // 1000) == 0
    assert watch(sweep, clock, 2) == 1
    back = services.jobs.get(job.id)
    assert (back.status, back.losses, back.give_backs) == (JobStatus.PENDING, 0, 1)  # an outage is nobody's fault
    assert services.queues.depths()["medium"] == 1


def test_nobody_is_lost_for_the_time_in_which_nobody_swept(services, sweep, clock):
    jobs.processing(services)
    clock.advance(600)
    assert sweep.run().rescued == 0
    assert watch(sweep, clock, LEASE_MS // 1000 - 1) == 0


def test_a_claim_from_after_the_outage_is_judged_once_the_living_had_time_to_come_back(
    services, sweep, clients, server, clock
):
    server["run_id"] = "second"
    watch(sweep, clock, 1)
    jobs.processing(services)
    clients.clear()
    assert watch(sweep, clock, CALM_MS / 1000 + 2) == 1


def test_the_third_loss_ends_the_job_as_poison(services, sweep, clients, clock, redis):
    job = jobs.processing(services)
    clients.clear()
    for losses in (1, 2, 3):
        watch(sweep, clock, 4)
        assert services.jobs.get(job.id).losses == losses
        services.jobs.claim_next(job.priority, holder="worker.test", token=f"t{losses}")
    ended = services.jobs.get(job.id)
    assert (ended.status, ended.failure.code) == (JobStatus.FAILED, "poison")
    assert redis.zscore("rq:failed:medium", job.id) is not None


def test_a_retry_that_is_due_is_delivered(services, sweep, clock):
    job = jobs.retrying(services)
    assert sweep.run().staged == 0
    clock.advance(60)
    assert sweep.run().staged == 1
    assert services.line.rank(job) == 0
    assert services.queues.depths()["medium"] == 1


def test_a_lost_delivery_is_made_again(services, sweep, redis):
    jobs.pending(services)
    sweep.run()
    since, least = redis.hget("ingest:missed", "balance:medium").decode().split(":")
    redis.hset("ingest:missed", "balance:medium", f"{int(since) - 2000}:{least}")
    assert sweep.run().delivered == 1
    assert services.queues.depths()["medium"] == 1


def test_the_upload_of_a_completed_job_goes_a_minute_later_and_that_of_a_failed_one_stays(services, sweep, clock):
    done, failed = jobs.completed(services, with_bytes=True), jobs.failed(services, with_bytes=True)
    clock.advance(SPENT_AFTER_MS / 1000 - 1)
    sweep.run()
    assert services.blobs.manifest(done.id) is not None
    clock.advance(2)
    assert sweep.run().removed == 1
    assert services.blobs.manifest(done.id) is None
    assert services.blobs.manifest(failed.id) is not None


def test_a_store_that_takes_its_time_holds_up_no_sweep(services, clients, server, clock):
    """Two of three go in the time that there is, and the third with the next sweep."""
    spent = [jobs.completed(services, with_bytes=True) for _ in range(3)]
    clock.advance(SPENT_AFTER_MS / 1000 + 1)
    ticks = itertools.count(step=REMOVING_SECONDS / 2)
    sweep = Sweep(services, clock=lambda: next(ticks))
    assert [sweep.run().removed for _ in range(2)] == [2, 1]
    assert [services.blobs.manifest(job.id) for job in spent] == [None, None, None]


def test_what_was_removed_before_the_store_left_is_not_removed_again(services, sweep, clock, monkeypatch):
    for _ in range(3):
        jobs.completed(services, with_bytes=True)
    clock.advance(SPENT_AFTER_MS / 1000 + 1)
    real, asked = services.blobs.delete_upload, []

    def leaving(job_id):
        asked.append(job_id)
        if len(asked) == 2:
            raise StorageUnavailable("storage_unavailable")
        real(job_id)

    monkeypatch.setattr(services.blobs, "delete_upload", leaving)
    assert [sweep.run().removed for _ in range(2)] == [1, 2]
    assert len(asked) == 4


def test_one_turn_is_enough_for_all_processes(services, sweep):
    assert sweep.offer() is not None
    assert Sweep(services).offer() is None


def test_after_a_time_in_which_nobody_swept_the_living_have_time_to_come_back(services, sweep, clients, clock):
    """Redis stood still for three seconds: everybody has dropped the connection by then."""
    jobs.processing(services)
    clients.clear()
    watch(sweep, clock, 1)
    clock.advance(3)
    assert watch(sweep, clock, CALM_MS / 1000 + 1.5) == 0
    assert watch(sweep, clock, 1) == 1


def test_two_looks_that_lie_far_apart_prove_nothing(services, sweep, clients, clock):
    """What held the job was away for a moment at each of them, and another process swept in between."""
    jobs.processing(services)
    clients.clear()
    watch(sweep, clock, EVERY_SECONDS)
    for _ in range(4):
        clock.advance(EVERY_SECONDS)
        services.notes.outlook()
    assert watch(sweep, clock, 2) == 0


def test_a_look_that_its_process_delivers_late_counts_for_nothing(services, sweep, clients, clock, redis):
    """A process looked, was frozen, and says three seconds later whom it missed."""
    jobs.processing(services)
    looked_at = services.notes.outlook().now
    clock.advance(3)
    assert services.notes.missed_for({"nobody": 0}, looked_at=looked_at) == {"nobody": 0}
    assert not redis.hexists("ingest:missed", "nobody")


def test_a_sweep_that_failed_keeps_nobody_from_finding_who_is_dead(services, sweep, clients, clock, redis, monkeypatch):
    """For a moment Redis did not answer: that says nothing against the looks that come after it."""
    jobs.processing(services)
    clients.clear()
    with monkeypatch.context() as away:
        away.setattr(redis, "client_list", _raises_away)
        assert sweep.offer() is None
        assert sweep.is_away
    redis.delete("ingest:sweep:turn")
    assert sweep.offer() is not None
    assert not sweep.is_away
    assert watch(sweep, clock, 3) == 1


def test_a_look_proves_nothing_about_the_time_before_it(services, sweep, clients, clock, server):
    """The process that looked first stood still before it: the holder lived until then."""
    jobs.processing(services, holder="worker.away")
    looked_at = services.notes.outlook().now
    clock.advance(1.4)
    assert services.notes.missed_for({"worker.away": 0}, looked_at=looked_at) == {"worker.away": 0}
    clock.advance(0.1)
    assert sweep.run().rescued == 0
    assert watch(sweep, clock, 1.5) == 0
    assert watch(sweep, clock, EVERY_SECONDS) == 1


def test_a_look_that_a_later_one_has_overtaken_counts_for_nothing(services, sweep, clients, clock):
    """The first missed the holder, the second saw it, and the second was written down first."""
    jobs.processing(services, holder="worker.back")
    looked_at = services.notes.outlook().now
    clients.append("worker.back")
    watch(sweep, clock, EVERY_SECONDS)
    clients.remove("worker.back")
    assert services.notes.missed_for({"worker.back": 0}, looked_at=looked_at) == {"worker.back": 0}
    assert watch(sweep, clock, 2) == 0
    assert watch(sweep, clock, EVERY_SECONDS) == 1


def test_who_renews_its_claim_lives_even_if_nobody_sees_its_name(services, sweep, clients, clock):
    job = jobs.processing(services)
    clients.clear()
    for _ in range(20):
        assert watch(sweep, clock, 1) == 0
        assert services.jobs.renew(job.id, token=job.claim.token, holder=job.claim.holder)
    assert watch(sweep, clock, 2.5) == 1


def test_who_renewed_between_two_looks_is_missed_anew(services, sweep, clients, clock):
    job = jobs.processing(services)
    clients.clear()
    watch(sweep, clock, 1)
    clock.advance(0.1)
    assert services.jobs.renew(job.id, token=job.claim.token, holder=job.claim.holder)
    clock.advance(1.3)
    assert sweep.run().rescued == 0
    assert watch(sweep, clock, 1.5) == 0
    assert watch(sweep, clock, EVERY_SECONDS) == 1


def test_a_clock_that_was_set_back_keeps_nobody_from_finding_who_is_dead(services, sweep, clients, clock):
    jobs.processing(services)
    clients.clear()
    watch(sweep, clock, 1)
    clock.advance(-600)
    sweep.run()
    later = jobs.processing(services, holder="worker.later")
    assert watch(sweep, clock, 3) == 1
    assert services.jobs.get(later.id).losses == 1
    assert watch(sweep, clock, LEASE_MS / 1000 - 3) == 1


def test_a_server_whose_clock_is_behind_takes_over_and_the_living_have_a_lease_to_come_back(
    services, sweep, clients, server, clock
):
    job = jobs.processing(services)
    clients.clear()
    server["run_id"] = "second"
    clock.advance(-60)
    assert sweep.run().rescued == 0
    assert watch(sweep, clock, LEASE_MS / 1000 - EVERY_SECONDS) == 0
    assert watch(sweep, clock, EVERY_SECONDS) == 1
    assert services.jobs.get(job.id).losses == 0


def test_a_turn_from_before_the_clock_was_set_back_is_nobodys(services, sweep, redis):
    assert services.notes.take_turn("worker.one")
    assert not services.notes.take_turn("worker.two")
    redis.pexpire("ingest:sweep:turn", 600_000)
    assert services.notes.take_turn("worker.two")
