from rq_scheduler import Scheduler

from app.adapters.batch_notes import RUNS, SCHEDULED, BatchNotes, BatchRun
from app.adapters.job_queues import BATCH_DELIVERY_ID
from app.adapters.minute_schedule import MinuteSchedule


def test_nothing_is_known_of_batches_before_the_first(redis, clock):
    state = BatchNotes(redis).state(clock())
    assert (state.last_run_at, state.last_result, state.lock_held) == (None, None, False)
    assert (state.runs, state.next_run_at) == ((), None)


def test_the_last_ten_are_kept_newest_first(redis, clock):
    notes = BatchNotes(redis)
    for n in range(RUNS + 3):
        notes.note(BatchRun(clock() + n, "ok", "schedule", {"processed": n}))
    state = notes.state(clock())
    assert [run.numbers["processed"] for run in state.runs] == list(range(RUNS + 2, 2, -1))
    assert (state.last_run_at, state.last_result) == (clock() + RUNS + 2, {"outcome": "ok", "processed": RUNS + 2})


def test_the_next_one_is_when_the_scheduler_has_it_due(redis):
    MinuteSchedule(redis, name="one").ensure()
    due = int(redis.zscore(SCHEDULED, BATCH_DELIVERY_ID) * 1000)
    assert BatchNotes(redis).state(due - 30_000).next_run_at == due
    assert BatchNotes(redis).state(due + 1_000).next_run_at == due


def test_one_that_nobody_ran_when_it_was_due_is_not_about_to_run(redis, clock):
    redis.zadd(SCHEDULED, {BATCH_DELIVERY_ID: clock() / 1000 - 11})
    assert BatchNotes(redis).state(clock()).next_run_at is None


def test_what_is_due_stands_where_the_installed_scheduler_keeps_it():
    assert Scheduler.scheduled_jobs_key == SCHEDULED
