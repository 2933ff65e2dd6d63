from app.adapters.breaker import FAILURES, REST_SECONDS, Breaker


class Time:
    now = 100.0

    def __call__(self):
        return self.now


def broken(time):
    breaker = Breaker(clock=time)
    for _ in range(FAILURES):
        assert breaker.lets_through()
        breaker.failed()
    return breaker


def test_it_opens_after_five_failures_in_a_row():
    assert not broken(Time()).lets_through()


def test_a_success_in_between_starts_the_count_anew():
    breaker = Breaker(clock=Time())
    for _ in range(FAILURES - 1):
        breaker.failed()
    breaker.succeeded()
    for _ in range(FAILURES - 1):
        breaker.failed()
    assert breaker.lets_through()


def test_after_a_rest_one_caller_may_try_and_the_others_wait_for_its_outcome():
    time = Time()
    breaker = broken(time)
    time.now += REST_SECONDS
    assert [breaker.lets_through() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert breaker.lets_through()


def test_a_probe_that_fails_begins_another_rest():
    time = Time()
    breaker = broken(time)
    time.now += REST_SECONDS
    assert breaker.lets_through()
    breaker.failed()
    assert breaker.seconds_left == REST_SECONDS
    time.now += REST_SECONDS - 0.1
    assert not breaker.lets_through()


def test_a_probe_that_never_tells_its_outcome_does_not_close_the_door_for_ever():
    time = Time()
    breaker = broken(time)
    time.now += REST_SECONDS
    assert breaker.lets_through()
    time.now += REST_SECONDS
    assert breaker.lets_through()
