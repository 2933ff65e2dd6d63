"""usage: python -m tests.faults.fuzz --files 50 --mutations 200 --seed S [--folder FOLDER] [--http N] [--requests N]"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.fuzz.files import good_files
from tests.faults.fuzz.parsing import Tally, parse_all
from tests.faults.fuzz.serving import Served, told


def _said(what: str, tally: Tally, began: float) -> int:
    total = sum(tally.outcomes.values())
    print(f"{what}: {total:,} in {time.monotonic() - began:.0f} s; {', '.join(told(tally.outcomes))}", flush=True)
    for case, wrong in tally.violations:
        print(f"  VIOLATION {case}: {wrong}", flush=True)
    return len(tally.violations)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz")
    parser.add_argument("--files", type=int, default=50, help="good files that are altered (50)")
    parser.add_argument("--mutations", type=int, default=200, help="of each file (200)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed alters in the same way")
    parser.add_argument("--folder", type=Path, help="take a third of the files from here, the rest is made")
    parser.add_argument("--http", type=int, default=500, help="how many of the altered files are uploaded too (500)")
    parser.add_argument("--requests", type=int, default=60, help="malformed requests to each route and method (60)")
    given = parser.parse_args()
    files = good_files(given.files, given.folder, seed=given.seed)
    found, began = 0, time.monotonic()
    tally = parse_all(files, given.mutations, given.seed)
    found += _said(f"parser, {len(files)} files × {given.mutations}, slowest {tally.slowest:.1f} s", tally, began)
    for what in ("files", "requests"):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, Served(Path(folder) / "installation") as served:
            if what == "files":
                served.send_files(files, given.mutations, given.seed, most=given.http)
            else:
                served.send_requests(given.requests, given.seed)
        found += _said(f"HTTP, {what}", served.tally, began)
    print(f"seed {given.seed}: {found} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
