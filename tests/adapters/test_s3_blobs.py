"""What only a bucket can show: large files in parts, and a network between it and us that does what networks do."""

import hashlib
import random
import secrets
import tracemalloc
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
import trustme
from minio.error import S3Error, ServerError
from pydantic import SecretStr
from urllib3 import HTTPResponse

from app.adapters.breaker import FAILURES, Breaker
from app.adapters.s3_blobs import S3Blobs, open_s3_blobs
from app.adapters.s3_client import S3Client
from app.adapters.s3_patience import Caller, Patience
from app.adapters.spool import Spool
from app.domain.ids import new_job_id
from app.domain.manifest import Manifest
from app.errors import StorageFailed, StorageUnavailable
from tests import proxy
from tests.processes import free_port
from tests.proxy import Proxy
from tests.s3_servers import S3Server, running_minio

#: The smallest part that S3 takes.
PART = 5 * 1024**2
#: Long enough for anything that works, and nobody waits for its end but where nothing works.
LONG = Patience(seconds=60.0, answer_seconds=60.0)
SHORT = Patience(seconds=0.2, answer_seconds=0.2)


def over(server, tmp_path, patience=LONG, breaker=None, bucket=""):
    client = S3Client(server.place(bucket), Caller(patience, breaker), part_bytes=PART)
    return S3Blobs(client, Spool(tmp_path / "spool"))


@pytest.fixture
def line(moto):
    with Proxy(moto.endpoint) as line:
        yield line


@pytest.fixture
def blobs(line, tmp_path):
    """A store behind a proxy; it has been used already."""
    blobs = over(S3Server(line.endpoint), tmp_path)
    blobs.check()
    return blobs


def manifest_of(data, job_id=None):
    return Manifest(
        job_id=job_id or new_job_id(),
        name="größe.txt",
        type="text/plain",
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        priority="medium",
        created_at=1_700_000_000_000,
    )


def put(blobs, data=b"hello", job_id=None, key=None):
    manifest = replace(manifest_of(data, job_id), idempotency_key=key)
    with blobs.new_upload() as upload:
        upload.write(data)
        upload.commit(manifest)
    return manifest


def bytes_of(blobs, job_id):
    with blobs.upload_path(job_id) as path:
        return path.read_bytes()


def put_result(blobs, data, token="t"):
    job_id = new_job_id()
    with blobs.new_result(job_id, token) as sink:
        sink.write(data)
        sink.commit()
    return job_id


LARGE = random.Random(0).randbytes(2 * PART + 1)


# ---- what goes up and comes down ------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", ["moto", "minio"])
def test_a_large_file_goes_up_in_parts_and_comes_down_the_same(server, request, tmp_path):
    blobs = over(request.getfixturevalue(server), tmp_path)
    manifest = put(blobs, LARGE)
    assert blobs.manifest(manifest.job_id) == manifest
    assert bytes_of(blobs, manifest.job_id) == LARGE
    job_id = put_result(blobs, LARGE)
    with blobs.open_result(job_id, "t") as file:
        assert file.read(1000) == LARGE[:1000]
        file.seek(PART - 500)
        assert file.read(1000) == LARGE[PART - 500 : PART + 500]
        file.seek(0)
        assert file.read() == LARGE
        assert file.read(1) == b""
    assert blobs.client.unfinished() == []


def test_a_file_is_never_held_as_a_whole(minio, tmp_path):
    """Guards the spool and the streams: with either held in memory the peak is the file's size."""
    blobs, piece, pieces = over(minio, tmp_path), bytes(1024**2), 64
    job_id, digest = new_job_id(), hashlib.sha256(piece * pieces).hexdigest()
    manifest = Manifest(job_id, "a.txt", "text/plain", pieces * len(piece), digest, "low", 0)
    put(blobs)  # what is loaded and kept once
    tracemalloc.start()
    try:
        with blobs.new_upload() as upload, blobs.new_result(job_id, "t") as result:
            for _ in range(pieces):
                upload.write(piece)
                result.write(piece)
            upload.commit(manifest)
            result.commit()
        with blobs.upload_path(job_id) as path:
            assert path.stat().st_size == manifest.size
        with blobs.open_result(job_id, "t") as file:
            assert sum(len(data) for data in iter(lambda: file.read(len(piece)), b"")) == manifest.size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024**2


