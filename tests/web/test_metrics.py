import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from app.adapters.batch_notes import BatchRun
from app.domain.job import Priority
from app.settings import ROOT
from tests.jobs_in_states import completed, failed, pending, processing, retrying
from tests.web.secrets import ADMIN_TOKEN, AS_ADMIN

METRICS_TOKEN = "77ab-metrics-token-of-the-tests"


def scrape(client):
    answer = client.get("/metrics", headers=AS_ADMIN)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    return list(text_string_to_metric_families(answer.get_data(as_text=True)))


def values(client):
    """By name and the values of the labels, in the order of the labels' names."""
    samples = [sample for family in scrape(client) for sample in family.samples]
    return {(one.name, *(value for _, value in sorted(one.labels.items()))): one.value for one in samples}


def test_an_empty_queue_has_metrics_too(client):
    seen = values(client)
    assert seen["ingest_jobs", "completed"] == 0
    assert seen["ingest_jobs_ended_total", "", "completed"] == 0
    assert seen["ingest_run_seconds_count",] == 0


def test_metrics_follow_the_queue(client, services, clock, redis):
    completed(services)
    failed(services)
    pending(services, priority=Priority.HIGH, now=clock() - 4000)
    services.jobs.pause(Priority.LOW)
    services.beat(state="idle", priorities=(Priority.HIGH,), started_at=clock())
    redis.hset("ingest:batch", "lastRunAt", clock() - 9000)
    seen = values(client)
    assert seen["ingest_jobs", "completed"] == seen["ingest_jobs", "failed"] == 1
    assert seen["ingest_queue_depth", "high"] == 1
    assert seen["ingest_queue_oldest_wait_seconds", "high"] == 4
    assert (seen["ingest_queue_paused", "low"], seen["ingest_queue_paused", "high"]) == (1, 0)
    assert (seen["ingest_workers", "high"], seen["ingest_workers", "low"]) == (1, 0)
    assert (seen["ingest_worker_processes", "idle"], seen["ingest_worker_processes", "busy"]) == (1, 0)
    assert seen["ingest_batch_age_seconds",] == 9


def test_every_end_is_counted_by_its_outcome_and_code(client, services):
    completed(services)
    completed(services)
    failed(services)
    waiting = pending(services)
    assert services.jobs.replace(waiting, waiting.cancelled(now=services.jobs.now()))
    retrying(services)
    seen = values(client)
    assert seen["ingest_jobs_ended_total", "", "completed"] == 2
    assert seen["ingest_jobs_ended_total", "corrupt_document", "failed"] == 1
    assert seen["ingest_jobs_ended_total", "cancelled", "cancelled"] == 1
    assert seen["ingest_retries_total", "job_timeout"] == 1
    assert seen["ingest_jobs_accepted_total", "medium"] == 5


def test_counts_stay_when_the_jobs_are_deleted(client, services):
    assert services.jobs.bury(completed(services).id)
    seen = values(client)
    assert (seen["ingest_jobs", "completed"], seen["ingest_jobs_ended_total", "", "completed"]) == (0, 1)


def test_losses_and_give_backs_are_counted_apart_from_retries(client, services, clock):
    lost, given_back = processing(services), processing(services, priority=Priority.LOW)
    assert services.jobs.replace(lost, lost.lost(now=clock()))
    assert services.jobs.replace(given_back, given_back.given_back(now=clock()))
    seen = values(client)
    assert (seen["ingest_losses_total",], seen["ingest_give_backs_total",]) == (1, 1)
    assert seen["ingest_retries_total", "job_timeout"] == 0
    assert ("ingest_retries_total", "worker_lost") not in seen


def test_the_times_of_ended_jobs_stand_in_buckets_that_hold_those_below(client, services, clock):
    job = processing(services, now=clock() - 7_000)
    assert services.jobs.replace(job, job.cancelled(now=clock() + 300))
    seen = values(client)
    assert [seen["ingest_run_seconds_bucket", bound] for bound in ("0.25", "0.5", "1.0", "+Inf")] == [0, 1, 1, 1]
    assert [seen["ingest_wait_seconds_bucket", bound] for bound in ("5.0", "10.0", "+Inf")] == [0, 1, 1]
    assert (seen["ingest_run_seconds_sum",], seen["ingest_wait_seconds_sum",]) == (0.3, 7)


def test_a_batch_is_counted_by_its_outcome(client, services, clock):
    services.batches.note(BatchRun(clock(), "ok", "schedule", {}))
    services.batches.note(BatchRun(clock(), "storage_unavailable", "schedule", {"duration_ms": 2500}))
    seen = values(client)
    assert (seen["ingest_batches_total", "ok"], seen["ingest_batches_total", "storage_unavailable"]) == (1, 1)
    assert seen["ingest_batch_ok",] == 0
    assert seen["ingest_batch_seconds",] == 2.5


