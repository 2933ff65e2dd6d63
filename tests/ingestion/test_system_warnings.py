import pytest

from app.adapters.redis_memory import RedisMemory
from app.ingestion.system_warnings import system_warnings

FINE = RedisMemory(used_bytes=10, max_bytes=1000, eviction_policy="noeviction")
MIB = 1024 * 1024


def codes(redis=FINE, *, free=None, least=512 * MIB):
    return [warning.code for warning in system_warnings(redis, free_bytes=free, min_free_bytes=least)]


def test_nothing_is_warned_of_where_all_is_well_or_nobody_tells():
    assert codes(free=10_000 * MIB) == []
    assert codes(RedisMemory(), free=None) == []
    assert codes(RedisMemory(10**12, 0, "noeviction"), free=0, least=0) == []


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_redis_that_may_forget_is_warned_of(policy):
    assert codes(RedisMemory(10, 1000, policy)) == ["eviction_policy"]


def test_little_memory_left_is_warned_of():
    assert codes(RedisMemory(851, 1000, "noeviction")) == ["redis_memory_low"]
    assert codes(RedisMemory(850, 1000, "noeviction")) == []


@pytest.mark.parametrize(("free", "words"), [(700, "refused below 512 MiB"), (100, "refused now")])
def test_little_room_is_warned_of_before_uploads_are_refused_and_after(free, words):
    (warning,) = system_warnings(FINE, free_bytes=free * MIB, min_free_bytes=512 * MIB)
    assert warning.code == "storage_low"
    assert f"{free} MiB are free" in warning.message
    assert words in warning.message
