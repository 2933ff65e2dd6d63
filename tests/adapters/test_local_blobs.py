"""What only a folder can show: its rights, what a crash leaves in it, and a disk that refuses."""

import errno
import os
import stat

import pytest

from app.adapters.blob_store import LocalBlobs
from app.domain.ids import new_job_id
from app.errors import StorageFailed, StorageUnavailable
from tests.adapters.storing import bytes_of, put_result, stored


def test_a_folder_tells_its_free_room(folder):
    assert folder.free_bytes() > 0
    assert folder.kind == "folder"


@pytest.fixture
def folder(tmp_path):
    return LocalBlobs(tmp_path / "blobs")


def test_nobody_else_may_look_into_the_folder(folder):
    job_id = stored(folder).job_id
    put_result(folder, job_id, "t")
    paths = [folder.root, *folder.root.rglob("*")]
    assert len(paths) == 7
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("half", ["{}", "{}.json"])
def test_half_an_upload_is_nothing_and_goes_when_it_is_old(folder, half):
    job_id = stored(folder).job_id
    (folder.root / "uploads" / half.format(job_id)).unlink()
    assert folder.manifest(job_id) is None
    assert folder.list_uploads() == []
    assert folder.is_empty()
    assert folder.prune_partials(3600) == 0
    assert folder.prune_partials(-1) == 1
    assert list((folder.root / "uploads").iterdir()) == []


def test_only_old_partials_are_pruned(folder):
    young, old = folder.new_upload(), folder.new_upload()
    os.utime(max((folder.root / "partial").iterdir()), (0, 0))
    assert folder.prune_partials(86_400) == 1
    assert len(list((folder.root / "partial").iterdir())) == 1
    young.discard()
    old.discard()


def test_strange_names_in_the_folder_are_passed_over(folder):
    stored(folder)
    (folder.root / "uploads" / "lost+found").mkdir()
    (folder.root / "results" / "README").touch()
    (folder.root / "results" / ".hidden").touch()
    assert len(folder.list_uploads()) == 1
    assert folder.list_results() == []


def test_folders_that_vanish_are_made_again(folder):
    stored(folder)
    for name in ("uploads", "results", "partial"):
        (folder.root / name).rename(folder.root.parent / name)
    job_id = stored(folder, b"again").job_id
    put_result(folder, job_id, "t")
    folder.check()
    assert bytes_of(folder, job_id) == b"again"


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").touch()
    blobs = LocalBlobs(tmp_path / "file" / "blobs")
    for step in (blobs.check, blobs.new_upload, blobs.free_bytes, lambda: blobs.new_result(new_job_id(), "t")):
        with pytest.raises(StorageUnavailable, match="storage_unavailable"):
            step()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"7", b'{"job_id": 1}', b"\xff", b"[" * 100_000])
def test_a_damaged_manifest_is_named_corrupt(folder, text):
    job_id = stored(folder).job_id
    (folder.root / "uploads" / f"{job_id}.json").write_bytes(text)
    with pytest.raises(StorageFailed, match="blob_corrupt"):
        folder.manifest(job_id)
    assert stored(folder, b"new", job_id) == folder.manifest(job_id)


def test_a_manifest_of_another_job_is_corrupt(folder):
    one, other = stored(folder).job_id, stored(folder).job_id
    uploads = folder.root / "uploads"
    (uploads / f"{one}.json").replace(uploads / f"{other}.json")
    with pytest.raises(StorageFailed, match="blob_corrupt"):
        folder.manifest(other)


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "storage_full"), (errno.EDQUOT, "storage_full"), (errno.EIO, "storage_unavailable")],
)
@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_disk_that_refuses_leaves_nothing_behind(folder, monkeypatch, number, code, step):
    def refuse(*_args):
        raise OSError(number, "no")

    folder.check()
    monkeypatch.setattr(f"pathlib.Path.{step}" if step == "replace" else f"os.{step}", refuse)
    with pytest.raises(StorageUnavailable, match=code):
        stored(folder)
    monkeypatch.undo()
    assert [path for path in folder.root.rglob("*") if path.is_file()] == []


def test_a_result_for_which_there_is_no_room_leaves_nothing(folder, monkeypatch):
    def refuse(*_args):
        raise OSError(errno.ENOSPC, "no")

    job_id = new_job_id()
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageUnavailable, match="storage_full"):
        put_result(folder, job_id, "t")
    assert folder.results_of(job_id) == []


def test_a_file_is_durable_before_it_is_visible(folder, monkeypatch):
    """The order of a commit: manifest and bytes reach the disk, then get their names, then the folder does."""
    steps = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(fd):
        steps.append(
            "folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "bytes" if os.fstat(fd).st_size == 5 else "manifest"
        )
        real_fsync(fd)

    def replace(source, target):
        steps.append("manifest named" if str(target).endswith(".json") else "bytes named")
        real_replace(source, target)

    folder.check()
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr("pathlib.Path.replace", replace)
    stored(folder, b"12345")
    assert steps == ["bytes", "manifest", "manifest named", "bytes named", "folder"]


def test_a_crash_between_the_two_names_never_pairs_a_manifest_with_other_bytes(folder, monkeypatch):
    job_id = stored(folder, b"first").job_id
    (folder.root / "uploads" / f"{job_id}.json").unlink()  # as a deletion that was broken off leaves it
    real_replace = os.replace

    def stop_at_the_bytes(source, target):
        if not str(target).endswith(".json"):
            raise KeyboardInterrupt
        real_replace(source, target)

    monkeypatch.setattr("pathlib.Path.replace", stop_at_the_bytes)
    with pytest.raises(KeyboardInterrupt):
        stored(folder, b"second", job_id)
    assert folder.manifest(job_id) is None
