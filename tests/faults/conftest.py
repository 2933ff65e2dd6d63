"""An installation of its own for each test, because each of them breaks something in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes import Deployment


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Callable[..., Deployment]]:
    """Gives an installation with nothing running but Valkey; settings by their environment names."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Deployment(tmp_path / "installation", settings))
