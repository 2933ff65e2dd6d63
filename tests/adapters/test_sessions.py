import time

import fakeredis
import pytest

from app.adapters.sessions import Sessions, fingerprint


@pytest.fixture
def redis():
    return fakeredis.FakeRedis()


@pytest.fixture
def sessions(redis):
    return Sessions(redis)


TOKEN = fingerprint("the token of this service")


def test_a_code_opens_once(sessions):
    code = sessions.new_code()
    assert sessions.use_code(code)
    assert not sessions.use_code(code)


def test_a_code_that_was_never_given_out_opens_nothing(sessions):
    sessions.new_code()
    assert not sessions.use_code("AAAAAAAAAAAAAAAAAAAAAA")
    assert not sessions.use_code("")
    assert not sessions.use_code("\ud800")


def test_a_code_has_128_bits_and_ten_minutes(sessions, redis):
    code = sessions.new_code()
    assert len(code) == 22
    (key,) = redis.keys("ingest:code:*")
    assert 590 < redis.ttl(key) <= 600
    assert code.encode() not in key


def test_a_session_is_open_until_it_is_closed(sessions):
    session_id = sessions.open(TOKEN)
    assert sessions.is_open(session_id, TOKEN)
    sessions.close(session_id)
    assert not sessions.is_open(session_id, TOKEN)


def test_a_session_ends_when_the_token_changes(sessions):
    session_id = sessions.open(TOKEN)
    assert not sessions.is_open(session_id, fingerprint("another token of it"))


def test_redis_holds_neither_the_session_id_nor_the_token(sessions, redis):
    session_id = sessions.open(TOKEN)
    (key,) = redis.keys("ingest:session:*")
    assert session_id.encode() not in key
    assert b"the token" not in redis.get(key)
    assert redis.ttl(key) <= 12 * 3600


def test_wrong_logins_are_counted_for_each_address(sessions):
    assert [sessions.count_failure("192.0.2.1") for _ in range(3)] == [1, 2, 3]
    assert sessions.count_failure("192.0.2.2") == 1


def test_the_count_runs_out_a_minute_after_the_first(sessions, redis):
    sessions.count_failure("192.0.2.1")
    (key,) = redis.keys("ingest:failures:*")
    redis.expireat(key, int(time.time()) + 5)
    sessions.count_failure("192.0.2.1")
    assert redis.ttl(key) <= 5, "a later failure must not prolong the minute"


def test_a_right_login_clears_the_count(sessions):
    sessions.count_failure("192.0.2.1")
    sessions.forgive("192.0.2.1")
    assert sessions.count_failure("192.0.2.1") == 1
