"""The scripts put jobs in order as the domain says (`app/domain/order.py`), and keep deliveries and waiting jobs in balance."""

from __future__ import annotations

import fakeredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.job_queues import JobQueues
from app.adapters.job_store import JobStore
from app.domain.job import PRIORITIES, Failure, FileInfo, Job, Priority
from app.domain.order import Order
from app.domain.retry import RetryPolicy
from tests.conftest import Clock

AGING = 900_000
HIGH, MEDIUM, LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW


class Side:
    """The store and its queues as web and worker use them: each job is delivered, each claim is led by a delivery."""

    def __init__(self, *, aging_ms=AGING):
        self.redis, self.clock, self.claims = fakeredis.FakeRedis(), Clock(), 0
        self.store = JobStore(self.redis, clock=self.clock, aging_ms=aging_ms)
        self.queues = JobQueues(self.redis)
        self.store.set_installation("x")

    def add(self, job_id, priority=MEDIUM, owner=None):
        file = FileInfo("a", 1, "t", "0")
        job = Job.new(job_id, priority=priority, file=file, now=self.clock.now, user_id=owner)
        self.store.add(job, installation="x")
        self.queues.deliver(job)

    def pop(self, only=PRIORITIES):
        """The highest delivery that there is, as a worker takes it."""
        paused = self.store.paused()
        for priority in only:
            taken = None if priority in paused else self.redis.lpop(f"rq:queue:{priority.value}")
            if taken:
                return priority, f"rq:job:{taken.decode()}"
        return None, ""

    def take(self, only=PRIORITIES):
        priority, delivery = self.pop(only)
        return self.claim(priority, serves=only, delivery=delivery) if priority else None

    def claim(self, priority, *, serves=PRIORITIES, delivery=""):
        self.claims += 1
        return self.store.claim_next(priority, holder="w", token=f"t{self.claims}", serves=serves, delivery=delivery)

    def is_balanced(self):
        return all(
            self.redis.llen(f"rq:queue:{p.value}") == self.redis.zcard(f"ingest:waiting:{p.value}") for p in PRIORITIES
        ) and self.redis.keys("rq:job:*").__len__() == sum(self.queues.depths().values())


@pytest.fixture
def side():
    return Side()


_STEPS = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(PRIORITIES), st.sampled_from([None, "ann", "bob", "cy"])),
    st.tuples(st.just("take")),
    st.tuples(st.just("back")),
    st.tuples(st.just("wait"), st.integers(1, 2 * AGING)),
    st.tuples(st.just("pause"), st.sampled_from(PRIORITIES)),
    st.tuples(st.just("resume"), st.sampled_from(PRIORITIES)),
)


@given(
    st.lists(_STEPS, max_size=60),
    st.sampled_from([PRIORITIES, (Priority.URGENT,), (HIGH, LOW)]),
    st.sampled_from([0, AGING]),
)
def test_the_scripts_choose_as_the_domain_does(steps, serves, aging_ms):
    side, order, held, number = Side(aging_ms=aging_ms), Order(aging_ms), [], 0
    for step in [*steps, *[("take",)] * 5]:
        now = side.clock.now
        if step[0] == "add":
            number += 1
            side.add(f"job_{number}", step[1], step[2])
            order.lines[step[1]].add(f"job_{number}", owner=step[2] or "", since=now, now=now)
        elif step[0] == "take":
            asked, delivery = side.pop(serves)
            taken = side.claim(asked, serves=serves, delivery=delivery) if asked else None
            expected = order.next(asked, serves=serves, paused=side.store.paused(), now=now) if asked else None
            assert (taken and (taken.id, taken.priority)) == expected
            held += [taken] if taken else []
        elif step[0] == "back" and held:
            job = held.pop()
            back = job.given_back(now=now)
            assert side.store.replace(job, back)
            side.queues.deliver(back)
            order.lines[job.priority].add(job.id, owner=job.user_id or "", came_back=True, since=now, now=now)
        elif step[0] == "wait":
            side.clock.now += step[1]
        elif step[0] in ("pause", "resume"):
            getattr(side.store, step[0])(step[1])
        assert side.is_balanced(), step
    for priority in PRIORITIES:
        line = order.lines[priority]
        stands = side.redis.zrange(f"ingest:waiting:{priority.value}", 0, -1, withscores=True)
        assert [(int(place), job_id.decode()) for job_id, place in stands] == line.jobs
        since = side.redis.zrange(f"ingest:since:{priority.value}", 0, -1, withscores=True)
        assert {job_id.decode(): int(at) for job_id, at in since} == line.since


def test_a_worker_of_one_priority_takes_no_other(side):
    side.add("low", LOW)
    side.clock.advance(10_000)
    side.add("urgent", Priority.URGENT)
    assert side.take((Priority.URGENT,)).id == "urgent"
    assert side.take((Priority.URGENT,)) is None


def test_the_delivery_of_what_was_taken_out_of_turn_goes_to_the_line_that_waits_on(side):
    side.add("medium", MEDIUM)
    side.clock.advance(901)
    side.add("high", HIGH)
    assert side.take().id == "medium"
    assert (side.queues.depths()["high"], side.queues.depths()["medium"]) == (1, 0)
    assert side.take().id == "high"
    assert side.is_balanced()


