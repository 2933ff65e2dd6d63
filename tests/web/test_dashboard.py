import re

import fakeredis
import pytest
from redis import ConnectionError
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from app import create_app
from app.adapters import job_queues
from app.adapters.job_queues import Delivery, DeliveryQueue
from app.adapters.worker_registry import WorkerInfo
from app.domain.job import Priority
from app.web.dashboard import NAME
from tests.jobs_in_states import failed, pending, processing
from tests.web.secrets import ADMIN_TOKEN

VIEWS = "/admin/rq/0/view"
DATA = "/admin/rq/0/data"


@pytest.fixture
def delivered(services):
    """A job that waits, and one that failed, as RQ knows them."""
    waiting, broken = (
        pending(services, priority=Priority.HIGH),
        failed(services, name="private name.txt", user_id="ada"),
    )
    services.queues.deliver(waiting)
    services.queues.deliver(broken)
    services.queues.take_one(broken.priority)
    services.queues.note_failed(broken, keep_seconds=60)
    return waiting, broken


def test_nothing_of_it_is_shown_without_a_login(client, app):
    paths = [
        "/admin/rq/",
        f"{VIEWS}/queues",
        f"{DATA}/queues.json",
        "/admin/rq/static/css/main.css",
        "/admin/rq/nowhere",
    ]
    for path in paths:
        answer = client.get(path)
        assert (answer.status_code, answer.location) == (303, "/admin/login"), path
    assert client.post("/admin/rq/queue/medium/queued/empty").status_code == 303


