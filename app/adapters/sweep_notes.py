"""What sweeps tell each other through Redis: whose turn it is, who was missed, how far a walk has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis

from app.adapters.redis_client import PREFIX, Script, translated

#: Whoever wins the turn has it for a little less than a second.
TURN_MS = 900


class SweepNotes:
    def __init__(self, client: redis.Redis, *, now_argument: Callable[[], int | str] = lambda: "") -> None:
        self._redis = client
        self._now = now_argument
        self._set = Script(client, "set")
        self._move_cursor = Script(client, "move_cursor")
        self._outage = Script(client, "outage")
        self._missed = Script(client, "missed")

    def take_turn(self, name: str, *, judging: bool = True) -> bool:
        """Who judges nobody for a while has turns of its own: it must not keep those who would from theirs."""
        turn = f"{PREFIX}sweep:turn" if judging else f"{PREFIX}sweep:turn:unjudging"
        return bool(self._set("", turn, name, TURN_MS, 1))

    def since_outage(self) -> tuple[int, int]:
        """When the server came back last, and its present time (ms)."""
        with translated():
            server: Any = self._redis.info("server")
        back, now = self._outage(self._now(), str(server.get("run_id", "")))
        return int(back), int(now)

    def missed_for(self, holders: set[str]) -> dict[str, int]:
        """For how long (ms) each of the holders that are not among the server's clients has been missed.

        Where the server does not tell its clients nobody is missed: the leases alone decide.
        """
        with translated():
            try:
                told = self._redis.client_list()
            except redis.ResponseError:
                return {}
            seen = {str(client.get("name", "")) for client in told}
        unseen = sorted(holders - seen)
        ages = self._missed(self._now(), len(unseen), *unseen, *sorted(holders & seen))
        return {holder: int(age) for holder, age in zip(unseen, ages, strict=True)}

    # ---- slow walks over the store ----------------------------------------------------------------------------

    def cursor(self, walk: str) -> str:
        with translated():
            value: Any = self._redis.hget(f"{PREFIX}cursors", walk)
        return value.decode() if value else ""

    def move_cursor(self, walk: str, value: str) -> None:
        """The walk goes on after `value` next time; from the start if it is empty."""
        self._move_cursor("", walk, value)