def test_a_delivery_that_finds_its_line_empty_takes_what_has_risen_and_leaves_none_over(side):
    side.add("medium", MEDIUM)
    side.clock.advance(901)
    side.queues.notify(HIGH, "gone")
    assert side.take().id == "medium"
    assert side.is_balanced()


def test_a_claim_without_a_delivery_leaves_the_lists_to_its_caller(side):
    side.add("medium", MEDIUM)
    side.clock.advance(901)
    side.add("high", HIGH)
    job = side.claim(HIGH)
    assert job.priority is MEDIUM
    side.queues.take_one(job.priority)
    assert side.is_balanced()


def test_a_job_tried_again_stands_before_those_that_came_later_from_others(side):
    side.add("first", owner="ann")
    side.add("second", owner="bob")
    job = side.take()
    side.store.replace(job, job.failed(Failure.of("job_timeout"), now=side.clock.now, policy=RetryPolicy(3, 1)))
    side.add("third", owner="ann")
    side.clock.advance(2)
    assert side.store.stage() == [("first", MEDIUM)]
    assert side.claim(MEDIUM).id == "first"


def test_many_jobs_run_anew_leave_others_their_turn(side):
    """A bulk retry of one owner's failed jobs is a hail of new ones."""
    for number in range(20):
        side.add(f"ann{number}", owner="ann")
    ended = []
    for _ in range(20):
        job = side.take()
        ended.append(job.failed(Failure.of("corrupt_document"), now=side.clock.now, policy=RetryPolicy()))
        side.store.replace(job, ended[-1])
    side.add("bob0", owner="bob")
    for job in ended:
        side.store.replace(job, job.retried(now=side.clock.now))
    side.add("bob1", owner="bob")
    order = [side.claim(MEDIUM).id for _ in range(22)]
    assert order.index("bob0") <= 1
    assert order.index("bob1") <= 3


def test_a_job_run_anew_is_behind_those_of_its_owner_and_one_given_back_in_front(side):
    for number in range(4):
        side.add(f"ann{number}", owner="ann")
    failed, given_back = side.take(), side.take()
    ended = failed.failed(Failure.of("corrupt_document"), now=side.clock.now, policy=RetryPolicy())
    side.store.replace(failed, ended)
    side.store.replace(ended, ended.retried(now=side.clock.now))
    side.store.replace(given_back, given_back.given_back(now=side.clock.now))
    assert [side.claim(MEDIUM).id for _ in range(4)] == ["ann1", "ann2", "ann3", "ann0"]


def test_who_comes_when_much_was_served_has_a_turn_and_no_more(side):
    for number in range(20):
        side.add(f"ann{number}", owner="ann")
    for _ in range(10):
        side.take()
    for number in range(5):
        side.add(f"bob{number}", owner="bob")
    order = [side.take().id[:3] for _ in range(6)]
    assert {order.count("ann"), order.count("bob")} <= {2, 3, 4}


# ---- beside an older version -----------------------------------------------------------------------------------------


def as_the_older_version_adds(side, job_id, owner=None):
    """A record in the line by its creation, and nothing else of the order."""
    side.add(job_id, owner=owner)
    side.redis.zadd("ingest:waiting:medium", {job_id: side.clock.now})
    for key in ("since:medium", "line:medium", "owners:medium"):
        side.redis.delete(f"ingest:{key}")


def test_what_an_older_version_left_is_served_first_and_in_its_order(side):
    for number in range(3):
        as_the_older_version_adds(side, f"old{number}", owner="ann")
        side.clock.advance(60)
    for number in range(2):
        side.add(f"new{number}", owner="ann")
    assert [side.take().id for _ in range(5)] == ["old0", "old1", "old2", "new0", "new1"]


def test_an_upload_to_the_older_version_is_not_behind_all_of_a_long_line(side):
    for number in range(50):
        side.add(f"many{number}", owner="ann")
    side.clock.advance(5)
    kept = {key: side.redis.dump(f"ingest:{key}") for key in ("since:medium", "line:medium", "owners:medium")}
    as_the_older_version_adds(side, "old", owner="bob")
    for key, value in kept.items():
        side.redis.restore(f"ingest:{key}", 0, value, replace=True)
    assert "old" in [side.take().id for _ in range(8)]


def test_what_an_older_version_took_raises_no_line(side):
    side.add("gone", MEDIUM)
    side.clock.advance(901)
    side.add("fresh", MEDIUM)
    side.add("high", HIGH)
    side.redis.zrem("ingest:waiting:medium", "gone")
    assert side.claim(HIGH).id == "high"
    assert side.redis.zscore("ingest:since:medium", "gone") is None


def test_the_sweep_clears_away_what_an_older_version_took_and_owners_that_owe_nothing(side):
    for owner in ("ann", "bob"):
        side.add(f"{owner}0", owner=owner)
        side.add(f"{owner}1", owner=owner)
    side.redis.zrem("ingest:waiting:medium", "ann1")
    side.queues.balance(MEDIUM)
    assert sorted(side.redis.zrange("ingest:since:medium", 0, -1)) == [b"ann0", b"bob0", b"bob1"]
    for _ in range(3):
        side.add("cy", owner="cy")
        side.take()
    assert side.redis.zcard("ingest:owners:medium") == 3
    side.take()
    side.queues.balance(MEDIUM)
    assert side.redis.zcard("ingest:owners:medium") == 0
