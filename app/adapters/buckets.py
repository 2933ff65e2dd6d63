"""Times in buckets, as plain counts with names, so that they add up wherever they are kept: `<name>:<bound>`.

Each time is counted once, in the first bucket that holds it; how the buckets are shown is the reader's business.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Upper bounds in seconds; what takes longer than the last is in the bucket `inf`.
JOB_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
CALL_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Histogram:
    """`buckets`: pairs of an upper bound (seconds, as text) and how many were no longer than that; `total`: seconds."""

    buckets: tuple[tuple[str, int], ...]
    total: float


def observed(name: str, seconds: float, bounds: Sequence[float]) -> dict[str, int]:
    """What one observation adds."""
    at = bisect_left(bounds, seconds)
    bound = f"{bounds[at]:g}" if at < len(bounds) else "inf"
    return {f"{name}:{bound}": 1, f"{name}:sum": round(seconds * MICROSECONDS)}


def histogram(counts: Mapping[str, int], name: str, bounds: Sequence[float]) -> Histogram:
    """The counts of that name as Prometheus wants them: each bucket holds those below it too."""
    buckets, running = [], 0
    for bound in bounds:
        running += counts.get(f"{name}:{bound:g}", 0)
        buckets.append((str(float(bound)), running))
    buckets.append(("+Inf", running + counts.get(f"{name}:inf", 0)))
    return Histogram(tuple(buckets), counts.get(f"{name}:sum", 0) / MICROSECONDS)
