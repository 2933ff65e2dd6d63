import os

import pytest

from app.lines import LINES_KEPT, Lines


def note(dropped):
    return 2, f"{dropped} dropped"


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as lines:
        yield lines, writer
        os.close(writer)


def test_lines_come_out_in_their_order(pipe):
    read, write = pipe
    lines = Lines(note)
    for number in range(100):
        lines.put(write, f"line {number}")
    assert [read.readline() for _ in range(100)] == [b"line %d\n" % number for number in range(100)]
    assert lines.dropped == 0


def test_a_reader_who_has_stopped_costs_lines_that_are_counted_and_told(pipe):
    """Guards the bound, and that nobody but the writer waits: without them this would never come back."""
    read, write = pipe
    counted = []
    lines = Lines(lambda dropped: (write, f"{dropped} dropped"), on_drop=counted.append)
    for _ in range(LINES_KEPT + 1000):
        lines.put(write, "x" * 1000)
    assert lines.dropped == sum(counted) > 500
    while (line := read.readline()) == b"x" * 1000 + b"\n":
        pass
    assert line == b"%d dropped\n" % lines.dropped


def test_a_file_that_is_closed_costs_lines_and_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    lines = Lines(note)
    lines.put(writer, "to nobody")
    lines.close(30)
    os.close(writer)
    assert lines.dropped == 1


def test_drops_from_before_anybody_counted_are_told_at_once():
    lines = Lines(note)
    lines.put(1_000_000, "to no file at all")
    lines.close(30)
    counted = []
    lines.tell_drops(counted.append)
    assert counted == [1]
