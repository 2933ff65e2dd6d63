"""What every blob store owes its callers, asked of each of them."""

import hashlib
import os
import threading
from dataclasses import replace

import pytest

from app.adapters.blob_store import LocalBlobs
from app.adapters.s3_blobs import open_s3_blobs
from app.domain.ids import new_job_id
from app.errors import StorageFailed, ValidationFailed
from tests.adapters.storing import bytes_of, manifest_of, put_result, stored


@pytest.fixture(params=["folder", "moto", "minio"])
def blobs(request, tmp_path):
    """Each kind of store, empty; moto is an S3 in this process, MinIO a real one."""
    if request.param == "folder":
        return LocalBlobs(tmp_path / "blobs")
    server = request.getfixturevalue(request.param)
    return open_s3_blobs(server.place(), tmp_path / "spool", hurried=False)


# uploads


def test_an_upload_comes_back_with_its_manifest(blobs):
    manifest = stored(blobs, b"some bytes", name="größe.txt", user_id="u", idempotency_key="ab" * 32)
    assert bytes_of(blobs, manifest.job_id) == b"some bytes"
    assert blobs.manifest(manifest.job_id) == manifest


def test_a_priority_is_noted_beside_the_bytes_and_changes_nothing_else(blobs):
    manifest = stored(blobs, b"some bytes", name="größe.txt", idempotency_key="ab" * 32)
    for priority in ("low", "urgent"):
        blobs.note_priority(manifest.job_id, priority)
        assert blobs.manifest(manifest.job_id) == replace(manifest, moved_to=priority)
    assert bytes_of(blobs, manifest.job_id) == b"some bytes"
    assert [upload.job_id for upload in blobs.list_uploads()] == [manifest.job_id]
    assert blobs.prune_partials(-1) == 0


def test_a_priority_of_an_upload_that_was_removed_brings_nothing_back(blobs):
    manifest = stored(blobs, b"some bytes")
    blobs.delete_upload(manifest.job_id)
    blobs.note_priority(manifest.job_id, "low")
    assert blobs.manifest(manifest.job_id) is None
    assert blobs.is_empty()


def test_nor_does_one_that_is_removed_while_its_priority_is_noted(tmp_path, monkeypatch):
    blobs = LocalBlobs(tmp_path / "blobs")
    manifest = stored(blobs, b"some bytes")
    written = blobs._at.written

    def overtaken(data):
        blobs.delete_upload(manifest.job_id)
        return written(data)

    monkeypatch.setattr(blobs._at, "written", overtaken)
    blobs.note_priority(manifest.job_id, "low")
    assert blobs.prune_partials(-1) == 0
    assert list(tmp_path.glob("blobs/uploads/*")) == []


def test_the_writer_counts_and_hashes_what_it_is_given(blobs):
    with blobs.new_upload() as upload:
        for chunk in (b"ab", bytearray(b"cd"), memoryview(b"ef"), b""):
            upload.write(chunk)
        assert upload.size == 6
        assert upload.sha256 == hashlib.sha256(b"abcdef").hexdigest()


def test_an_upload_that_is_not_committed_leaves_nothing(blobs):
    with blobs.new_upload() as upload:
        upload.write(b"half of it")
    assert blobs.list_uploads() == []
    assert blobs.prune_partials(-1) == 0


def test_an_upload_whose_sender_failed_leaves_nothing(blobs):
    upload = blobs.new_upload()
    upload.write(b"half of it")
    with pytest.raises(ZeroDivisionError), upload:
        raise ZeroDivisionError
    assert blobs.is_empty()
    assert blobs.prune_partials(-1) == 0


def test_a_discarded_upload_can_be_discarded_again(blobs):
    upload = blobs.new_upload()
    upload.discard()
    upload.discard()
    assert blobs.is_empty()


def test_discarding_after_the_commit_keeps_the_upload(blobs):
    with blobs.new_upload() as upload:
        upload.write(b"x")
        manifest = manifest_of(new_job_id(), b"x")
        upload.commit(manifest)
        upload.discard()
    assert bytes_of(blobs, manifest.job_id) == b"x"


def test_a_manifest_about_other_bytes_is_refused(blobs):
    with blobs.new_upload() as upload:
        upload.write(b"these")
        with pytest.raises(ValueError):
            upload.commit(manifest_of(new_job_id(), b"those"))
    assert blobs.is_empty()


def test_the_same_upload_may_be_stored_again(blobs):
    job_id = new_job_id()
    for _ in range(2):
        manifest = stored(blobs, b"first", job_id, idempotency_key="a-key")
    assert bytes_of(blobs, job_id) == b"first"
    assert blobs.manifest(job_id).tells_of(manifest)
    assert [upload.job_id for upload in blobs.list_uploads()] == [job_id]


@pytest.mark.parametrize(
    ("second", "other"),
    [(b"second", {}), (b"first", {"name": "b.txt"}), (b"first", {"priority": "low"}), (b"first", {"user_id": "u"})],
)
def test_another_upload_under_the_same_id_is_refused(blobs, second, other):
    """Two uploads under one key, of which the first was held up until the second took the key over: the later one
    would take away the bytes of a job that was accepted."""
    job_id = new_job_id()
    manifest = stored(blobs, b"first", job_id, idempotency_key="a-key")
    with pytest.raises(ValidationFailed, match="idempotency_mismatch"):
        stored(blobs, second, job_id, idempotency_key="a-key", **other)
    assert bytes_of(blobs, job_id) == b"first"
    assert blobs.manifest(job_id) == manifest
    assert blobs.prune_partials(-1) == 0


