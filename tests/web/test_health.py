import pytest
import redis as redis_client

from app.errors import StorageUnavailable
from app.web.health import READY_SECONDS, Readiness
from app.web.operator_schemas import Health


def away(*args, **kwargs):
    raise redis_client.ConnectionError("no server")


def full():
    raise StorageUnavailable("storage_full")


def error_of(answer):
    assert answer.status_code == 503
    assert answer.content_type == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    return answer.get_json()["error"]


def test_alive_needs_no_neighbour(client, services, monkeypatch):
    monkeypatch.setattr(services.redis, "execute_command", away)
    monkeypatch.setattr(services.blobs, "check", full)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_ready_when_both_neighbours_answer(client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    Health.model_validate(answer.get_json())


def test_no_redis_is_said(client, services, monkeypatch):
    monkeypatch.setattr(services.redis, "execute_command", away)
    error = error_of(client.get("/readyz"))
    assert error["code"] == "queue_unavailable"
    assert "no server" not in str(error)


def test_no_room_is_said(client, services, monkeypatch):
    monkeypatch.setattr(services.blobs, "check", full)
    assert error_of(client.get("/readyz"))["code"] == "storage_full"


def test_two_that_fail_are_both_said(client, services, monkeypatch):
    monkeypatch.setattr(services.redis, "execute_command", away)
    monkeypatch.setattr(services.blobs, "check", full)
    message = error_of(client.get("/readyz"))["message"]
    assert "queue" in message
    assert "storage" in message


def test_neighbours_that_do_not_belong_together_are_said_with_the_way_out(client, services):
    services.binding()
    services.jobs.set_installation("another")
    error = error_of(client.get("/readyz"))
    assert error["code"] == "queue_unavailable"
    assert "./run rebuild" in error["suggestion"]


@pytest.fixture
def looks(services, monkeypatch):
    """How often the storage was asked."""
    asked = []
    monkeypatch.setattr(services.blobs, "check", lambda: asked.append(1))
    return asked


def test_asking_often_costs_one_look(services, looks):
    times = iter([0.0, 0.0, 0.5, READY_SECONDS, READY_SECONDS + 0.1, READY_SECONDS + 0.1])
    readiness = Readiness(clock=lambda: next(times))
    for _ in range(3):
        readiness.failures(services)
    assert len(looks) == 1
    readiness.failures(services)
    assert len(looks) == 2


def test_a_neighbour_that_came_back_is_seen(services, monkeypatch):
    at = 0.0
    readiness = Readiness(clock=lambda: at)
    with monkeypatch.context() as patched:
        patched.setattr(services.blobs, "check", full)
        assert list(readiness.failures(services)) == ["storage"]
    at = READY_SECONDS + 0.1
    assert readiness.failures(services) == {}