def test_calls_are_those_of_this_process_and_those_that_workers_report(client, services):
    services.meter.add({"redis:script:0.005": 2, "redis:script:sum": 6000, "storage:failures": 1})
    services.counters.add({"worker:redis:script:0.5": 3, "worker:redis:script:sum": 900_000})
    seen = values(client)
    assert seen["ingest_redis_operation_seconds_count", "script", "web"] == 2
    assert seen["ingest_redis_operation_seconds_bucket", "0.25", "script", "worker"] == 0
    assert seen["ingest_redis_operation_seconds_bucket", "0.5", "script", "worker"] == 3
    assert seen["ingest_redis_operation_seconds_sum", "script", "worker"] == pytest.approx(0.9)
    assert (seen["ingest_storage_failures_total", "web"], seen["ingest_storage_failures_total", "worker"]) == (1, 0)


def test_held_requests_are_told_by_kind(client, app):
    gate = app.extensions["gate"]
    with gate.held.take("stream"), gate.held.take("stream"), gate.held.take("long_poll"), gate.uploads.take():
        seen = values(client)
    assert [seen["ingest_held_requests", kind] for kind in ("stream", "long_poll", "synchronous")] == [2, 1, 0]
    assert seen["ingest_uploads_in_flight",] == 1
    assert values(client)["ingest_held_requests", "stream"] == 0


def test_whatever_holds_a_request_is_told(client, app):
    """An alert adds the kinds up: one that is left out would let the places run out unseen."""
    gate = app.extensions["gate"]
    with gate.held.take("archive"), gate.held.take("of another kind"):
        seen = values(client)
    assert sum(number for name, number in seen.items() if name[0] == "ingest_held_requests") == 2
    assert values(client)["ingest_held_requests", "archive"] == 0


# ---- who may read them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [METRICS_TOKEN, ADMIN_TOKEN])
def test_either_token_opens_the_metrics(client, with_metrics_token, token):
    assert client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("header", ["", f"Bearer {METRICS_TOKEN}x", "Bearer", "Bearer None", "Bearer é"])
def test_nothing_else_does(client, with_metrics_token, header):
    answer = client.get("/metrics", headers={"Authorization": header})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, "unauthenticated")


def test_the_metrics_token_opens_nothing_else(client, with_metrics_token):
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    assert client.get("/api/admin/queue", headers=headers).status_code == 401
    assert client.get("/api/cron/process-jobs", headers=headers).status_code == 401


def test_the_metrics_token_serves_where_no_admin_token_is_set(services, client):
    open_to_readers = {"admin_token": None, "metrics_token": SecretStr(METRICS_TOKEN)}
    services.settings = services.settings.model_copy(update=open_to_readers)
    assert client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}).status_code == 200
    assert client.get("/metrics").status_code == 401


def test_without_any_token_the_metrics_are_closed(services, client):
    services.settings = services.settings.model_copy(update={"admin_token": None})
    assert client.get("/metrics").get_json()["error"]["code"] == "not_configured"


@pytest.fixture
def with_metrics_token(services):
    services.settings = services.settings.model_copy(update={"metrics_token": SecretStr(METRICS_TOKEN)})


# ---- names, and what is told of them -----------------------------------------------------------------------------


def told_families():
    rows = re.findall(r"^\| `(ingest_\w+)` \| (\w+) \| ([^|]*)\|", (ROOT / "docs" / "metrics.md").read_text(), re.M)
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def shown_families(client, services, clock):
    failed(services)
    services.batches.note(BatchRun(clock(), "ok", "schedule", {}))
    shown = {}
    for family in scrape(client):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        shown[name] = (family.type, frozenset(labels))
    return shown


def test_the_table_of_metrics_is_true_in_both_directions(client, services, clock):
    assert shown_families(client, services, clock) == told_families()


def test_names_and_units_are_as_prometheus_expects(client):
    """https://prometheus.io/docs/practices/naming/: base units, `_total` for what only grows."""
    for family in scrape(client):
        assert family.documentation
        assert re.fullmatch(r"ingest_[a-z_]+", family.name)
        assert not re.search(r"(milliseconds|_ms|minutes|kilobytes|_mb|percent)", family.name), family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name


def test_the_series_are_bounded(client, services, clock):
    shown_families(client, services, clock)
    assert sum(len(family.samples) for family in scrape(client)) < 500
