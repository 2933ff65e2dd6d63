"""What tests of `deploy/` need of the machine: required on CI, skipped with a reason elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes import Deployment


def program(name: str, package: str) -> str:
    """Its path; without it the test is skipped, or fails on CI, where `.ci/run` installs it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        missing = f"{name} is not installed (apt install {package})"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.fixture
def analyze() -> str:
    """systemd-analyze: present on every machine that systemd runs on, and checks units on others too."""
    return program("systemd-analyze", "systemd")


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Callable[..., Deployment]]:
    """Gives installations with nothing running but Valkey, each in a folder of that name."""
    with ExitStack() as stack:
        yield lambda name="installation", **settings: stack.enter_context(Deployment(tmp_path / name, settings))
