"""usage: python -m tests.faults.explorer --short | --long [--faults N] [--most N] [--seed N] [--cast NAME]"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace

from tests.faults.explorer.cast import Found
from tests.faults.explorer.casts import CASTS
from tests.faults.explorer.search import Search

#: How many states of one cast the short form looks at.
SHORT = 8_000


def explored(cast_names: str = "", *, most: int = SHORT, seed: int | None = None, more_faults: int = 0) -> list[Found]:
    found = []
    for cast in CASTS:
        if cast_names in cast.name:
            began = time.process_time()
            found.append(Search(replace(cast, faults=cast.faults + more_faults), most=most, seed=seed).run())
            print(f"{found[-1]}, {time.process_time() - began:.1f} s", flush=True)
            for what, way in found[-1].violations:
                print("\n".join([f"  {what}", *(f"    {step}" for step in way)]), flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.explorer")
    parser.add_argument("--long", action="store_true", help="every state there is")
    parser.add_argument("--faults", type=int, default=0, help="so many more crashes in each schedule")
    parser.add_argument("--most", type=int, help="states of each cast, in place of what the form says")
    parser.add_argument("--short", action="store_true", help=f"at most {SHORT:,} states of each cast (the default)")
    parser.add_argument("--seed", type=int, default=None, help="shuffles the order in which states are looked at")
    parser.add_argument("--cast", default="", help="only casts whose name has this in it")
    wanted = parser.parse_args()
    began = time.process_time()
    most = wanted.most or (10**9 if wanted.long else SHORT)
    found = explored(wanted.cast, most=most, seed=wanted.seed, more_faults=wanted.faults)
    states, schedules = sum(one.states for one in found), sum(one.schedules for one in found)
    violations = sum(len(one.violations) for one in found)
    print(
        f"{len(found)} casts, {states:,} states, {schedules:.2e} schedules, {sum(one.steps for one in found):,} steps "
        f"carried out, {violations} violations, {time.process_time() - began:.0f} s of CPU"
    )
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
