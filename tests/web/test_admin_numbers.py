import json

import pytest

from app.adapters.batch_notes import SCHEDULED, BatchRun
from app.adapters.job_queues import BATCH_DELIVERY_ID
from app.adapters.redis_memory import RedisMemory
from app.domain.job import Priority
from app.ingestion import stats
from app.web.statistics_schemas import History, Statistics
from tests.jobs_in_states import completed, failed, pending, processing

# ---- statistics --------------------------------------------------------------------------------------------------


def test_statistics_of_an_empty_queue(ask):
    document = ask("/api/admin/queue").get_json()
    Statistics.model_validate(document)
    assert document["queue"]["totalJobs"] == 0
    assert document["queue"]["lastProcessedAt"] is None
    assert document["priorities"]["low"] == {"depth": 0, "oldestWaitSeconds": None, "paused": False}


def test_statistics_of_a_busy_one(ask, services, clock, redis):
    completed(services)
    failed(services)
    pending(services, now=clock() - 2500, priority=Priority.HIGH)
    services.beat(state="busy", priorities=(Priority.HIGH,), started_at=clock())
    result = {"outcome": "ok", "processed": 1, "duration_ms": 7}
    redis.hset("ingest:batch", mapping={"lastRunAt": clock(), "lastResult": json.dumps(result)})
    document = ask("/api/admin/queue").get_json()
    Statistics.model_validate(document)
    queue = document["queue"]
    states = ("completedJobs", "failedJobs", "pendingJobs", "processingJobs", "retryingJobs")
    assert queue["totalJobs"] == sum(queue[state] for state in states) == 3
    assert queue["lastProcessedAt"].endswith("Z")
    assert document["priorities"]["high"] == {"depth": 1, "oldestWaitSeconds": 2.5, "paused": False}
    assert document["workers"][0]["priorities"] == ["high"]
    assert document["batch"]["lastResult"] == {"outcome": "ok", "processed": 1, "durationMs": 7}
    assert document["performance"]["errorRate"] == 0.5


# ---- history -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("query", "hours"), [("", 24), ("?hours=1", 1), ("?hours=24", 24), ("?hours=72", 72)])
def test_the_history_has_every_step_of_the_time_asked_for(ask, services, query, hours):
    completed(services)
    failed(services)
    document = ask(f"/api/admin/history{query}").get_json()
    History.model_validate(document)
    assert document["hours"] == hours
    assert len(document["points"]) * document["stepSeconds"] == hours * 3600
    assert (document["points"][-1]["completed"], document["points"][-1]["failed"]) == (1, 1)
    assert document["points"][0]["runSeconds"] == {"p50": None, "p95": None}


@pytest.mark.parametrize("hours", ["0", "2", "-1", "x", "1.0", "72&hours=1", "%C2%B2"])
def test_other_hours_are_refused(ask, hours):
    answer = ask(f"/api/admin/history?hours={hours}")
    assert answer.status_code == 422
    assert answer.get_json()["error"]["field"] == "hours"


def test_windows_count_what_ended(ask, services):
    completed(services)
    failed(services)
    windows = ask("/api/admin/queue").get_json()["performance"]["windows"]
    assert set(windows) == {"1h", "24h", "72h"}
    assert (windows["72h"]["completed"], windows["1h"]["failed"], windows["24h"]["errorRate"]) == (1, 1, 0.5)


def test_failures_are_told_by_code(ask, services):
    failed(services)
    assert ask("/api/admin/queue").get_json()["failures"] == [{"code": "corrupt_document", "count": 1}]


def test_a_worker_is_told_with_its_memory_and_its_job(ask, services, clock):
    job = processing(services, holder=services.name)
    services.beat(state="busy", priorities=(Priority.HIGH,), started_at=clock())
    document = ask("/api/admin/queue").get_json()
    Statistics.model_validate(document)
    (worker,) = document["workers"]
    assert (worker["job"]["jobId"], worker["job"]["name"]) == (job.id, "a.txt")
    assert worker["memoryBytes"] > 1_000_000


def test_a_batch_is_told_with_when_the_next_is_due(ask, services, clock, redis):
    services.batches.note(BatchRun(clock(), "ok", "cron", {"processed": 2, "duration_ms": 9}))
    redis.zadd(SCHEDULED, {BATCH_DELIVERY_ID: clock() / 1000 + 30})
    document = ask("/api/admin/queue").get_json()
    Statistics.model_validate(document)
    (run,) = document["batch"]["runs"]
    assert (run["by"], run["processed"], run["rescued"], run["durationMs"]) == ("cron", 2, 0, 9)
    assert (document["batch"]["schedule"], document["batch"]["nextRunAt"]) == (
        "every minute",
        "2023-11-14T22:13:50.000Z",
    )


def test_a_wrong_eviction_policy_is_warned_of(ask, monkeypatch):
    monkeypatch.setattr(stats, "redis_memory", lambda client: RedisMemory(1, 0, "allkeys-lru"))
    document = ask("/api/admin/queue").get_json()
    Statistics.model_validate(document)
    assert [warning["code"] for warning in document["system"]["warnings"]] == ["eviction_policy"]
