"""The service's own code over neighbours that stop before each step: what an actor is made of.

A `Player` answers from what it was told before and stops where it was told no more (`Halt`); a `Direct` one carries
every step out at once. Time, tokens and ids are the player's: the same answers always lead to the same next step.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import redis
import structlog
from redis.client import Pipeline

from app.adapters.parser_process import Document, PageFrame, ParserKilled
from app.cache import Cache
from app.services import Services
from app.settings import read_settings
from app.stopper import Stopper
from tests.faults.explorer.played_blobs import PlayedBlobs
from tests.faults.explorer.world import START, Failed, Request, World


class Halt(BaseException):
    """The code has come to a step that it has no answer to yet."""


class Player:
    """Where an actor's steps go, and where its time, tokens and ids come from."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.slug = "".join(c for c in name if c.isalnum())
        self.rewind([])

    def rewind(self, answers: list[tuple[Any, int]]) -> None:
        self._answers, self._at, self._dead = answers, 0, False
        self.pending: Request = ()
        self.now, self.slept, self._made, self.jobs = START, 0.0, 0, 0

    @property
    def now(self) -> int:
        self.looked_at_time = True
        return self._now

    @now.setter
    def now(self, milliseconds: int) -> None:
        """What time it was when the last answer came."""
        self._now, self.looked_at_time = milliseconds, False

    def step(self, request: Request) -> Any:
        if not self._dead and self._at < len(self._answers):
            answer, self.now = self._answers[self._at]
            self._at += 1
            return self._given(answer)
        if not self._dead:
            self._dead, self.pending = True, request
        raise Halt

    @staticmethod
    def _given(answer: Any) -> Any:
        if isinstance(answer, Failed):
            raise answer.error.with_traceback(None)  # else it grows with each time that it is raised
        return answer

    def made(self) -> int:
        self._made += 1
        return self._made


class Direct(Player):
    """Carries each step out at once: for what happens before and after the exploration."""

    def __init__(self, name: str, world: World, store: int, clients: tuple[str, ...] = ()) -> None:
        super().__init__(name)
        self.world, self.store, self._clients = world, store, (name, *clients)
        self.now = world.stores[store].now

    def step(self, request: Request) -> Any:
        if request[0] == "clients":
            return [{"name": name} for name in self._clients]
        answer, self.store, _ = self.world.carry_out(self.store, request)
        self.now = self.world.stores[self.store].now
        return self._given(answer)


# ---- neighbours -----------------------------------------------------------------------------------------------------


class PlayedRedis(redis.Redis):
    def __init__(self, player: Player) -> None:
        super().__init__()
        self.player = player
        setattr(self, "__rq_redis_server_version", (7, 2, 0))

    def execute_command(self, *args: Any, **options: Any) -> Any:
        name = str(args[0]).upper()
        if name == "CLIENT LIST":
            return self.player.step(("clients",))
        if name == "INFO":
            return self.player.step(("info",))
        return self.player.step(("redis", *_plain(args, options)))

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Any:
        return PlayedPipeline(self, transaction)


class PlayedPipeline(Pipeline):
    """One step if it is a transaction; else a step for each of its commands: others may come in between."""

    def __init__(self, client: PlayedRedis, transaction: bool) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, None)
        self._player, self._is_one = client.player, transaction

    def execute(self, raise_on_error: bool = True) -> Any:
        commands = tuple(_plain(args, options) for args, options in self.command_stack)
        self.command_stack = []
        if commands and self._is_one:
            return self._player.step(("pipe", commands))
        return [self._player.step(("redis", *command)) for command in commands]


def _plain(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any]:
    """What RQ writes besides ids is its own time and names: left out, so that the same step is always the same."""
    key = str(args[1]) if len(args) > 1 else ""
    if args[0] == "HSET" and key.startswith("rq:job:"):
        args = (*args[:2], "origin", "delivery")
    if args[0] == "ZADD" and key.startswith("rq:"):
        args = (*args[:2], 0, args[-1])
    kept = {name: value for name, value in options.items() if name != "keys"}
    return tuple(args), tuple(sorted(kept.items()))