def test_the_longest_manifest_fits_into_the_metadata_of_s3(minio, tmp_path):
    """2 kB for names and values together; a name has 200 bytes at most, a label 128 characters."""
    longest = {"name": '"' * 200, "user_id": "\N{GRINNING FACE}" * 128, "idempotency_key": "f" * 64}
    data = b"x"
    manifest = Manifest(**{**manifest_of(data).__dict__, **longest, "type": "application/" + "x" * 80})
    blobs = over(minio, tmp_path)
    with blobs.new_upload() as upload:
        upload.write(data)
        upload.commit(manifest)
    assert blobs.manifest(manifest.job_id) == manifest
    head = blobs.client.head(f"uploads/{manifest.job_id}")
    assert sum(len(name) + len(value) for name, value in head.metadata.items()) < 2048


def test_the_bucket_is_made_private_when_it_is_first_missed(minio, tmp_path):
    blobs = over(minio, tmp_path, bucket=(bucket := f"new-{secrets.token_hex(6)}"))
    manifest = put(blobs)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{minio.endpoint}/{bucket}/uploads/{manifest.job_id}", timeout=60)
    assert caught.value.code == 403
    caught.value.close()


def test_only_old_unfinished_uploads_are_pruned(minio, tmp_path):
    blobs = over(minio, tmp_path)
    blobs.check()
    blobs.client.asked(lambda: blobs.client._minio._create_multipart_upload(blobs.client._bucket, "uploads/x", {}))
    blobs.client.put("checks/left", b"by a check that was cut short")
    assert blobs.prune_partials(3600) == 0
    assert blobs.prune_partials(-1) == 2
    assert blobs.client.unfinished() == []


def refusal_of(code):
    return S3Error(
        response=None,
        code=code,
        message="no",
        resource="/",
        request_id=None,
        host_id=None,
        bucket_name=None,
        object_name=None,
    )


@pytest.mark.parametrize("code", ["AccessDenied", "NotImplemented"])
def test_who_may_not_look_for_unfinished_uploads_keeps_house_all_the_same(moto, tmp_path, monkeypatch, code):
    def refuse(*_args):
        raise refusal_of(code)

    blobs = over(moto, tmp_path)
    blobs.client.put("checks/left", b"by a check that was cut short")
    monkeypatch.setattr(blobs.client._minio, "_list_multipart_uploads", refuse)
    assert blobs.prune_partials(-1) == 1


def test_a_store_that_knows_no_conditions_is_taken_into_use_too(moto, tmp_path, monkeypatch):
    blobs = over(moto, tmp_path)
    real = blobs.client._minio._put_object

    def refuse(bucket, key, data, headers):
        if "If-None-Match" in headers:
            raise refusal_of("NotImplemented")
        return real(bucket, key, data, headers)

    monkeypatch.setattr(blobs.client._minio, "_put_object", refuse)
    blobs.set_installation("first", only_if_unset=True)
    assert blobs.installation() == "first"
    manifest = put(blobs, key="an idempotency key")
    assert blobs.manifest(manifest.job_id) == manifest


@pytest.mark.parametrize("key", [None, "an idempotency key"])
def test_an_upload_that_a_proxy_refuses_is_an_outage(moto, tmp_path, monkeypatch, key):
    """Its answer has a status and no code of S3."""

    def refuse(*_args):
        raise ServerError("no", 502)

    blobs = over(moto, tmp_path, patience=SHORT)
    monkeypatch.setattr(blobs.client._minio, "_put_object", refuse)
    with pytest.raises(StorageUnavailable):
        put(blobs, key=key)


def test_objects_of_others_are_passed_over(moto, tmp_path):
    blobs = over(moto, tmp_path)
    put(blobs)
    for key in ("uploads/", "uploads/notes.txt", "results/README", "results/job_x.t", "backup/1"):
        blobs.client.put(key, b"x")
    assert len(blobs.list_uploads()) == 1
    assert blobs.list_results() == []


