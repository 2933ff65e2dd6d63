"""Who plays in an exploration, and what it came to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.services import Services

Program = Callable[[Services], object]


@dataclass(frozen=True)
class Cast:
    """Who plays. `faults` is how many crashes (and, with `lost`, lost answers) there may be in one schedule.

    `loses_bytes` says that somebody takes stored uploads away who must not.
    """

    name: str
    setup: Program
    actors: Mapping[str, Program]
    faults: int = 1
    lost: bool = False
    loses_bytes: bool = False
    promises: Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[str]] | None = None


@dataclass
class Found:
    """What an exploration came to. A violation is what is wrong, and the steps that lead there."""

    cast: str
    states: int = 0
    schedules: int = 0
    ends: int = 0
    steps: int = 0
    passes: int = 1
    is_whole: bool = True
    violations: list[tuple[str, list[str]]] = field(default_factory=list)

    def __str__(self) -> str:
        cut, schedules = ("", _short(self.schedules)) if self.is_whole else (", cut off", "?")
        return (
            f"{self.cast:34} {self.states:8,} states {schedules:>8} schedules {self.ends:5} ends"
            f" {self.steps:7,} steps carried out, {len(self.violations)} violations{cut}, {self.passes} passes"
        )


def _short(number: int) -> str:
    return f"{number:,}" if number < 1_000_000 else f"{number:.1e}"
