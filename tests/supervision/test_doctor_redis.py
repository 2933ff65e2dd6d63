from dataclasses import replace

import pytest

from app.adapters.redis_facts import RedisFacts, redis_facts
from app.adapters.redis_memory import RedisMemory
from app.errors import QueueUnavailable
from app.supervision.doctor_redis import of_redis
from app.supervision.findings import Level

SOUND = RedisFacts(
    kind="Valkey",
    version="8.1.3",
    seconds=0.0004,
    ahead=0.01,
    memory=RedisMemory(used_bytes=10, max_bytes=0, eviction_policy="noeviction"),
    keeps_log=True,
    log_written=True,
    is_replica=False,
    is_cluster=False,
    shows_clients=True,
    runs_scripts=True,
)
HERE = "unix:///run/server.sock"


def told(facts, level, url=HERE):
    return [finding.what for finding in of_redis(facts, url) if finding.level is level]


def test_a_sound_redis_is_found_so():
    assert told(SOUND, Level.WRONG) == told(SOUND, Level.ADVICE) == []
    assert "Valkey 8.1.3 answers in 0.4 ms" in told(SOUND, Level.FINE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "6.0.16"}, "too old"),
        ({"is_replica": True}, "replica"),
        ({"is_cluster": True}, "cluster"),
        ({"log_written": False}, "cannot write its append-only file"),
        ({"memory": RedisMemory(1, 0, "allkeys-lru")}, "throw jobs away"),
        ({"runs_scripts": False}, "scripts"),
    ],
)
def test_what_loses_or_stops_jobs_is_wrong(change, words):
    (what,) = told(replace(SOUND, **change), Level.WRONG)
    assert words in what


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": ""}, "does not tell its version"),
        ({"seconds": 0.2}, "200 ms"),
        ({"keeps_log": False}, "no append-only file"),
        ({"memory": RedisMemory(90, 100, "noeviction")}, "90 %"),
        ({"shows_clients": False}, "CLIENT LIST"),
        ({"ahead": -61.0}, "61 s behind"),
    ],
)
def test_what_may_hurt_later_is_advice(change, words):
    (what,) = told(replace(SOUND, **change), Level.ADVICE)
    assert words in what
    assert told(replace(SOUND, **change), Level.WRONG) == []


@pytest.mark.parametrize(
    ("url", "number"),
    [
        ("redis://127.0.0.1:6379/0", 0),
        ("redis://10.0.0.7:6379/0", 2),
        ("redis://:word@10.0.0.7:6379/0", 1),
        ("rediss://:word@redis.example.org:6379/0", 0),
    ],
)
def test_a_redis_elsewhere_should_ask_for_a_password_and_be_reached_by_tls(url, number):
    assert len(told(SOUND, Level.ADVICE, url)) == number


def test_everything_that_is_not_fine_says_why_and_what_to_do():
    bad = replace(SOUND, version="5.0.0", keeps_log=False, runs_scripts=False, shows_clients=False, ahead=99.0)
    findings = [finding for finding in of_redis(bad, "redis://10.0.0.7") if finding.level is not Level.FINE]
    assert len(findings) == 7
    assert all(finding.why and finding.do for finding in findings)


def test_the_facts_are_read_from_a_server(redis):
    redis.info = lambda section=None: {
        "redis_version": "7.2.4",
        "aof_enabled": 1,
        "role": "master",
        "maxmemory_policy": "noeviction",
    }
    facts = redis_facts(redis, "nobody")
    assert (facts.kind, facts.version_numbers, facts.keeps_log, facts.is_replica) == ("Redis", (7, 2), True, False)
    assert abs(facts.ahead) < 60
    assert facts.runs_scripts


def test_a_server_that_does_not_answer_has_no_facts(services):
    from app.adapters.redis_client import quick_client

    with quick_client("unix:///nowhere/at/all.sock", "x") as client, pytest.raises(QueueUnavailable):
        redis_facts(client, "x")
