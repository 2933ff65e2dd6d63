import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.job import Priority
from tests.jobs_in_states import completed, failed, pending
from tests.web.secrets import AS_ADMIN, SECRETS


@pytest.fixture
def settings(settings):
    return settings.model_copy(update=SECRETS)


def scrape(client):
    answer = client.get("/metrics", headers=AS_ADMIN)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    return list(text_string_to_metric_families(answer.get_data(as_text=True)))


def values(client):
    return {
        (sample.name, *sample.labels.values()): sample.value for family in scrape(client) for sample in family.samples
    }


def test_an_empty_queue_has_metrics_too(client):
    assert len(scrape(client)) >= 5
    assert values(client)["ingest_jobs", "completed"] == 0


def test_metrics_follow_the_queue(client, services, clock, redis):
    completed(services)
    failed(services)
    pending(services, priority=Priority.HIGH, now=clock() - 4000)
    services.jobs.pause(Priority.LOW)
    services.beat(state="idle", priorities=(Priority.HIGH,), started_at=clock())
    redis.hset("ingest:batch", "lastRunAt", clock() - 9000)
    seen = values(client)
    assert seen["ingest_jobs", "completed"] == seen["ingest_jobs", "failed"] == 1
    assert seen["ingest_failed_jobs", "corrupt_document"] == 1
    assert seen["ingest_queue_depth", "high"] == 1
    assert seen["ingest_queue_oldest_wait_seconds", "high"] == 4
    assert (seen["ingest_queue_paused", "low"], seen["ingest_queue_paused", "high"]) == (1, 0)
    assert (seen["ingest_workers", "high"], seen["ingest_workers", "low"]) == (1, 0)
    assert ("ingest_run_seconds", "0.95") in seen
    assert seen["ingest_batch_age_seconds",] == 9


def test_every_metric_explains_itself(client):
    assert all(family.documentation for family in scrape(client))
