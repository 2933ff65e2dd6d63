"""How a measured figure is told: its value beside its target, with the machine's load when it was taken."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class Figure:
    """`value` is judged by `at_most` or `at_least`; a figure without either is told for comparison only."""

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    @property
    def verdict(self) -> str:
        if self.at_most is None and self.at_least is None:
            return ""
        held = (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )
        return "holds" if held else "MISSED"

    def line(self) -> str:
        bound = f"≤ {self.at_most:g}" if self.at_most is not None else ""
        bound = f"≥ {self.at_least:g}" if self.at_least is not None else bound
        value = f"{self.value:.3g}" if self.value < 100 else f"{self.value:,.0f}"
        shown = (
            f"{self.name:<58} {f'{value} {self.unit}'.strip():>14}  {bound:<8} {self.verdict:<7}load {self.load:.1f}"
        )
        return f"{shown}  {self.note}".rstrip()


Say = Callable[[str], None]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float], digits: int = 2) -> str:
    return f"{min(values):.{digits}f}–{max(values):.{digits}f}"
