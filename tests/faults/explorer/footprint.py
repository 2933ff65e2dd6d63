"""What a step reads and what it writes, as sets of bits: two steps whose sets do not meet may change places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from app.adapters.evidence import PLACES

#: Commands in which the server's time plays no part, unless a key of theirs runs out some time.
TIMELESS = frozenset({"DEL", "HDEL", "HSET", "LPOP", "RPUSH", "SADD", "SREM", "ZADD", "ZREM"}) | {
    *("EXISTS", "GET", "HGET", "HGETALL", "HMGET", "LLEN", "LRANGE", "SMEMBERS", "ZCARD", "ZMSCORE", "ZRANGE"),
    *("ZRANGEBYSCORE", "ZSCORE"),
}
#: What is judged at every state: a step that writes none of it can be judged later.
JUDGED = (b"ingest:job:", b"ingest:log:", b"ingest:tombs", *(f"ingest:{place}".encode() for place in PLACES))


class Footprint(NamedTuple):
    reads: int
    writes: int


class Footprints:
    """Gives each thing its bit. `groups` are the bits that stand for "one of these": who lists a folder reads the
    group, who writes a file in it writes the group too, and two such writers do not meet by that."""

    def __init__(self) -> None:
        self._bits: dict[object, int] = {}
        self.time, self.clients, self.restarts = (self.bit(name) for name in ("time", "clients", "restarts"))
        self.groups = 0
        self.any_key, self._uploads, self._results = (self._group(name) for name in ("keys", "uploads", "results"))
        self.judged = self.time

    def bit(self, thing: object) -> int:
        known = self._bits.get(thing)
        if known is None:
            known = self._bits[thing] = 1 << len(self._bits)
            if isinstance(thing, bytes) and thing.startswith(JUDGED):
                self.judged |= known
        return known

    def _group(self, thing: object) -> int:
        bit = self.bit(thing)
        self.groups |= bit
        return bit

    def of_keys(self, read: Iterable[bytes | None], written: Iterable[bytes], *, timeless: bool) -> Footprint:
        """`None` among those that were read is a look at which keys there are."""
        reads, writes = 0 if timeless else self.time, 0
        for key in written:
            writes |= self.bit(key) | self.any_key
        for name in read:
            reads |= self.any_key if name is None else self.bit(name)
        return Footprint(reads | (writes & ~self.groups), writes)

    def of_blobs(self, method: str, args: tuple[Any, ...]) -> Footprint:
        if method in ("list_uploads", "list_results", "is_empty"):
            return Footprint(self._uploads | self._results | self.time, 0)
        if method == "results_of":
            return Footprint(self._group(("results of", args[0])), 0)
        upload, result, own = self.bit(("upload", *args[:1])), self.bit(("result", *args[:2])), self.bit("installation")
        if method in ("manifest", "bytes_of"):
            return Footprint(upload, 0)
        if method in ("put_upload", "delete_upload"):
            return Footprint(upload | self.time, upload | self._uploads)
        if method == "result":
            return Footprint(result, 0)
        if method in ("put_result", "delete_result"):
            return Footprint(result | self.time, result | self._results | self._group(("results of", args[0])))
        return Footprint(own, 0 if method == "installation" else own)


class Watched(dict[Any, Any]):
    """The keys of a Redis, which notes those that were looked for, and None where all were gone through."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[Any] = set()

    def __getitem__(self, key: Any) -> Any:
        self.seen.add(key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self.seen.add(key)
        return super().get(key, default)

    def __contains__(self, key: Any) -> bool:
        self.seen.add(key)
        return super().__contains__(key)

    def __iter__(self) -> Any:
        self.seen.add(None)
        return super().__iter__()

    def items(self) -> Any:
        self.seen.add(None)
        return super().items()
