import pytest

from app.domain.ids import new_job_id
from app.errors import RequestRefused
from app.ingestion.batch import BatchReport
from app.web import cron
from app.web.operator_schemas import BatchReport as Schema
from tests.web.secrets import ADMIN_TOKEN, AS_CRON, CRON_SECRET

PATH = "/api/cron/process-jobs"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer",
        "Bearer None",
        "Bearer undefined",
        "Bearer wrong",
        CRON_SECRET,
        f"Bearer {ADMIN_TOKEN}",
        "Bearer \xff",
    ],
)
def test_without_the_secret_nothing_runs(client, header, monkeypatch):
    monkeypatch.setattr(cron, "run_batch", lambda services: pytest.fail("a batch ran"))
    for ask in (client.get, client.post):
        answer = ask(PATH, headers={} if header is None else {"Authorization": header})
        assert answer.status_code == 401
        assert answer.get_json()["error"]["code"] == "unauthenticated"
        assert answer.headers["WWW-Authenticate"]


def test_an_admins_session_does_not_count(client):
    assert client.post("/admin/login", data={"token": ADMIN_TOKEN}).status_code == 303
    assert client.get(PATH).status_code == 401


def test_a_batch_runs_and_tells_what_it_did(client, monkeypatch):
    job_id = new_job_id()
    monkeypatch.setattr(cron, "run_batch", lambda services, by: BatchReport(1, [job_id], 2, 3, 4, 5))
    for ask in (client.get, client.post):
        answer = ask(PATH, headers=AS_CRON)
        assert answer.status_code == 200
        document = answer.get_json()
        Schema.model_validate(document)
        assert (document["processed"], document["jobIds"], document["rescued"]) == (1, [job_id], 2)
        assert (document["expired"], document["remaining"], document["durationMs"]) == (3, 4, 5)


def test_a_second_batch_is_told_of_the_first(client, services):
    lock = services.batch_lock()
    assert lock.acquire(now=services.jobs.now())
    answer = client.get(PATH, headers=AS_CRON)
    assert answer.status_code == 409
    assert answer.get_json()["error"]["code"] == "batch_running"
    assert answer.headers["Retry-After"]


def test_a_batch_holds_a_place_while_it_runs(client, app, monkeypatch):
    held = app.extensions["gate"].held
    seen = []
    monkeypatch.setattr(cron, "run_batch", lambda services, by: seen.append(held.taken) or BatchReport())
    assert client.get(PATH, headers=AS_CRON).status_code == 200
    assert (seen, held.taken) == ([1], 0)


def test_the_place_is_given_back_when_the_batch_fails(client, app, monkeypatch):
    def refuse(services, by):
        raise RequestRefused("batch_running")

    monkeypatch.setattr(cron, "run_batch", refuse)
    assert client.get(PATH, headers=AS_CRON).status_code == 409
    assert app.extensions["gate"].held.taken == 0


def test_a_server_whose_threads_are_all_held_takes_no_batch(client, app, monkeypatch):
    monkeypatch.setattr(cron, "run_batch", lambda services, by: BatchReport())
    held = app.extensions["gate"].held
    places = [held.take() for _ in range(held.limit)]
    answer = client.get(PATH, headers=AS_CRON)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "overloaded")
    assert answer.headers["Retry-After"]
    for place in places:
        place.release()
    assert client.get(PATH, headers=AS_CRON).status_code == 200


def test_a_look_by_head_processes_nothing(client, monkeypatch):
    monkeypatch.setattr(cron, "run_batch", lambda services: pytest.fail("a batch ran"))
    assert client.head(PATH, headers=AS_CRON).status_code == 200