def test_parallel_commits_of_one_id_leave_one_whole_upload(blobs):
    job_id = new_job_id()
    refused = []

    def send(body):
        try:
            stored(blobs, body, job_id, idempotency_key="a-key")
        except ValidationFailed:
            refused.append(body)

    bodies = [b"%d" % number * 1000 for number in range(8)]
    threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (accepted,) = set(bodies) - set(refused)
    assert bytes_of(blobs, job_id) == accepted
    assert hashlib.sha256(bytes_of(blobs, job_id)).hexdigest() == blobs.manifest(job_id).sha256


def test_uploads_are_listed_in_order_page_by_page(blobs):
    ids = sorted(stored(blobs).job_id for _ in range(5))
    first = blobs.list_uploads(limit=2)
    rest = blobs.list_uploads(after=first[-1].job_id)
    assert [upload.job_id for upload in first + rest] == ids
    assert all(0 <= upload.age_seconds < 60 for upload in first)


def test_a_deleted_upload_is_gone_and_can_be_deleted_again(blobs):
    job_id = stored(blobs).job_id
    blobs.delete_upload(job_id)
    blobs.delete_upload(job_id)
    assert blobs.manifest(job_id) is None
    assert blobs.is_empty()
    with pytest.raises(StorageFailed, match="blob_missing"), blobs.upload_path(job_id):
        pass


def test_the_readers_own_failure_is_not_called_a_fault_of_the_store(blobs):
    job_id = stored(blobs).job_id
    with pytest.raises(OSError, match="mine"), blobs.upload_path(job_id):
        raise OSError("mine")


# results


def test_a_result_comes_back(blobs):
    job_id = new_job_id()
    put_result(blobs, job_id, "tok-1", b"0123456789")
    with blobs.open_result(job_id, "tok-1") as file:
        file.seek(-3, os.SEEK_END)
        assert file.read() == b"789"


def test_a_result_can_be_written_again_under_its_token(blobs):
    job_id = new_job_id()
    put_result(blobs, job_id, "t", b"a longer first try")
    put_result(blobs, job_id, "t", b"second")
    with blobs.open_result(job_id, "t") as file:
        assert file.read() == b"second"


def test_a_result_committed_twice_stays(blobs):
    job_id = new_job_id()
    with blobs.new_result(job_id, "t") as sink:
        sink.write(b"x")
        sink.commit()
        sink.commit()
    assert blobs.results_of(job_id) == ["t"]


def test_an_uncommitted_or_discarded_result_leaves_nothing(blobs):
    job_id = new_job_id()
    with blobs.new_result(job_id, "a") as sink:
        sink.write(b"x")
    blobs.new_result(job_id, "b").discard()
    assert blobs.results_of(job_id) == []


def test_a_missing_result_says_so(blobs):
    with pytest.raises(StorageFailed, match="blob_missing"):
        blobs.open_result(new_job_id(), "t")


def test_results_are_listed_in_order_without_splitting_a_job(blobs):
    ids = sorted(new_job_id() for _ in range(3))
    for job_id in ids:
        for token in ("b", "a"):
            put_result(blobs, job_id, token)
    first = blobs.list_results(limit=3)
    rest = blobs.list_results(after=first[-1].job_id)
    expected = [(job_id, token) for job_id in ids for token in ("a", "b")]
    assert [(result.job_id, result.token) for result in first] == expected[:4]
    assert [(result.job_id, result.token) for result in rest] == expected[4:]


def test_a_deleted_result_is_gone_and_can_be_deleted_again(blobs):
    job_id = new_job_id()
    put_result(blobs, job_id, "t")
    put_result(blobs, job_id, "kept")
    blobs.delete_result(job_id, "t")
    blobs.delete_result(job_id, "t")
    assert blobs.results_of(job_id) == ["kept"]


# the store as a whole


def test_a_new_store_is_empty_and_nobodys(blobs):
    assert blobs.is_empty()
    assert blobs.installation() is None
    assert blobs.list_uploads() == []
    assert blobs.list_results() == []
    assert blobs.prune_partials(0) == 0


def test_the_installation_can_be_set_and_changed(blobs):
    blobs.set_installation("one")
    blobs.set_installation("two")
    assert blobs.installation() == "two"
    assert blobs.is_empty()


def test_of_two_that_take_a_store_into_use_the_first_wins(blobs):
    blobs.set_installation("first", only_if_unset=True)
    blobs.set_installation("second", only_if_unset=True)
    assert blobs.installation() == "first"
    assert blobs.prune_partials(-1) == 0


def test_a_store_with_only_a_result_is_not_empty(blobs):
    put_result(blobs, new_job_id(), "t")
    assert not blobs.is_empty()


def test_a_sound_store_passes_its_check_and_keeps_nothing_of_it(blobs):
    blobs.check()
    assert blobs.is_empty()
    assert blobs.prune_partials(-1) == 0


def test_the_room_for_uploads_is_told(blobs):
    assert blobs.room_for_uploads() > 0


@pytest.mark.parametrize(
    "bad", ["", ".", "..", "../x", "job_" + "a" * 22 + "/x", "job_" + "a" * 23 + "\0", "job_" + "A" * 24]
)
def test_nothing_but_a_job_id_can_name_a_blob(blobs, bad):
    for step in (blobs.manifest, blobs.delete_upload, lambda name: blobs.new_result(name, "t")):
        with pytest.raises(ValueError):
            step(bad)
    with pytest.raises(ValueError), blobs.upload_path(bad):
        pass
    with pytest.raises(ValueError):
        stored(blobs, job_id=bad)
    assert blobs.is_empty()


@pytest.mark.parametrize("bad", ["", ".", "../x", "a/b", "a.b", "a\0", "ä", "a" * 101])
def test_nothing_but_a_token_can_name_a_result(blobs, bad):
    with pytest.raises(ValueError):
        blobs.new_result(new_job_id(), bad)
