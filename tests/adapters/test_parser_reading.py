"""When the reader of a child's pages may look away, and when it may not."""

from pathlib import Path

import pytest

from app.adapters.parser_reading import Reading


def reading(*, pages, total, characters):
    found = Reading(Path("/nowhere"), "application/pdf", 5000, 20_000_000)
    found.pages, found.total, found.characters, found.began = pages, total, characters, 100.0
    return found


def test_pages_of_a_long_document_may_gather():
    assert reading(pages=10, total=1000, characters=20_000).pause(100.1) == pytest.approx(0.02)


def test_the_end_is_not_delayed():
    assert reading(pages=99, total=100, characters=200_000).pause(100.5) == 0.0
    assert reading(pages=100, total=100, characters=200_000).pause(100.5) == 0.0


def test_no_more_may_gather_than_the_pipe_takes():
    assert reading(pages=10, total=1000, characters=500_000).pause(100.1) == 0.0
    assert reading(pages=10, total=1000, characters=200_000).pause(100.1) * 2_000_000 <= 16 * 1024


def test_a_document_of_unknown_length_is_read_as_it_comes():
    assert reading(pages=10, total=0, characters=20_000).pause(100.1) == 0.0
