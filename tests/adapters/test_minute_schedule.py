from __future__ import annotations

import fakeredis
import pytest

from app.adapters.job_queues import BATCH_DELIVERY_ID, RUN_MINUTE_BATCH, Delivery
from app.adapters.minute_schedule import MinuteSchedule


@pytest.fixture
def schedule(redis):
    return MinuteSchedule(redis, name="one")


def ticks(redis):
    return redis.lrange("rq:queue:batch", 0, -1)


def due(redis):
    """The next minute has come."""
    redis.zadd("rq:scheduler:scheduled_jobs", {BATCH_DELIVERY_ID: 1})


def test_the_batch_is_scheduled_each_minute_as_json(schedule, redis):
    schedule.ensure()
    delivery = Delivery.fetch(BATCH_DELIVERY_ID, connection=redis)
    assert (delivery.func_name, delivery.meta["cron_string"], delivery.origin) == (
        RUN_MINUTE_BATCH,
        "* * * * *",
        "batch",
    )
    assert redis.hget(f"rq:job:{BATCH_DELIVERY_ID}", "data")[:1] != b"\x80"  # no pickle


def test_a_due_batch_is_pushed_and_scheduled_for_the_next_minute(schedule, redis):
    schedule.ensure()
    due(redis)
    schedule.enqueue_jobs()
    assert ticks(redis) == [BATCH_DELIVERY_ID.encode()]
    schedule.ensure()
    assert redis.zscore("rq:scheduler:scheduled_jobs", BATCH_DELIVERY_ID) > 1


def test_a_tick_that_nobody_took_is_not_pushed_twice(schedule, redis):
    for _ in range(3):
        schedule.ensure()
        due(redis)
        schedule.enqueue_jobs()
    assert ticks(redis) == [BATCH_DELIVERY_ID.encode()]


def test_several_schedulers_push_one_tick_a_minute(schedule, redis):
    other = MinuteSchedule(redis, name="two")
    schedule.ensure()
    due(redis)
    schedule.enqueue_jobs()
    other.enqueue_jobs()
    assert len(ticks(redis)) == 1


@pytest.mark.parametrize("lost", [f"rq:job:{BATCH_DELIVERY_ID}", "rq:scheduler:scheduled_jobs"])
def test_an_entry_that_vanished_is_made_again(schedule, redis, lost):
    schedule.ensure()
    redis.delete(lost)
    schedule.enqueue_jobs()
    assert BATCH_DELIVERY_ID in schedule
    assert redis.exists(f"rq:job:{BATCH_DELIVERY_ID}")


def test_told_to_stop_while_redis_is_away_it_stops(monkeypatch):
    server = fakeredis.FakeServer()
    schedule = MinuteSchedule(fakeredis.FakeRedis(server=server), name="one")

    def told(seconds):
        server.connected = False
        schedule._lock_acquired = True
        raise SystemExit(0)

    monkeypatch.setattr("rq_scheduler.scheduler.time.sleep", told)
    with pytest.raises(SystemExit):
        schedule.run()
