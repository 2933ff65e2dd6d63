"""What sweeps tell each other through Redis: whose turn it is, who was missed, how far a walk has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import redis

from app.adapters.redis_client import PREFIX, Script, translated

#: Whoever wins the turn has it for a little less than the time between two offers.
TURN_MS = 480
#: Looks that lie further apart say nothing of what was in between: three turns.
GAP_MS = 1_500


class Outlook(NamedTuple):
    """By the server's clock, in ms: since when the server has been back from its last outage, since when it has been swept
    without a gap, and now."""

    back: int
    steady: int
    now: int

    def is_older(self, at: int) -> bool:
        """Is that time from before the last outage? One that lies ahead was told by a clock that has been set back since."""
        return at < self.back or at > self.now


class SweepNotes:
    def __init__(self, client: redis.Redis, *, now_argument: Callable[[], int | str] = lambda: "") -> None:
        self._redis = client
        self._now = now_argument
        self._set = Script(client, "set")
        self._move_cursor = Script(client, "move_cursor")
        self._outage = Script(client, "outage")
        self._missed = Script(client, "missed")

    def take_turn(self, name: str) -> bool:
        return bool(self._set("", f"{PREFIX}sweep:turn", name, TURN_MS, 1))

    def outlook(self) -> Outlook:
        """What may be concluded from a look at the server's clients; it notes that somebody sweeps."""
        with translated():
            server: Any = self._redis.info("server")
        return Outlook(*map(int, self._outage(self._now(), str(server.get("run_id", "")), GAP_MS)))

    def missed_for(self, renewed: dict[str, int], *, looked_at: int) -> dict[str, int]:
        """For how long (ms) each of the holders that are not among the server's clients has been missed, in an unbroken
        series of looks since it `renewed` a claim. `looked_at` is the server's time (ms) just before this one.

        Where the server does not tell its clients nobody is missed: the leases alone decide.
        """
        with translated():
            try:
                told = self._redis.client_list()
            except redis.ResponseError:
                return {}
            seen = {str(client.get("name", "")) for client in told}
        unseen = sorted(renewed.keys() - seen)
        pairs = [part for holder in unseen for part in (holder, renewed[holder])]
        ages = self._missed(self._now(), looked_at, GAP_MS, *pairs)
        return {holder: int(age) for holder, age in zip(unseen, ages, strict=True)}

    # ---- slow walks over the store ----------------------------------------------------------------------------

    def cursor(self, walk: str) -> str:
        with translated():
            value: Any = self._redis.hget(f"{PREFIX}cursors", walk)
        return value.decode() if value else ""

    def move_cursor(self, walk: str, value: str) -> None:
        """The walk goes on after `value` next time; from the start if it is empty."""
        self._move_cursor("", walk, value)
