import pytest

from app.domain.retry import RetryPolicy


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 60), (2, 120), (3, 240)])
def test_the_wait_doubles(attempt, seconds):
    assert RetryPolicy().delay_after(attempt) == seconds * 1000


def test_after_the_last_attempt_there_is_no_other():
    assert RetryPolicy().delay_after(4) is None
    assert RetryPolicy(max_retries=0).delay_after(1) is None


def test_the_attempts_are_one_more_than_the_retries():
    assert RetryPolicy().max_attempts == 4
