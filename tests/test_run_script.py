"""The shell script `run`, with a stand-in for Python that writes down what it is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from app.settings import ROOT

TOOLS = ("sh", "cat", "chmod", "cmp", "cp", "dirname", "echo", "grep", "mkdir", "rm")
PYTHON = """#!/bin/sh
case "$*" in
*version_info*) exit {old} ;;
*ensurepip*) exit {bare} ;;
--version) echo "Python 3.14.0" ;;
"-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
"-m pip"*) echo "install $*" >>"{diary}"; exit {offline} ;;
"-m pytest"*) echo "closing line of pytest"; exit 1 ;;
-m*) echo "$*" ;;
esac
"""


class Copy:
    """A fresh clone, as far as the script looks at it, on a machine that has only what it needs."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin, self.diary = folder / "a copy", folder / "bin", folder / "diary"
        self.root.mkdir()
        self.bin.mkdir()
        self.diary.touch()
        shutil.copy(ROOT / "run", self.root / "run")
        for name in ("requirements.lock", "requirements-dev.lock"):
            (self.root / name).write_text("one==1\ntwo==2\n")
        for name in TOOLS:
            found = shutil.which(name)
            assert found
            (self.bin / name).symlink_to(found)

    def python(self, name: str = "python3", *, old: int = 0, bare: int = 0, offline: int = 0) -> Copy:
        program = self.bin / name
        program.write_text(PYTHON.format(old=old, bare=bare, offline=offline, diary=self.diary))
        program.chmod(0o755)
        return self

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.bin), "HOME": os.environ.get("HOME", "/")}
        command = [self.root / "run", *arguments]
        return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)

    @property
    def installs(self) -> int:
        return len(self.diary.read_text().splitlines())


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_it_prepares_itself_once_and_then_starts_from_anywhere(copy: Copy) -> None:
    copy.python()
    first, second = copy.run("submit", "a b"), copy.run()
    assert first.stdout == "-m app --from / submit a b\n"
    assert "making .venv with Python 3.14.0" in first.stderr
    assert "installing 2 packages" in first.stderr
    assert (second.stdout, second.stderr, copy.installs) == ("-m app --from /\n", "", 1)
    assert "--require-hashes -r requirements.lock" in copy.diary.read_text()


def test_a_changed_lock_is_installed(copy: Copy) -> None:
    copy.python().run()
    (copy.root / "requirements.lock").write_text("one==2\n")
    copy.run()
    assert copy.installs == 2


def test_a_half_made_environment_is_made_anew(copy: Copy) -> None:
    copy.python(offline=1)
    broken_off = copy.run()
    assert broken_off.returncode == 1
    assert "run this again" in broken_off.stderr
    (copy.root / ".venv" / "rest").touch()
    assert copy.python().run().returncode == 0
    assert not (copy.root / ".venv" / "rest").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(copy: Copy) -> None:
    copy.python().run()
    (copy.root / ".venv" / "bin" / "python").unlink()
    assert "making .venv" in copy.run().stderr


def test_without_a_new_python_one_sentence_says_what_to_do(copy: Copy) -> None:
    for said in (copy.run(), copy.python(old=1).run()):
        assert said.returncode == 1
        assert said.stderr.startswith("Python 3.10 or later is needed")
        assert said.stderr.count("\n") == 1


def test_on_a_bare_debian_one_sentence_says_what_to_do(copy: Copy) -> None:
    said = copy.python(bare=1).run()
    assert said.returncode == 1
    assert "apt install python3-venv" in said.stderr
    assert said.stderr.count("\n") == 1


def test_a_bare_python_is_passed_over_for_a_whole_one(copy: Copy) -> None:
    copy.python("python3.13", bare=1).python("python3.11")
    assert copy.run().returncode == 0


def test_the_tests_end_with_the_closing_line_of_pytest_and_the_worst_status(copy: Copy) -> None:
    said = copy.python().run("test", "-k", "some")
    assert said.stdout.splitlines()[-1] == "closing line of pytest"
    assert "-m ruff check ." in said.stdout
    assert said.returncode == 1
    assert "-r requirements-dev.lock" in copy.diary.read_text()
