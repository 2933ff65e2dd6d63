from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain.job import PRIORITIES, Priority
from app.domain.order import Line, Order, height_of

T = 1_700_000_000_000
AGING = 900_000
HIGH, MEDIUM, LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW


def line_of(*owners):
    """A line whose jobs are named after their owner: a0, a1, b0 …"""
    line = Line()
    for owner in owners:
        add(line, owner)
    return line


def add(line, owner, **given):
    number = sum(job_id.startswith(owner) for _, job_id in line.jobs)
    line.add(f"{owner}{number}", **{"owner": owner, "since": T, "now": T, **given})


def taken(line):
    return [line.take() for _ in range(len(line.jobs))]


def test_one_owner_is_served_in_the_order_of_arrival():
    assert taken(line_of(*"aaaa")) == ["a0", "a1", "a2", "a3"]


def test_owners_with_one_job_each_are_served_in_the_order_of_arrival():
    assert taken(line_of(*"zcyabx")) == ["z0", "c0", "y0", "a0", "b0", "x0"]


def test_owners_take_turns():
    assert taken(line_of(*"aaaabb")) == ["a0", "b0", "a1", "b1", "a2", "a3"]


def test_who_comes_later_is_not_behind_all_that_came_before():
    line = line_of(*"aaaaaa")
    assert [line.take(), line.take()] == ["a0", "a1"]
    add(line, "b")
    assert line.take() in ("b0", "a2")
    assert "b0" not in [job_id for _, job_id in line.jobs[1:]]


def test_who_had_the_service_alone_for_long_does_not_pay_for_it_later():
    line = line_of(*"aaaa")
    for _ in range(3):
        line.take()
    add(line, "b")
    add(line, "b")
    assert taken(line)[:2] in (["b0", "a3"], ["a3", "b0"])


def test_a_job_that_came_back_stands_in_front():
    line = line_of(*"abcd")
    assert line.take() == "a0"
    line.add("again", owner="a", came_back=True, since=T, now=T)
    assert line.take() == "again"


def test_a_hail_of_jobs_that_come_back_leaves_others_their_turn():
    line = line_of(*"xab")
    line.take()
    for number in range(50):
        line.add(f"back{number}", owner="a", came_back=True, since=T, now=T)
    assert taken(line).index("b0") <= 3


def ten_thousand_and_ten(position):
    """The line when `position` jobs of the 10,000 were served and ten of another come; where the ten are taken."""
    line = line_of()
    for number in range(10_000):
        line.add(f"many{number}", owner="many", since=T, now=T)
    for _ in range(position):
        line.take()
    for number in range(10):
        line.add(f"few{number}", owner="few", since=T, now=T)
    order = taken(line)
    assert [job_id for job_id in order if job_id.startswith("many")] == [f"many{n}" for n in range(position, 10_000)]
    return [order.index(f"few{number}") + 1 for number in range(10)]


def test_ten_thousand_jobs_of_one_delay_ten_of_another_by_no_more_than_twice_their_idle_wait():
    """One worker, a second a job: alone the ten are done after 1 … 10 s."""
    for position in (0, 1, 5_000, 9_000):
        assert all(done <= 2 * alone for alone, done in enumerate(ten_thousand_and_ten(position), 1))


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=60), st.data())
def test_nobody_waits_for_more_than_a_share(owners, data):
    """Before the n-th job of an owner stand at most n of each other: and one more, which had its turn before ours came."""
    line = line_of(*owners)
    mine = data.draw(st.integers(0, len(line.jobs)))
    for _ in range(mine):
        line.take()
    before = len(line.jobs)
    for number in range(5):
        line.add(f"me{number}", owner="me", since=T, now=T)
    order = taken(line)
    assert len(order) == before + 5
    for number in range(5):
        ahead = order[: order.index(f"me{number}")]
        assert all(sum(job_id.startswith(owner) for job_id in ahead) <= number + 2 for owner in "abcde")


