"""What tests of `deploy/` need of the machine: required on CI, skipped with a reason elsewhere."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes import Deployment


def program(name: str, package: str) -> str:
    """Its path; without it the test is skipped, or fails on CI, where `.ci/run` installs it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        _lacks(f"{name} is not installed (apt install {package})")
    return found or ""


def _lacks(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture
def analyze() -> str:
    """systemd-analyze: present on every machine that systemd runs on, and checks units on others too."""
    found = program("systemd-analyze", "systemd")
    if "--offline" not in subprocess.run([found, "--help"], capture_output=True, text=True).stdout:
        _lacks("systemd-analyze is older than 250 and judges no unit that is not loaded")
    return found


@pytest.fixture
def seccomp() -> None:
    """libseccomp, which the launcher of the sandbox loads."""
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        _lacks("libseccomp is not installed (apt install libseccomp2)")


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Callable[..., Deployment]]:
    """Gives installations with nothing running but Valkey, each in a folder of that name."""
    with ExitStack() as stack:
        yield lambda name="installation", **settings: stack.enter_context(Deployment(tmp_path / name, settings))
