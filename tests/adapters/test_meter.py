import fakeredis
import pytest
import redis as redis_py

from app.adapters.blob_store import LocalBlobs, Manifest
from app.adapters.buckets import CALL_BOUNDS, histogram, observed
from app.adapters.meter import Meter
from app.adapters.timed_blobs import timed
from app.adapters.timed_redis import TimedRedis
from app.domain.ids import new_job_id
from app.errors import StorageFailed, StorageUnavailable


def names(meter):
    """What was counted, without the buckets, which depend on the machine."""
    return {":".join(name.split(":")[:2]) for name in meter.counts()}


@pytest.mark.parametrize(("seconds", "bound"), [(0, "0.1"), (0.1, "0.1"), (0.11, "1"), (1, "1"), (1.01, "inf")])
def test_a_time_falls_into_the_first_bucket_that_holds_it(seconds, bound):
    assert observed("x", seconds, (0.1, 1)) == {f"x:{bound}": 1, "x:sum": round(seconds * 1_000_000)}


def test_shown_buckets_hold_those_below_them():
    shown = histogram({"x:0.1": 2, "x:inf": 1, "x:sum": 2_500_000}, "x", (0.1, 1))
    assert shown.buckets == (("0.1", 2), ("1.0", 2), ("+Inf", 3))
    assert shown.total == 2.5


def test_a_meter_counts_calls_and_tells_failures_from_other_errors():
    meter = Meter()
    with meter.timing("storage", "check", StorageUnavailable):
        pass
    with pytest.raises(StorageUnavailable), meter.timing("storage", "check", StorageUnavailable):
        raise StorageUnavailable("storage_unavailable")
    with pytest.raises(ValueError, match="other"), meter.timing("storage", "check", StorageUnavailable):
        raise ValueError("other")
    assert histogram(meter.counts(), "storage:check", CALL_BOUNDS).buckets[-1] == ("+Inf", 3)
    assert meter.counts()["storage:failures"] == 1


def test_what_is_taken_from_a_meter_is_counted_once():
    meter = Meter()
    meter.add({"a": 2})
    assert (meter.take(), meter.take()) == ({"a": 2}, {})


def test_round_trips_to_redis_are_timed_by_their_kind():
    server, meter = fakeredis.FakeRedis(), Meter()
    client = TimedRedis(connection_pool=server.connection_pool)
    client.meter = meter
    client.set("a", 1)
    client.eval("return 1", 0)
    with client.pipeline() as pipe:
        assert pipe.get("a").execute() == [b"1"]
    assert names(meter) == {"redis:command", "redis:script", "redis:pipeline"}


def test_a_redis_that_does_not_answer_is_counted():
    meter = Meter()
    client = TimedRedis.from_url("unix:///nowhere/at/all.sock")
    client.meter = meter
    for call in (client.ping, client.pipeline().get("a").execute):
        with pytest.raises(redis_py.ConnectionError):
            call()
    assert meter.counts()["redis:failures"] == 2


def test_a_timed_store_is_the_store_with_its_operations_counted(tmp_path):
    meter = Meter()
    store, job_id = timed(LocalBlobs(tmp_path), meter), new_job_id()
    with store.new_upload() as writer:
        writer.write(b"words")
        manifest = Manifest(job_id, "a.txt", "text/plain", writer.size, writer.sha256, "low", 0)
        assert meter.counts() == {}  # what the client takes to send is not the storage's time
        writer.commit(manifest)
    with store.upload_path(job_id) as path:
        assert path.read_bytes() == b"words"
    with store.new_result(job_id, "token") as sink:
        sink.write(b"text")
        sink.commit()
    with store.open_result(job_id, "token") as file:
        assert file.read() == b"text"
    assert (store.manifest(job_id), store.kind) == (manifest, "folder")
    assert names(meter) == {
        f"storage:{name}" for name in ("put_upload", "fetch_upload", "put_result", "open_result", "manifest")
    }


def test_a_timed_upload_that_is_not_committed_leaves_nothing(tmp_path):
    store = timed(LocalBlobs(tmp_path), Meter())
    with store.new_upload() as writer:
        writer.write(b"words")
    assert store.list_uploads() == []
    assert list((tmp_path / "partial").iterdir()) == []


def test_an_error_inside_a_timed_fetch_comes_out_as_it_is(tmp_path):
    store = timed(LocalBlobs(tmp_path), Meter())
    with pytest.raises(StorageFailed), store.upload_path(new_job_id()):
        pass


def test_workers_report_their_calls_with_their_beat_and_once(services, clock):
    services.meter.add({"redis:script:0.5": 3})
    for _ in range(2):
        services.beat(state="idle", priorities=(), started_at=clock())
    assert services.counters.read()["worker:redis:script:0.5"] == 3
