"""A short slice of `python -m tests.faults.fuzz`, with a fixed seed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from app.domain.media_types import MEDIA_TYPES, ending
from app.errors import ExtractionFailed
from tests.faults.fuzz import parsing
from tests.faults.fuzz.damage import damaged
from tests.faults.fuzz.files import good_files
from tests.faults.fuzz.requests import Sent
from tests.faults.fuzz.serving import Served, wrong_answer
from tests.processes import LIVE

SEED = 20261128
#: It may wait for 300 s inside, more than once, on a machine that is busy: the first limit counts.
SERVED = [pytest.mark.timeout(900), *LIVE]


def test_the_good_files_are_of_every_accepted_ending_and_the_same_for_a_seed() -> None:
    files = good_files(24, seed=SEED)
    assert {ending(name) for name in files} == set(MEDIA_TYPES)
    assert files == good_files(24, seed=SEED) != good_files(24, seed=SEED + 1)


def test_a_damage_is_the_same_for_a_seed_and_nearly_always_changes_the_file() -> None:
    data = list(good_files(24, seed=SEED).values())
    once, again = (
        [damaged(file, data, random.Random(number)) for number, file in enumerate(data * 5)] for _ in range(2)
    )
    assert once == again
    assert sum(altered != file for (_, altered), file in zip(once, data * 5, strict=True)) > 100


def test_the_good_files_are_read_as_they_are() -> None:
    tally = parsing.Tally()
    files = good_files(24, seed=SEED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsing, "damaged", lambda data, others, rng: ("none", data))
        tally = parsing.parse_all(files, 1, SEED)
    assert (tally.outcomes, tally.violations) == ({"completed": 24}, [])


@pytest.mark.parametrize("raised", [ValueError("a reader's own"), ExtractionFailed("internal")])
def test_an_end_without_a_name_is_reported(monkeypatch: pytest.MonkeyPatch, raised: Exception) -> None:
    def read(*args: object, **kwargs: object) -> None:
        raise raised

    monkeypatch.setattr(parsing.ParserProcess, "read", read)
    assert len(parsing.parse_all(good_files(3, seed=SEED), 1, SEED).violations) == 3


@pytest.mark.parametrize(
    ("status", "body"), [(500, b"{}"), (502, b""), (400, b"Traceback (most recent"), (503, b"<h1>no")]
)
def test_an_answer_that_should_not_be_is_reported(status: int, body: bytes) -> None:
    answer = b"HTTP/1.1 %d x\r\nContent-Type: application/json\r\n\r\n%s" % (status, body)
    assert wrong_answer(status, answer, Sent(b"GET / HTTP/1.1", True))


class TestServed:
    pytestmark = SERVED

    def test_altered_files_end_with_a_name_in_the_child_and_over_http_and_odd_requests_are_answered(
        self, tmp_path: Path
    ) -> None:
        files = good_files(24, seed=SEED)
        tally = parsing.parse_all(files, 4, SEED)
        assert not tally.violations, tally.violations
        with Served(tmp_path / "installation") as served:
            served.send_files(files, 4, SEED, most=24)
            served.send_requests(20, SEED)
        assert not served.tally.violations, served.tally.violations
        assert {"completed", "corrupt_document", "400", "200"} <= served.tally.outcomes.keys()
