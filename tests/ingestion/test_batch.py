from __future__ import annotations

import pytest

from app.domain.job import JobStatus, Priority
from app.errors import RequestRefused
from app.ingestion.batch import run_batch


@pytest.fixture(autouse=True)
def _quiet_server(redis, monkeypatch):
    monkeypatch.setattr(redis, "info", lambda section: {"run_id": "one"})
    monkeypatch.setattr(redis, "client_list", list)


def test_five_jobs_a_run_in_the_order_of_their_priorities(services, parser, upload, clock):
    ids = {}
    for priority in (Priority.LOW, Priority.MEDIUM, Priority.URGENT):
        for _ in range(3):
            clock.advance(1)
            ids.setdefault(priority, []).append(upload(priority=priority).id)
    report = run_batch(services)
    assert report.job_ids == ids[Priority.URGENT] + ids[Priority.MEDIUM][:2]
    assert (report.processed, report.remaining) == (5, 4)
    assert all(services.jobs.get(job_id).status is JobStatus.COMPLETED for job_id in report.job_ids)


def test_a_job_that_waited_long_is_not_left_for_later_ones_of_a_higher_priority(services, parser, upload, clock):
    low = upload(priority=Priority.LOW)
    clock.advance(1_800)
    for _ in range(6):
        upload(priority=Priority.HIGH)
    assert low.id in run_batch(services).job_ids
    depths, waiting = services.queues.depths(), services.line.depths()
    assert {p: depths[p.value] for p in waiting} == waiting


def test_the_lists_of_rq_do_not_grow_where_only_the_batch_works(services, parser, upload):
    for _ in range(5):
        upload()
    run_batch(services)
    assert sum(services.queues.depths().values()) == 0


def test_paused_priorities_are_left_out(services, parser, upload):
    upload(priority=Priority.HIGH)
    low = upload(priority=Priority.LOW)
    services.jobs.pause(Priority.HIGH)
    assert run_batch(services).job_ids == [low.id]


def test_a_second_batch_is_told_how_long_the_first_has_run(services, clock):
    assert services.batch_lock().acquire(now=clock.now)
    clock.advance(7)
    with pytest.raises(RequestRefused) as seen:
        run_batch(services)
    assert seen.value.code == "batch_running"
    assert "7 seconds" in seen.value.message


def test_the_lock_is_free_after_a_batch(services, parser):
    run_batch(services)
    assert run_batch(services).processed == 0


def test_no_job_is_begun_after_the_last_start(services, parser, upload):
    upload()
    object.__setattr__(services.settings, "batch_timeout", services.settings.job_timeout)  # none may be begun
    assert run_batch(services).processed == 0


def test_a_batch_that_lost_its_lock_begins_no_other_job(services, parser, upload, redis):
    upload()
    upload()

    def steal(number):
        redis.set("ingest:batch:lock", "somebody:1")
        for kept in list(services.keeper._kept):
            if hasattr(kept, "lost"):
                kept._renewed = float("-inf")
        services.keeper.tick()

    parser.before = steal
    assert run_batch(services).processed == 1
    assert redis.get("ingest:batch:lock") == b"somebody:1"  # and it is not let go by who does not hold it


def test_what_the_batch_did_is_noted(services, parser, upload, redis):
    upload()
    run_batch(services)
    assert redis.hget("ingest:batch", "outcome") == b"ok"


def test_a_process_with_one_parser_runs_one_batch_even_if_the_lock_was_lost(services, parser):
    with services.batching, pytest.raises(RequestRefused):
        run_batch(services)


def test_a_lock_whose_answer_was_lost_is_known_again(services, redis, monkeypatch):
    """The client sends the command a second time by itself, and finds the lock taken: by its own first one."""
    send = redis.evalsha
    services.notes.take_turn("so that the script is known")
    monkeypatch.setattr(redis, "evalsha", lambda *args: send(*args) and send(*args))
    assert services.batch_lock().acquire(now=1)
    assert not services.batch_lock().acquire(now=2)


def test_the_last_batches_are_remembered_with_who_asked_for_them(services, parser, upload):
    upload()
    run_batch(services, by="cron")
    run_batch(services)
    later, first = services.batches.state(services.jobs.now()).runs
    assert (first.by, first.outcome, first.numbers["processed"]) == ("cron", "ok", 1)
    assert (later.by, later.numbers["processed"]) == ("schedule", 0)