@pytest.mark.parametrize("metadata", [{}, {"manifest": "!"}, {"manifest": "e30="}])
def test_an_upload_without_a_right_manifest_is_corrupt(moto, tmp_path, metadata):
    blobs, job_id = over(moto, tmp_path), new_job_id()
    file = blobs.spool.new()
    file.write(b"x")
    blobs.client.put_file(f"uploads/{job_id}", file, metadata)
    file.close()
    with pytest.raises(StorageFailed, match="blob_corrupt"):
        blobs.manifest(job_id)


def test_what_is_spooled_is_gone_from_this_disk_in_the_end(moto, tmp_path):
    blobs = over(moto, tmp_path)
    manifest = put(blobs)
    with blobs.upload_path(manifest.job_id):
        assert len(list((tmp_path / "spool").iterdir())) == 1
    put_result(blobs, b"x")
    assert list((tmp_path / "spool").iterdir()) == []


# ---- over a network that fails --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [proxy.away, proxy.failing(503), proxy.failing(429), proxy.cut_up(60_000), proxy.cut_down(0)]
)
@pytest.mark.parametrize("data", [b"x" * 100_000, LARGE], ids=["at once", "in parts"])
def test_an_upload_outlasts_a_network_that_fails_twice(blobs, line, fault, data):
    """Row 21 with `cut_down(0)`: it was carried out, the answer is lost, and the same key put again is the same."""
    line.meets(fault, times=2)
    manifest = put(blobs, data)
    assert blobs.manifest(manifest.job_id) == manifest
    assert bytes_of(blobs, manifest.job_id) == data
    assert [upload.job_id for upload in blobs.list_uploads()] == [manifest.job_id]


def test_a_completion_whose_answer_was_lost_is_recognised(minio, tmp_path, monkeypatch):
    """Put again it is refused, because the parts are an object already; and the object says whose it is."""
    blobs = over(minio, tmp_path)
    complete, tries = blobs.client._minio._complete_multipart_upload, []

    def lost(*args):
        tries.append(args)
        found = complete(*args)
        if len(tries) == 1:
            raise ConnectionResetError
        return found

    monkeypatch.setattr(blobs.client._minio, "_complete_multipart_upload", lost)
    manifest = put(blobs, LARGE)
    assert len(tries) == 2
    assert bytes_of(blobs, manifest.job_id) == LARGE


def test_a_completion_that_did_nothing_is_no_success(moto, tmp_path, monkeypatch):
    """S3 may answer 200 and put an error into the body."""
    steady = over(moto, tmp_path, bucket=(bucket := f"nothing-{secrets.token_hex(6)}"))
    blobs = over(moto, tmp_path, patience=SHORT, bucket=bucket)
    job_id = put(steady, b"an older one").job_id
    monkeypatch.setattr(blobs.client._minio, "_complete_multipart_upload", lambda *_args: None)
    with pytest.raises(StorageUnavailable):
        put(blobs, LARGE, job_id)
    assert bytes_of(steady, job_id) == b"an older one"


def test_parts_of_an_upload_that_failed_are_not_waited_for_once_more(moto, tmp_path, monkeypatch):
    """Whoever waits for its 503 has waited for the upload already; what stays is pruned."""
    aborted = []

    def refuse(*args):
        raise ServerError("no", 502)

    def refuse_abort(*args):
        aborted.append(args)
        refuse()

    blobs = over(moto, tmp_path, patience=replace(SHORT, chance=lambda: 0.0))
    blobs.check()
    monkeypatch.setattr(blobs.client._minio, "_upload_part", refuse)
    monkeypatch.setattr(blobs.client._minio, "_abort_multipart_upload", refuse_abort)
    with pytest.raises(StorageUnavailable):
        put(blobs, LARGE)
    assert len(aborted) == 1