@pytest.mark.parametrize("path", ["/admin/rq/", f"{VIEWS}/queues", f"{VIEWS}/workers", f"{VIEWS}/jobs"])
def test_its_pages_run_only_the_scripts_that_came_with_them(admin, path):
    answer = admin.get(path, follow_redirects=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    policy = answer.headers["Content-Security-Policy"]
    nonce = re.search(r"'nonce-([^']+)'", policy).group(1)
    scripts = re.findall(r"<script[^>]*>", answer.get_data(as_text=True))
    assert scripts
    assert all(f'nonce="{nonce}"' in script for script in scripts)
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    assert nonce not in admin.get(path, follow_redirects=True).headers["Content-Security-Policy"], (
        "a nonce is used once"
    )


def test_other_pages_keep_the_strict_policy(admin):
    assert "unsafe-eval" not in admin.get("/admin").headers["Content-Security-Policy"]


def test_queues_show_what_waits_and_what_failed(admin, delivered):
    queues = {queue["name"]: queue for queue in admin.get(f"{DATA}/queues.json").get_json()["queues"]}
    assert queues["high"]["count"] == 1
    assert queues["medium"]["failed_job_registry_count"] == 1


def test_failed_jobs_stand_there_by_code_and_with_nothing_a_user_wrote(admin, delivered):
    answer = admin.get(f"{DATA}/jobs/medium/failed/8/asc/1.json")
    (job,) = answer.get_json()["jobs"]
    assert job["id"] == delivered[1].id
    assert "corrupt_document" in str(job["exc_info"])
    assert b"private name" not in answer.data
    assert b"ada" not in answer.data


@pytest.mark.parametrize("registry", ["queued", "failed", "started", "finished", "deferred", "scheduled", "canceled"])
def test_each_registry_can_be_looked_at(admin, delivered, registry):
    assert admin.get(f"{VIEWS}/jobs/medium/{registry}/8/dsc/1").status_code == 200
    assert admin.get(f"{DATA}/jobs/medium/{registry}/8/dsc/1.json").status_code == 200


def test_one_job_can_be_looked_at(admin, delivered):
    job_id = delivered[1].id
    assert admin.get(f"{VIEWS}/job/{job_id}").status_code == 200
    shown = admin.get(f"{DATA}/job/{job_id}.json").get_json()
    assert (shown["id"], shown["status"], shown["exc_info"]) == (job_id, "failed", "corrupt_document")


def test_a_busy_worker_is_shown_with_its_job(admin, redis, services, clock):
    queue = DeliveryQueue("medium", connection=redis, serializer=JSONSerializer)
    Worker(
        [queue], name="worker.busy", connection=redis, serializer=JSONSerializer, job_class=Delivery
    ).register_birth()
    job = processing(services, holder="worker.busy")
    services.workers.beat(WorkerInfo("worker.busy", "h", 1, "busy", (), clock(), clock(), "1"))
    answer = admin.get(f"{DATA}/workers.json")
    assert answer.status_code == 200
    (worker,) = answer.get_json()["workers"]
    assert (worker["name"], worker["state"], worker["queues"]) == ("worker.busy", "busy", ["medium"])
    assert worker["current_job"]["job_id"] == job.id


def test_the_page_of_a_delivery_that_was_taken_is_that_of_its_job(admin, services):
    job = pending(services)
    for name in (job.id, f"{job.id}-0a1b2c3d"):
        answer = admin.get(f"{VIEWS}/job/{name}")
        assert (answer.status_code, answer.location) == (303, f"/admin/jobs/{job.id}")


def test_a_worker_whose_key_ran_out_does_not_break_the_list(admin, redis):
    redis.sadd("rq:workers", "rq:worker:ghost")
    assert admin.get(f"{DATA}/workers.json").get_json() == {"workers": []}


@pytest.mark.parametrize(
    "path",
    [
        *("/admin/rq/job/x/delete", "/admin/rq/job/x/requeue", "/admin/rq/requeue/medium", "/admin/rq/nowhere"),
        *("/admin/rq/queue/medium/queued/empty", "/admin/rq/queue/medium/compact", "/admin/rq/1/view/queues"),
        *(f"{DATA}/job/job_unknown.json", f"{VIEWS}/job/job_unknown", f"{VIEWS}/jobs/medium/nowhere/8/asc/1"),
        *(
            f"{VIEWS}/jobs/medium/failed/0/asc/1",
            f"{VIEWS}/jobs/medium/failed/8/up/1",
            f"{VIEWS}/jobs/<b>/failed/8/asc/1",
        ),
        *(f"{DATA}/jobs/medium/failed/x/asc/1.json", f"{DATA}/jobs/medium/failed/8/asc/0.json"),
        f"{DATA}/jobs/medium/failed/8/asc/{'9' * 300}.json",
    ],
)
def test_what_changes_something_or_is_nonsense_is_not_there(admin, delivered, path):
    assert admin.get(path).status_code == 404
    assert admin.post(path).status_code == 404


def test_reading_it_changes_nothing(admin, app, redis, delivered):
    before = {key: redis.dump(key) for key in redis.keys("rq:*")}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(f"{NAME}.") and rule.endpoint != f"{NAME}.static":
            fill = {"instance_number": 0, "queue_name": "medium", "registry_name": "failed", "job_id": delivered[1].id}
            values = {**fill, "per_page": "8", "order": "asc", "page": "1"}
            with app.test_request_context():
                path = app.url_map.bind("localhost").build(
                    rule.endpoint,
                    {k: v for k, v in values.items() if k in rule.arguments},
                    method=min(rule.methods - {"HEAD", "OPTIONS"}),
                )
            for method in ("GET", "POST", "DELETE"):
                admin.open(path, method=method).close()
    assert {key: redis.dump(key) for key in redis.keys("rq:*")} == before


def test_no_redis_is_a_503(admin, services, monkeypatch):
    monkeypatch.setattr(services.sessions, "is_open", lambda *given: True)

    def away(*args, **kwargs):
        raise ConnectionError("no server")

    monkeypatch.setattr(services.redis.connection_pool, "get_connection", away)
    for path in (f"{DATA}/queues.json", f"{VIEWS}/workers", f"{DATA}/workers.json"):
        assert admin.get(path).status_code == 503, path


def test_two_applications_show_each_their_own(services, settings, delivered):
    other = create_app(settings, type(services)(settings, client=fakeredis.FakeRedis(), blobs=services.blobs))
    admin = other.test_client()
    admin.post("/admin/login", data={"token": ADMIN_TOKEN})
    assert admin.get(f"{DATA}/queues.json").get_json() == {"queues": []}


def test_no_connection_is_opened_for_a_request(admin, monkeypatch):
    monkeypatch.setattr("rq_dashboard.web.from_url", lambda *a, **k: pytest.fail("connected anew"))
    assert admin.get(f"{DATA}/queues.json").status_code == 200


def test_our_queues_are_those_that_it_shows(admin, services):
    for priority in Priority:
        services.queues.deliver(pending(services, priority=priority))
    names = {queue.name for queue in Queue.all(connection=services.redis)}
    assert names == {priority.value for priority in Priority}
    assert job_queues.BATCH_QUEUE == "batch"
