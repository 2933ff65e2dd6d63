import pytest

from app.adapters.breaker import FAILURES, Breaker
from app.adapters.s3_errors import CONNECTION, TABLE, meaning_of
from app.adapters.s3_patience import Caller, Patience, Refusal
from app.errors import CATALOGUE, StorageFailed, StorageUnavailable


class Time:
    """Moves when somebody sleeps."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def patience(time, seconds=4.0, answer_seconds=3.0):
    return Patience(seconds, answer_seconds, clock=time, sleep=time.sleep, chance=lambda: 1.0)


def refused(code):
    return Refusal(code, meaning_of(code))


def step_that_fails(times, code=CONNECTION):
    asked = []

    def step(seconds):
        asked.append(seconds)
        if len(asked) <= times:
            raise refused(code)
        return "found"

    return step, asked


def test_what_may_pass_is_asked_again_after_growing_pauses():
    time = Time()
    step, asked = step_that_fails(4)
    assert patience(time).asks(step) == "found"
    assert len(asked) == 5
    assert time.slept == [0.1, 0.2, 0.4, 0.8]


def test_the_pauses_have_chance_in_them():
    time = Time()
    step, _ = step_that_fails(2)
    Patience(4.0, 3.0, clock=time, sleep=time.sleep, chance=lambda: 0.5).asks(step)
    assert time.slept == [0.05, 0.1]


def test_it_gives_up_before_its_time_is_over_and_tells_each_try_what_is_left():
    time = Time()
    step, asked = step_that_fails(1_000)
    with pytest.raises(Refusal):
        patience(time).asks(step)
    assert time.now < 4.0
    assert asked[0] == 3.0  # the longest silence
    assert asked[-1] == pytest.approx(4.0 - time.now)


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchKey", 403])
def test_what_stays_refused_is_not_asked_again(code):
    time = Time()
    step, asked = step_that_fails(1, code)
    with pytest.raises(Refusal):
        patience(time).asks(step)
    assert len(asked) == 1


def test_refusals_come_out_as_our_errors():
    time = Time()
    for code, error, ours in [
        (CONNECTION, StorageUnavailable, "storage_unavailable"),
        (500, StorageUnavailable, "storage_unavailable"),
        ("SlowDown", StorageUnavailable, "storage_unavailable"),
        ("AccessDenied", StorageUnavailable, "storage_unavailable"),
        ("XMinioStorageFull", StorageUnavailable, "storage_full"),
        ("NoSuchKey", StorageFailed, "blob_missing"),
        ("PreconditionFailed", StorageFailed, "blob_corrupt"),
        ("SomethingNew", StorageUnavailable, "storage_unavailable"),
    ]:
        with pytest.raises(error, match=ours):
            Caller(patience(time)).ask(step_that_fails(1_000, code)[0])


def test_a_refusal_says_what_the_operator_has_to_look_at():
    with pytest.raises(StorageUnavailable) as caught:
        Caller(patience(Time())).ask(step_that_fails(1, "SignatureDoesNotMatch")[0])
    assert "S3_SECRET_KEY" in caught.value.suggestion


def test_every_row_of_the_table_is_an_error_of_the_catalogue():
    assert {meaning.code for meaning in TABLE.values()} <= CATALOGUE.keys()


@pytest.mark.parametrize(("status", "permanent"), [(301, True), (403, True), (429, False), (500, False), (503, False)])
def test_an_answer_that_is_no_s3_is_judged_by_its_status(status, permanent):
    assert meaning_of(status).permanent is permanent


def test_a_store_that_failed_five_callers_is_not_asked_by_the_sixth():
    time = Time()
    caller = Caller(patience(time, seconds=0.01), Breaker(clock=time))
    step, asked = step_that_fails(1_000)
    for _ in range(FAILURES):
        with pytest.raises(StorageUnavailable):
            caller.ask(step)
    before = len(asked)
    with pytest.raises(StorageUnavailable) as caught:
        caller.ask(step)
    assert len(asked) == before
    assert caught.value.retry_after >= 5


def test_what_is_missing_is_no_failure_of_the_store():
    caller = Caller(patience(Time()), Breaker(clock=Time()))
    step, asked = step_that_fails(1_000, "NoSuchKey")
    for _ in range(2 * FAILURES):
        with pytest.raises(StorageFailed):
            caller.ask(step)
    assert len(asked) == 2 * FAILURES


def test_thousands_of_tries_without_a_pause_are_borne():
    """A store that refuses at once is asked as often as the chances say: no number may grow out of its bounds."""
    time = Time()
    step, asked = step_that_fails(2_000)
    assert Patience(4.0, 3.0, clock=time, sleep=time.sleep, chance=lambda: 0.0).asks(step) == "found"
    assert len(asked) == 2_001
