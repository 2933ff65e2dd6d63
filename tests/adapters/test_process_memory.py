import os
from pathlib import Path

import pytest

from app.adapters.process_memory import resident_bytes, resident_bytes_of


def test_memory_is_that_of_a_living_process():
    assert 5_000_000 < resident_bytes() < 4_000_000_000


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system tells no process of another's memory")
def test_another_process_is_asked_by_its_id():
    assert abs(resident_bytes_of(os.getpid()) - resident_bytes()) < resident_bytes() / 2


def test_a_process_that_is_not_there_holds_nothing():
    assert resident_bytes_of(2**22 + 1) == 0
