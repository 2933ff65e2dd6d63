"""The one entry: which figures, where, how often; prints each when it is taken and all of them at the end."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import (
    accept,
    bucket,
    crowd,
    deploys,
    order,
    pages,
    pdfs,
    pickup,
    put,
    rebuild,
    rescue,
    s3,
    scale,
    sizing,
    tiny,
    watch,
    workers,
)
from bench.installation import GaveUp
from bench.options import Options
from bench.processes import yardstick
from bench.report import Figure, Say

FIGURES: dict[str, Callable[[Options, Say], list[Figure]]] = {
    "accept": accept.measure,
    "pickup": pickup.measure,
    "tiny": tiny.measure,
    "order": order.measure,
    "pdf": pdfs.measure_big,
    "mix": pdfs.measure_mix,
    "rescue": rescue.measure,
    "rebuild": rebuild.measure,
    "put": put.measure,
    "s3": s3.measure,
    "watch": watch.measure,
    "crowd": crowd.measure,
    "sizing": sizing.measure,
    "scale": scale.measure,
    "workers": workers.measure,
    "bucket": bucket.measure,
    "pages": pages.measure,
    "deploys": deploys.measure,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Takes the figures that the README claims.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FIGURES)}; all without one")
    parser.add_argument("--where", type=Path, help="folder on the disk to measure on (the system's temporary one)")
    parser.add_argument("--data", type=Path, help="folder of PDFs (../shared/data/pdf, else made here)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each comparison is made (5)")
    parser.add_argument("--kills", type=int, default=20, help="how many workers are killed for `rescue` (20)")
    parser.add_argument("--restarts", type=int, default=50, help="how often `deploys` restarts a process (50)")
    parser.add_argument("--seed", type=int, default=1, help="of what `deploys` restarts, and when (1)")
    parser.add_argument("--most", type=int, default=100_000, help="how many records `scale` goes up to (100000)")
    parser.add_argument("--watchers", type=int, default=1_000, help="how many streams `crowd` holds (1000)")
    given = parser.parse_args()
    if unknown := set(given.names) - set(FIGURES):
        parser.error(f"no figure is called {', '.join(sorted(unknown))}")
    return given


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    if sys.argv[1:2] == ["soak"]:  # takes no figure for the README, and an hour
        from bench import soak

        return soak.main(sys.argv[2:])
    given = _arguments()
    if sys.platform != "linux":
        _say("The bench reads /proc, so it needs Linux.")
        return 2
    options = Options(**{name: value for name, value in vars(given).items() if name != "names"})
    _say(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, yardstick {yardstick():.0f} µs"
    )
    taken: list[Figure] = []
    failed = []
    for name in given.names or FIGURES:
        began = time.monotonic()
        try:
            figures = FIGURES[name](options, _say)
        except GaveUp as reason:
            failed.append(name)
            _say(f"{name}: not taken, {reason}")
            continue
        taken += figures
        taken_in = f"({name}: {time.monotonic() - began:.0f} s; yardstick {yardstick():.0f} µs)"
        _say("\n".join([*(figure.line() for figure in figures), taken_in]))
    if len(given.names) != 1:
        _say("\n" + "\n".join(figure.line() for figure in taken))
    missed = [figure.name for figure in taken if figure.verdict == "MISSED"]
    return 1 if missed or failed else 0
