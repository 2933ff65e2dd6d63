import json

from app.domain.job import PRIORITIES, Priority
from app.errors import StorageUnavailable
from app.ingestion.cancel import cancel
from app.ingestion.stats import queue_statistics
from tests.jobs_in_states import completed, pending, processing


def test_one_reading_has_everything(services, clock):
    completed(services)
    pending(services, priority=Priority.LOW)
    services.beat(state="idle", priorities=PRIORITIES, started_at=clock())
    statistics = queue_statistics(services)
    assert (statistics.counts.total, statistics.counts.completed) == (2, 1)
    assert statistics.depths[Priority.LOW].waiting == 1
    assert [worker.name for worker in statistics.workers] == [services.name]
    assert statistics.system.storage_kind == "folder"
    assert statistics.system.storage_free_bytes > 0


def test_a_batch_is_shown_with_what_it_did(services, redis, clock):
    assert queue_statistics(services).batch.last_run_at is None
    redis.hset("ingest:batch", mapping={"lastRunAt": clock(), "lastResult": json.dumps({"outcome": "ok"})})
    redis.set("ingest:batch:lock", f"x:{clock()}")
    batch = queue_statistics(services).batch
    assert (batch.last_run_at, batch.last_result, batch.lock_held) == (clock(), {"outcome": "ok"}, True)


def test_a_storage_that_does_not_answer_leaves_the_rest_readable(services, monkeypatch):
    def away():
        raise StorageUnavailable("storage_unavailable")

    monkeypatch.setattr(services.blobs, "free_bytes", away)
    assert queue_statistics(services).system.storage_free_bytes is None


def test_a_worker_is_shown_with_the_job_it_holds_and_no_other(services, clock):
    services.beat(state="busy", priorities=PRIORITIES, started_at=clock())
    job = processing(services, holder=services.name)
    processing(services, holder="another", priority=Priority.LOW)
    assert queue_statistics(services).in_hand[services.name] == job
    cancel(services, job.id)
    assert services.name not in queue_statistics(services).in_hand