def test_who_answers_people_gives_up_in_time_and_spares_the_next_ones(moto, tmp_path):
    """Five seconds are what a client may have to wait for its 503; a worker has nobody who waits."""
    hurried, patient = (
        open_s3_blobs(moto.place(), tmp_path, hurried=hurried).client.caller for hurried in (True, False)
    )
    assert hurried.patience.seconds < 5
    assert hurried.patience.answer_seconds < 5
    assert hurried.breaker
    assert patient.patience.seconds > hurried.patience.seconds
    assert not patient.breaker


def test_what_cannot_be_deleted_now_is_not_waited_for(line, tmp_path):
    """The sweep deletes, and has more urgent things to do: five tries, then it is told so at once."""
    client = S3Client(S3Server(line.endpoint).place(), Caller(LONG))
    blobs = S3Blobs(client, Spool(tmp_path / "spool"), later=Caller(SHORT, Breaker(clock=lambda: 0.0)))
    line.meets(proxy.away)
    for _ in range(FAILURES):
        with pytest.raises(StorageUnavailable):
            blobs.delete_upload(new_job_id())
    asked = line.connections
    with pytest.raises(StorageUnavailable):
        blobs.delete_result(new_job_id(), "t")
    assert line.connections == asked


@pytest.mark.parametrize("fault", [proxy.away, proxy.failing(500), proxy.cut_down(0), proxy.cut_down(200_000)])
def test_a_download_goes_on_where_it_broke_off(blobs, line, fault):
    data = random.Random(1).randbytes(400_000)
    manifest, job_id = put(blobs, data), put_result(blobs, data)
    line.meets(fault, times=2)
    assert bytes_of(blobs, manifest.job_id) == data
    with blobs.open_result(job_id, "t") as file:
        assert file.read(100) == data[:100]
        line.meets(fault, times=2)
        assert file.read() == data[100:]


def test_a_priority_of_another_object_than_was_read_is_not_noted(minio, tmp_path, monkeypatch):
    """The bytes of one upload never come under the manifest of another. (moto does not know this condition.)"""
    blobs = over(minio, tmp_path)
    manifest, head = put(blobs), blobs.client.head

    def overtaken(key):
        found = head(key)
        put(blobs, b"others", manifest.job_id)
        return found

    monkeypatch.setattr(blobs.client, "head", overtaken)
    with pytest.raises(StorageFailed):
        blobs.note_priority(manifest.job_id, "low")
    monkeypatch.undo()
    assert blobs.manifest(manifest.job_id) == manifest_of(b"others", manifest.job_id)


def test_a_copy_that_is_answered_with_200_and_an_error_is_a_refusal_like_others(moto, tmp_path, monkeypatch):
    blobs = over(moto, tmp_path)
    manifest, execute = put(blobs), blobs.client._minio._execute

    def half_said(method, *args, **given):
        if method != "PUT":
            return execute(method, *args, **given)
        return HTTPResponse(b"<Error><Code>InternalError</Code></Error>", status=200)

    monkeypatch.setattr(blobs.client._minio, "_execute", half_said)
    with pytest.raises(StorageUnavailable):
        blobs.note_priority(manifest.job_id, "low")


def test_an_upload_that_is_copied_onto_itself_while_it_is_fetched_is_fetched_once_more(blobs, line):
    """A priority is noted by such a copy, which may give the same bytes another tag; a broken line then meets that one."""
    data = bytes(400_000)
    manifest = put(blobs, data)
    line.meets(proxy.cut_down(200_000), times=1)
    fetch = blobs.client.open

    def overtaken(key, headers):
        if "If-Match" in headers:
            headers = {**headers, "If-Match": '"of-the-object-before"'}
        return fetch(key, headers)

    blobs.client.open = overtaken
    assert bytes_of(blobs, manifest.job_id) == data


def test_bytes_that_change_on_the_way_are_fetched_once_more(blobs, line):
    data = bytes(100_000)
    manifest = put(blobs, data)
    line.meets(proxy.flipped(50_000), times=1)
    assert bytes_of(blobs, manifest.job_id) == data