@given(st.lists(st.integers(0, 3), min_size=1, max_size=300))
def test_nobody_starves_however_many_newcomers_there_are(arrivals):
    """Each step one job is served and some come, each of somebody new; the second job of `a` is served in the end."""
    line = line_of("a", "a")
    number = 0
    waited = 0
    while any(job_id == "a1" for _, job_id in line.jobs):
        for _ in range(arrivals[number % len(arrivals)] if number < 600 else 2):
            line.add(f"new{number}-{waited}", owner=f"new{number}-{waited}", since=T, now=T)
            waited += 1
        line.take()
        number += 1
        assert number <= 1_005, "overtaken by more newcomers than a quantum holds"


def test_the_line_forgets_what_anybody_owed_when_nobody_waits():
    line = line_of(*"aaa")
    taken(line)
    line.add("a9", owner="a", since=T, now=T + 5)
    assert line.jobs == [(T + 5, "a9")]


# ---- ageing ----------------------------------------------------------------------------------------------------------


def order_of(*jobs, aging=AGING):
    order = Order(aging)
    for priority, job_id, age in jobs:
        order.lines[priority].add(job_id, owner=job_id[0], since=T - age, now=T)
    return order


def called(order, priority, **given):
    found = order.next(priority, **{"serves": PRIORITIES, "now": T, **given})
    return found[0] if found else None


def test_heights():
    assert [height_of(LOW, minutes * 60_000, AGING) for minutes in (0, 14, 15, 29, 30, 45, 600)] == [
        3,
        3,
        2,
        2,
        1,
        0,
        0,
    ]
    assert height_of(LOW, 10**9, 0) == 3


def test_a_job_that_waited_long_counts_as_one_step_higher():
    assert called(order_of((HIGH, "h", 0), (MEDIUM, "m", AGING)), HIGH) == "m"


def test_a_moment_before_it_does_not():
    assert called(order_of((HIGH, "h", 0), (MEDIUM, "m", AGING - 1)), HIGH) == "h"


def test_two_steps_need_twice_the_time():
    assert called(order_of((HIGH, "h", 0), (LOW, "l", 2 * AGING - 1)), HIGH) == "h"
    assert called(order_of((HIGH, "h", 0), (LOW, "l", 2 * AGING)), HIGH) == "l"


def test_what_counts_as_urgent_goes_before_what_is_high():
    order = order_of(*((HIGH, f"h{n}", 0) for n in range(3)), *((MEDIUM, f"m{n}", 2 * AGING) for n in range(3)))
    assert [called(order, HIGH) for _ in range(6)] == ["m0", "m1", "m2", "h0", "h1", "h2"]


def test_on_the_same_height_they_take_turns():
    order = order_of(*((HIGH, f"h{n}", 0) for n in range(4)), *((MEDIUM, f"m{n}", AGING) for n in range(4)))
    first_six = [called(order, HIGH)[0] for _ in range(6)]
    assert {first_six.count("h"), first_six.count("m")} <= {2, 3, 4}


def test_only_what_the_worker_serves_and_what_is_not_paused():
    given_ = ((HIGH, "h", 0), (MEDIUM, "m", 9 * AGING))
    assert called(order_of(*given_), HIGH, serves=(HIGH,)) == "h"
    assert called(order_of(*given_), HIGH, paused={MEDIUM}) == "h"
    assert called(order_of(*given_), HIGH, paused={HIGH}) is None


def test_ageing_can_be_turned_off():
    assert called(order_of((HIGH, "h", 0), (LOW, "l", 10**9), aging=0), HIGH) == "h"


@given(st.lists(st.integers(0, 3), max_size=20))
def test_what_is_low_is_served_under_an_endless_flood_of_higher_ones(flood):
    """A job a minute is served, and as many come as are served."""
    order = order_of((LOW, "low", 0))
    for minute in range(400):
        now = T + minute * 60_000
        priority = PRIORITIES[flood[minute % len(flood)] if flood else 0]
        order.lines[priority].add(f"{minute}", owner="flood", since=now, now=now)
        for asked in PRIORITIES:
            if order.lines[asked].jobs:
                break
        if called(order, asked, now=now) == "low":
            return
    raise AssertionError("never served")
