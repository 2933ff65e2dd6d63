import errno
import fcntl
import mmap
import os
import stat
import subprocess
import sys

import pytest

from app.adapters.spool import Spool
from app.errors import StorageUnavailable
from app.settings import ROOT


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "spool").iterdir())


def test_what_is_written_is_read_by_parts(spool):
    file = spool.new()
    file.write(b"a" * mmap.ALLOCATIONGRANULARITY)
    file.write(b"rest")
    assert bytes(file.part(mmap.ALLOCATIONGRANULARITY, 4)) == b"rest"
    assert bytes(file.part(0, 0)) == b""
    assert file.size == mmap.ALLOCATIONGRANULARITY + 4
    file.close()
    file.close()


def test_a_file_without_a_name_is_in_no_folder(spool, tmp_path):
    file = spool.new()
    file.write(b"secret")
    assert names(tmp_path) == []
    file.close()


def test_a_named_file_is_its_owners_alone_and_goes(spool, tmp_path):
    with spool.named() as (path, fd):
        os.write(fd, b"x")
        assert path.read_bytes() == b"x"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert names(tmp_path) == []


def test_a_named_file_goes_when_its_user_fails(spool, tmp_path):
    with pytest.raises(ZeroDivisionError), spool.named():
        raise ZeroDivisionError
    assert names(tmp_path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from app.adapters.spool import Spool
with Spool(Path(sys.argv[1])).named():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next_one(spool, tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "spool"], cwd=ROOT, timeout=60)
    assert len(names(tmp_path)) == 1
    with spool.named() as (path, _):
        assert names(tmp_path) == [path.name]


def test_what_another_process_uses_stays(spool, tmp_path):
    with spool.named() as (path, _):
        with Spool(tmp_path / "spool").named():
            assert path.exists()
        assert path.exists()


def test_a_file_that_was_taken_for_a_leftover_is_made_anew(spool, tmp_path, monkeypatch):
    """Another process may look for leftovers between the making of a file and its lock."""
    real, taken = fcntl.flock, []

    def flock(fd, how):
        if how == fcntl.LOCK_EX and not taken:
            taken.extend(path.unlink() or path for path in (tmp_path / "spool").iterdir())
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with spool.named() as (path, _):
        assert path.exists()
        assert path not in taken
    assert taken


def test_a_full_disk_is_named(spool, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "no")

    file = spool.new()
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageUnavailable, match="storage_full"):
        file.write(b"x")
    monkeypatch.undo()
    file.close()


def test_its_disk_tells_how_much_is_free(spool):
    assert spool.free_bytes() > 0


def test_a_folder_that_vanishes_is_made_again(spool, tmp_path):
    spool.new().close()
    (tmp_path / "spool").rmdir()
    with spool.named() as (path, _):
        assert path.exists()