def test_bytes_that_stay_wrong_are_corrupt(blobs, line):
    """Row 22."""
    manifest = put(blobs, bytes(100_000))
    blobs.client.put_file(f"uploads/{manifest.job_id}", other := blobs.spool.new(), {})
    other.close()
    with pytest.raises(StorageFailed, match="blob_corrupt"):
        bytes_of(blobs, manifest.job_id)
    manifest = put(blobs, bytes(100_000))
    line.meets(proxy.flipped(50_000))
    with pytest.raises(StorageFailed, match="blob_corrupt"):
        bytes_of(blobs, manifest.job_id)


def test_a_result_that_is_another_one_meanwhile_is_not_mixed_with_it(blobs):
    job_id, key = new_job_id(), None
    for fill in (b"1", b"2"):
        with blobs.new_result(job_id, "t") as sink:
            sink.write(fill * 400_000)
            sink.commit()
        if key is None:
            key = blobs.open_result(job_id, "t")
    with pytest.raises(StorageFailed, match="blob_corrupt"):
        key.read()
    key.close()


@pytest.mark.parametrize("fault", [proxy.away, proxy.failing(503), proxy.silent, proxy.cut_up(10)])
def test_a_store_that_stays_away_is_unavailable(line, tmp_path, fault):
    steady = over(S3Server(line.endpoint), tmp_path, bucket=(bucket := f"away-{secrets.token_hex(6)}"))
    blobs = over(S3Server(line.endpoint), tmp_path, patience=SHORT, bucket=bucket)
    job_id = put(steady).job_id
    line.meets(fault)
    for step in (
        blobs.check,
        blobs.installation,
        blobs.list_uploads,
        lambda: put(blobs),
        lambda: bytes_of(blobs, job_id),
        lambda: blobs.open_result(job_id, "t"),
    ):
        with pytest.raises(StorageUnavailable, match="storage_unavailable"):
            step()
    assert list((tmp_path / "spool").iterdir()) == []
    line.heals()
    assert bytes_of(steady, job_id) == b"hello"


def test_nobody_listening_is_unavailable_too(tmp_path):
    blobs = over(S3Server(f"http://127.0.0.1:{free_port()}"), tmp_path, patience=SHORT)
    with pytest.raises(StorageUnavailable):
        blobs.check()


def test_after_five_failures_the_store_is_left_alone(line, tmp_path):
    blobs = over(S3Server(line.endpoint), tmp_path, patience=Patience(0.01, 0.5), breaker=Breaker(clock=lambda: 0.0))
    line.meets(proxy.away)
    for _ in range(FAILURES):
        with pytest.raises(StorageUnavailable):
            blobs.installation()
    asked = line.connections
    with pytest.raises(StorageUnavailable):
        blobs.installation()
    assert line.connections == asked


@pytest.mark.parametrize(("name", "value"), [("access_key", "nobody"), ("secret_key", "another-secret")])
def test_wrong_keys_are_refused_at_once_with_what_to_look_at(minio, tmp_path, name, value):
    place = replace(minio.place(), **{name: SecretStr(value)})
    blobs = S3Blobs(S3Client(place, Caller(LONG)), Spool(tmp_path / "spool"))
    with pytest.raises(StorageUnavailable) as caught:
        blobs.check()
    assert "S3_ACCESS_KEY" in caught.value.suggestion
    assert value not in str(caught.value)


# ---- TLS ------------------------------------------------------------------------------------------------------------


def test_a_store_behind_tls_is_spoken_to_if_its_authority_is_trusted(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    folder = tmp_path / "certificates"
    folder.mkdir()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "private.key")
    for part in certificate.cert_chain_pems:
        part.write_to_path(folder / "public.crt", append=True)
    with running_minio(tmp_path / "disk", certificates=folder) as server:
        blobs = open_s3_blobs(server.place(), tmp_path / "spool", hurried=False)
        manifest = put(blobs, b"by TLS")
        assert bytes_of(blobs, manifest.job_id) == b"by TLS"
        stranger = over(S3Server(server.endpoint), tmp_path)
        with pytest.raises(StorageUnavailable) as caught:
            stranger.check()
        assert "S3_CA_FILE" in caught.value.suggestion
