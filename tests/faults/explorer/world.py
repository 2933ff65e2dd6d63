"""The outside as a value: what Redis and the blob store hold and what time it is, and one step carried out on it.

Redis is fakeredis, which runs our Lua. A store is frozen after each step, so that any store met before can be gone back
to; what a step does in a store is carried out once and remembered.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fakeredis
import redis
from fakeredis.model import ExpiringMembersSet, Hash, XStream, ZSet
from fakeredis.model._stream import StreamEntryKey

from app.domain.job import Job
from app.errors import IngestError
from tests.faults.explorer.blobs import Blobs
from tests.faults.explorer.footprint import TIMELESS, Footprint, Footprints, Watched

LUA = Path(__file__).resolve().parents[3] / "app" / "adapters" / "lua"
START = 1_700_000_000_000
RUN_ID = "run-0"

Request = tuple[Any, ...]


@dataclass(frozen=True)
class Failed:
    """An answer that is an error."""

    error: BaseException

    def __repr__(self) -> str:
        return f"{type(self.error).__name__}({self.error})"


@dataclass(frozen=True)
class Store:
    keys: tuple[tuple[bytes, int, float | None], ...] = ()
    blobs: Blobs = field(default_factory=Blobs)
    now: int = START
    restarts: int = 0
    marked: tuple[tuple[bytes, int, float | None], ...] | None = None


class World:
    def __init__(self) -> None:
        self._server = fakeredis.FakeServer()
        self._fake = fakeredis.FakeRedis(server=self._server)
        self._fake.ping()
        self._load_scripts()
        self._db = self._server.dbs[0]
        self._touched: set[bytes] = set()
        self._db.notify_watch = self._touched.add  # type: ignore[method-assign,assignment]
        self._keys = self._db._dict = Watched()
        self.footprints = Footprints()
        self._footprint = Footprint(0, 0)
        self._values: list[Any] = []
        self._value_ids: dict[Any, int] = {}
        self.stores: list[Store] = []
        self._store_ids: dict[Store, int] = {}
        self._loaded: dict[bytes, tuple[int, float | None]] = {}
        self._done: dict[tuple[int, Request], tuple[Any, int, Footprint]] = {}
        self._jobs: dict[int, Job] = {}
        self.now = START
        self.carried_out = 0
        self.empty = self.intern(Store())

    def _load_scripts(self) -> None:
        common = (LUA / "common.lua").read_text()
        self.scripts: dict[str, str] = {}
        for path in LUA.glob("*.lua"):
            source = common + path.read_text()
            self.scripts[hashlib.sha1(source.encode()).hexdigest()] = path.stem
            self._fake.script_load(source)
        self._fake.eval("return 1", 0)
        self._server._lua_runtime = _Compiled(self._server._lua_runtime)  # type: ignore[attr-defined]

    def replace_script(self, name: str, old: str, new: str) -> None:
        """For mutants: the script under its old digest, with something taken out."""
        source = (LUA / "common.lua").read_text() + (LUA / f"{name}.lua").read_text()
        assert old in source, f"{name}.lua has changed: adapt the mutant"
        digest = hashlib.sha1(source.encode()).hexdigest().encode()
        self._server.script_cache[digest] = source.replace(old, new).encode()

    # ---- stores ---------------------------------------------------------------------------------------------

    def intern(self, store: Store) -> int:
        known = self._store_ids.setdefault(store, len(self.stores))
        if known == len(self.stores):
            self.stores.append(store)
        return known

    def value(self, store: int, key: bytes) -> Any:
        """What a key holds there, frozen; None if there is no such key."""
        for name, value, _ in self.stores[store].keys:
            if name == key:
                return self._values[value][1]
        return None

    def jobs(self, store: int) -> dict[str, Job]:
        found = {}
        for key, value, _ in self.stores[store].keys:
            if key.startswith(b"ingest:job:"):
                if value not in self._jobs:
                    self._jobs[value] = _job(dict(self._values[value][1])[b"record"])
                found[key[11:].decode()] = self._jobs[value]
        return found

    # ---- steps ----------------------------------------------------------------------------------------------

    def carry_out(self, store: int, request: Request) -> tuple[Any, int, Footprint]:
        """The answer, the store as it is then, and what the step read and wrote."""
        known = self._done.get((store, request))
        if known is None:
            self.carried_out += 1
            self._footprint = Footprint(0, 0)
            answer, later = getattr(self, f"_{request[0]}")(self.stores[store], *request[1:])
            known = self._done[store, request] = answer, later, self._footprint
        return known

    def _start(self, store: Store) -> tuple[Any, int]:
        return None, self.intern(store)

    def _advance(self, store: Store, milliseconds: int) -> tuple[Any, int]:
        """Time goes by, and what runs out is gone. The sweeps of other processes went on meanwhile and noted it: else
        it would be an outage."""
        now = store.now + milliseconds
        keys = tuple(self._swept(row, now) for row in store.keys if row[2] is None or row[2] >= now / 1000)
        touched = {b"ingest:sweep", *(row[0] for row in store.keys if row[2] is not None)}
        reads, writes = self.footprints.of_keys((), touched, timeless=False)
        self._footprint = Footprint(reads, writes | self.footprints.time)
        return None, self.intern(Store(keys, store.blobs, now, store.restarts, store.marked))

    def _swept(self, row: tuple[bytes, int, float | None], now: int) -> tuple[bytes, int, float | None]:
        if row[0] != b"ingest:sweep":
            return row
        note = {**dict(self._values[row[1]][1]), b"at": str(now).encode()}
        return row[0], self._value_id(("hash", tuple(sorted(note.items())))), row[2]

    def _mark(self, store: Store) -> tuple[Any, int]:
        """What Redis holds now is what it will come back with."""
        reads, _ = self.footprints.of_keys((None, *(row[0] for row in store.keys)), (), timeless=True)
        self._footprint = Footprint(reads, self.footprints.restarts)
        return None, self.intern(Store(store.keys, store.blobs, store.now, store.restarts, store.keys))

    def _rollback(self, store: Store) -> tuple[Any, int]:
        """Redis was killed, and comes back without its last second."""
        marked = store.marked or ()
        reads, writes = self.footprints.of_keys((None,), {row[0] for row in (*store.keys, *marked)}, timeless=True)
        self._footprint = Footprint(reads, writes | self.footprints.restarts)
        return None, self.intern(Store(marked, store.blobs, store.now, store.restarts + 1))

    def _blob(self, store: Store, method: str, *args: Any) -> tuple[Any, int]:
        self._footprint = self.footprints.of_blobs(method, args)
        try:
            answer, blobs = getattr(store.blobs, method)(store.now, *args)
        except IngestError as error:
            return Failed(error), self.intern(store)
        return answer, self.intern(Store(store.keys, blobs, store.now, store.restarts, store.marked))

    def _info(self, store: Store) -> tuple[Any, int]:
        self._footprint = Footprint(self.footprints.restarts, 0)
        return {"run_id": f"run-{store.restarts}", "redis_version": "7.2.0"}, self.intern(store)

    def _redis(self, store: Store, args: tuple[Any, ...], options: tuple[Any, ...]) -> tuple[Any, int]:
        run = lambda: self._fake.execute_command(*args, **dict(options))  # noqa: E731
        return self._on(store, run, timeless=args[0] in TIMELESS)

    def _pipe(self, store: Store, commands: tuple[Any, ...]) -> tuple[Any, int]:
        def run() -> Any:
            pipe = self._fake.pipeline(transaction=True)
            for args, options in commands:
                pipe.execute_command(*args, **dict(options))
            return pipe.execute()

        return self._on(store, run, timeless=all(args[0] in TIMELESS for args, _ in commands))

    def _on(self, store: Store, run: Any, *, timeless: bool) -> tuple[Any, int]:
        self._load(store)
        self.now = store.now
        self._touched.clear()
        self._keys.seen.clear()
        before = dict(self._loaded)
        try:
            answer = run()
        except redis.RedisError as error:
            answer = Failed(error)
        seen = {*self._keys.seen}
        for key in self._touched:
            self._freeze(key)
        ends = any(
            row[1] for rows in (before, self._loaded) for key, row in rows.items() if key in seen | self._touched
        )
        self._footprint = self.footprints.of_keys(seen, self._touched, timeless=timeless and not ends)
        keys = tuple(sorted((key, *row) for key, row in self._loaded.items()))
        return answer, self.intern(Store(keys, store.blobs, store.now, store.restarts, store.marked))

    # ---- freezing and thawing -------------------------------------------------------------------------------

    def _load(self, store: Store) -> None:
        wanted = {key: (value, expires) for key, value, expires in store.keys}
        for key in self._loaded.keys() - wanted.keys():
            self._db._dict.pop(key, None)
        for key, row in wanted.items():
            if self._loaded.get(key) != row:
                item = fakeredis._core._database.Item(_thawed(self._values[row[0]]))
                item.expireat = row[1]  # type: ignore[assignment]
                self._db._dict[key] = item
        self._loaded = wanted
        self._db._expiry_heap.clear()

    def _freeze(self, key: bytes) -> None:
        item = self._db._dict.get(key)
        if item is None:
            self._loaded.pop(key, None)
            return
        self._loaded[key] = (self._value_id(_frozen(item.value)), item.expireat)

    def _value_id(self, frozen: Any) -> int:
        known = self._value_ids.setdefault(frozen, len(self._values))
        if known == len(self._values):
            self._values.append(frozen)
        return known


def _job(record: bytes) -> Job:
    from app.adapters.job_store import JobStore

    return JobStore.load(record)


def _frozen(value: Any) -> Any:
    if isinstance(value, bytes):
        return "text", value
    if isinstance(value, Hash):
        return "hash", tuple(sorted(value._values.items()))
    if isinstance(value, ZSet):
        return "zset", tuple(sorted(value._bylex.items()))
    if isinstance(value, list):
        return "list", tuple(value)
    if isinstance(value, ExpiringMembersSet):
        return "set", tuple(sorted(value._values))
    if isinstance(value, XStream):
        return "stream", tuple((bytes(row[0]), tuple(row[1])) for row in value)
    raise TypeError(f"the explorer cannot freeze {type(value)}")


def _thawed(frozen: Any) -> Any:
    kind, content = frozen
    if kind == "hash":
        value: Any = Hash()
        value._values = dict(content)
    elif kind == "zset":
        value = ZSet()
        for member, score in content:
            value.add(member, score)
    elif kind == "list":
        value = list(content)
    elif kind == "set":
        value = ExpiringMembersSet(dict.fromkeys(content))
    elif kind == "stream":
        value = XStream()
        for entry, fields in content:
            value.add(list(fields), StreamEntryKey.parse_str(entry))
    else:
        value = content
    return value


class _Compiled:
    """The Lua runtime, with each script compiled once and no garbage collected after each."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._functions: dict[bytes, Any] = {}

    def execute(self, source: Any) -> Any:
        if source == "collectgarbage()":
            return None
        if source not in self._functions:
            self._functions[source] = self._runtime.compile(source)
        return self._functions[source]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)
