"""Is the Redis that would be used one that keeps jobs? Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from app.adapters.redis_facts import RedisFacts
from app.adapters.server_binaries import OLDEST_VERSION
from app.ingestion.system_warnings import system_warnings
from app.supervision.findings import Finding, advice, fine, wrong

#: A round trip that takes longer is told (seconds); it usually takes less than one thousandth.
SLOW_SECONDS = 0.05
#: Clocks that differ by more are told (seconds).
CLOCK_SECONDS = 5.0
TOPIC = "redis"


def of_redis(facts: RedisFacts, url: str) -> Iterator[Finding]:
    yield from _kind(facts)
    yield from _speed(facts)
    yield from _durability(facts)
    yield from _memory(facts)
    yield from _rights(facts)
    yield from _clock(facts)
    yield from _way_there(url)


def _kind(facts: RedisFacts) -> Iterator[Finding]:
    oldest = ".".join(map(str, OLDEST_VERSION))
    if not facts.version_numbers:
        yield advice(
            TOPIC, "it does not tell its version", why=f"{oldest} or later is needed", do="allow INFO to this user"
        )
    elif facts.version_numbers < OLDEST_VERSION:
        yield wrong(
            TOPIC,
            f"{facts.kind} {facts.version} is too old",
            why=f"commands of {oldest} are used",
            do=f"install Valkey, or Redis {oldest} or later",
        )
    else:
        yield fine(TOPIC, f"{facts.kind} {facts.version} answers in {facts.seconds * 1000:.1f} ms")
    if facts.is_replica:
        yield wrong(TOPIC, "it is a replica", why="nothing can be written to it", do="set REDIS_URL to the primary")
    if facts.is_cluster:
        yield wrong(
            TOPIC,
            "it is a cluster",
            why="a job's step spans several keys",
            do="use one server, with a replica if need be",
        )


def _speed(facts: RedisFacts) -> Iterator[Finding]:
    if facts.seconds > SLOW_SECONDS:
        yield advice(
            TOPIC,
            f"a round trip takes {facts.seconds * 1000:.0f} ms",
            why="each job needs about ten of them",
            do="bring it nearer to the workers, and look at its load",
        )


def _durability(facts: RedisFacts) -> Iterator[Finding]:
    if facts.keeps_log is False:
        yield advice(
            TOPIC,
            "it writes no append-only file",
            why="after a crash it comes back without the jobs since its last snapshot; they are read again from their files",
            do="set appendonly yes and appendfsync everysec",
        )
    elif facts.keeps_log:
        yield fine(TOPIC, "it writes an append-only file")
    if not facts.log_written:
        yield wrong(
            TOPIC, "it cannot write its append-only file", why="it refuses every write", do="make room on its disk"
        )


def _memory(facts: RedisFacts) -> Iterator[Finding]:
    found = system_warnings(facts.memory, free_bytes=None, min_free_bytes=0)
    for warning in found:
        make = wrong if warning.code == "eviction_policy" else advice
        yield make(TOPIC, warning.message, why="jobs are kept there", do=warning.suggestion)
    if not found and facts.memory.eviction_policy:
        yield fine(TOPIC, f"it evicts nothing (maxmemory-policy {facts.memory.eviction_policy})")


def _rights(facts: RedisFacts) -> Iterator[Finding]:
    if not facts.runs_scripts:
        yield wrong(
            TOPIC, "it runs no scripts", why="each step of a job is one", do="allow EVAL and EVALSHA to this user"
        )
    if not facts.shows_clients:
        yield advice(
            TOPIC,
            "it does not show its clients (CLIENT LIST)",
            why="the job of a worker that dies goes on after 15 s instead of 2",
            do="allow CLIENT to this user, and let no proxy stand between",
        )


def _clock(facts: RedisFacts) -> Iterator[Finding]:
    if abs(facts.ahead) > CLOCK_SECONDS:
        side = "ahead of" if facts.ahead > 0 else "behind"
        yield advice(
            TOPIC,
            f"its clock is {abs(facts.ahead):.0f} s {side} this machine's",
            why="jobs go by its clock alone, but times in logs do not fit those of jobs",
            do="keep both by NTP",
        )


def _way_there(url: str) -> Iterator[Finding]:
    address = urlsplit(url)
    if address.scheme == "unix" or address.hostname in ("localhost", "127.0.0.1", "::1"):
        return
    if not address.password:
        yield advice(
            TOPIC,
            "it asks for no password",
            why="whoever reaches it can take and change every job",
            do="set one (requirepass or an ACL) and give it in REDIS_URL",
        )
    if address.scheme in ("redis", "redis+sentinel"):
        yield advice(
            TOPIC,
            "the way to it is not encrypted",
            why="names of files and previews of texts pass over the network",
            do="use rediss://, or a network that is private",
        )