class InlineKeeper:
    """The keeper's thread ticks where the parser gives a page."""

    def __init__(self) -> None:
        self._kept: list[Any] = []

    @contextlib.contextmanager
    def keeping(self, *things: Any) -> Iterator[None]:
        self._kept += things
        try:
            yield
        finally:
            self._kept = [thing for thing in self._kept if thing not in things]

    def keep(self, thing: Any) -> None:
        self._kept.append(thing)

    def stop(self) -> None:
        self._kept = []

    def tick(self) -> None:
        for thing in [*self._kept]:
            thing.tick()


class LineParser:
    """A page a line. `fault` is raised instead of the last page."""

    def __init__(self, keeper: InlineKeeper) -> None:
        self._keeper = keeper
        self.fault: Callable[[], BaseException] | None = None
        self.killed = False
        self.pid = None

    def read(self, path: Any, media_type: str, **limits: object) -> Iterator[PageFrame | Document]:
        lines = path.read_bytes().splitlines()
        return self._frames(lines)

    def _frames(self, lines: list[bytes]) -> Iterator[PageFrame | Document]:
        for number, line in enumerate(lines, 1):
            if self.fault and number == len(lines):
                raise self.fault()
            yield PageFrame(number, len(lines), line, len(line), len(line.split()))
            self._keeper.tick()
            if self.killed:
                self.killed = False
                raise ParserKilled
        yield Document(None, None, {}, (), "fake", len(lines))

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        """Nothing runs."""


class QuietStopper(Stopper):
    def wait(self, seconds: float) -> bool:
        current.player.slept += seconds
        return self.is_set


# ---- one actor ------------------------------------------------------------------------------------------------------


class _Current:
    player = Player("nobody")


current = _Current()


def services_of(player: Player) -> Services:
    """The real wiring over played neighbours."""
    settings = read_settings(env_file=None, data_dir=Path("/nowhere"), min_free_bytes=0, batch_size=2)
    made = Services(
        settings,
        client=PlayedRedis(player),
        blobs=PlayedBlobs(player),  # type: ignore[arg-type]
        name=player.name,
        clock=lambda: player.now,
    )
    refresh(made)
    return made


def refresh(services: Services) -> None:
    """As a process is when it starts."""
    services.__dict__.pop("is_visible", None)
    services.cache, services.stopper = Cache(), QuietStopper(services)
    keeper = InlineKeeper()
    services.keeper = keeper  # type: ignore[assignment]
    services.__dict__["parser"] = LineParser(keeper)
    if services.batching.locked():
        services.batching.release()


def run(player: Player, program: Callable[[Services], object], services: Services) -> object:
    """The program's result, or the code of the error that it ended with. Raises Halt."""
    from app.errors import IngestError

    current.player = player
    refresh(services)
    try:
        player.step(("start",))
        return program(services)
    except IngestError as error:
        return f"refused: {error.code}"
    except redis.RedisError:  # in what a cast does itself
        return "refused: no answer"


@contextlib.contextmanager
def deterministic(world: World) -> Iterator[None]:
    """Time, tokens and ids are the player's for as long as this lasts; what is logged goes nowhere."""
    config = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=False)

    def sleep(seconds: float) -> None:
        current.player.slept += seconds

    def job_id() -> str:
        player = current.player
        player.jobs += 1
        return f"job_{player.slug}{player.jobs}".ljust(28, "x")[:28]

    def token(size: int = 16) -> str:
        return f"{current.player.slug}-{current.player.made()}"

    def server_time() -> float:
        return world.now / 1000

    def monotonic() -> float:
        return current.player.now / 1000 + current.player.slept

    patches = [
        mock.patch.object(time, "time", server_time),
        mock.patch.object(time, "monotonic", monotonic),
        mock.patch.object(time, "sleep", sleep),
        mock.patch.object(secrets, "token_hex", token),
        mock.patch("app.ingestion.submit.new_job_id", job_id),
        mock.patch("app.ingestion.holding.COMMIT_PATIENCE_SECONDS", 0.6),
        mock.patch("app.ingestion.process.CLAIM_PATIENCE_SECONDS", 0.6),
    ]
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        try:
            yield
        finally:
            structlog.configure(**config)
