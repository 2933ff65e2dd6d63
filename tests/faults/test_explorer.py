"""Every order of steps and every crash of the small casts, in the short form; and each safeguard taken out once."""

from __future__ import annotations

import pytest

from tests.faults.explorer.__main__ import SHORT
from tests.faults.explorer.cast import Cast
from tests.faults.explorer.casts import CASTS
from tests.faults.explorer.mutants import MUTANTS, Mutant
from tests.faults.explorer.search import Search


@pytest.mark.parametrize("cast", CASTS, ids=lambda cast: cast.name)
def test_no_order_of_steps_and_no_crash_loses_or_doubles_anything(cast: Cast) -> None:
    found = Search(cast, most=SHORT).run()
    print(found)
    assert found.violations == []
    assert found.states > 50
    assert found.ends > 2


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_safeguard_that_is_taken_out_is_missed(mutant: Mutant) -> None:
    found = mutant.search()
    ((what, way),) = found.violations
    print(f"{what}\n" + "\n".join(way))


@pytest.mark.parametrize("name", ["two told workers", "a retry that is due", "expired while it is retried"])
def test_the_orders_that_are_left_out_come_to_no_other_ends(name: str) -> None:
    (cast,) = [cast for cast in CASTS if cast.name == name]
    short, whole = Search(cast), Search(cast, every_order=True)
    assert short.run().states < whole.run().states / 2
    assert short.ends == whole.ends


def test_the_same_search_comes_to_the_same_numbers() -> None:
    numbers = [(one.states, one.schedules, one.ends) for one in (Search(CASTS[1]).run() for _ in range(2))]
    assert numbers[0] == numbers[1]
