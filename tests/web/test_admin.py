import pytest

from app.domain.ids import new_job_id
from app.domain.job import JobStatus, Priority
from app.ingestion.cleanup import DAY_MS
from app.web.operator_schemas import Outcome
from tests.jobs_in_states import completed, failed, pending, processing
from tests.web.secrets import SECRETS


@pytest.fixture
def settings(settings):
    return settings.model_copy(update=SECRETS)


def error_of(answer):
    assert answer.content_type == "application/problem+json"
    return answer.get_json()["error"]


# ---- commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [-1, 0, 7.5, "7", True, None, 10**9, [7], 3651, {}])
def test_days_are_a_whole_number_from_1_to_3650(ask, days):
    answer = ask({"action": "cleanup", "daysOld": days})
    assert answer.status_code == 422
    assert (error_of(answer)["code"], error_of(answer)["field"]) == ("invalid_field", "daysOld")


@pytest.mark.parametrize(
    ("command", "field"),
    [
        ({}, "action"),
        ({"action": "destroy"}, "action"),
        ({"action": ["cleanup"]}, "action"),
        ({"action": None}, "action"),
        ({"action": "cleanup"}, "daysOld"),
        ({"action": "cleanup", "daysOld": 7, "dryRun": "yes"}, "dryRun"),
        ({"action": "cleanup", "daysOld": 7, "dryRun": 1}, "dryRun"),
        ({"action": "cleanup", "daysOld": 7, "dryrun": True}, None),
        ({"action": "delete"}, None),
        ({"action": "delete", "filter": {}}, "filter"),
        ({"action": "delete", "filter": None, "jobIds": None}, None),
        ({"action": "delete", "filter": {"status": None}}, "filter"),
        ({"action": "delete", "filter": {"stauts": "failed"}}, "filter"),
        ({"action": "delete", "filter": {"status": "failed", "userid": "ada"}}, "filter"),
        ({"action": "delete", "filter": {"status": "gone"}}, "filter.status"),
        ({"action": "delete", "filter": {"olderThanDays": True}}, "filter.olderThanDays"),
        ({"action": "retry", "filter": {"code": "no_such_code"}}, "filter.code"),
        ({"action": "retry", "filter": {"userId": "u" * 129}}, "filter.userId"),
        ({"action": "retry", "jobIds": []}, "jobIds"),
        ({"action": "retry", "jobIds": ["job_../../etc"]}, "jobIds"),
        ({"action": "retry", "jobIds": [7]}, "jobIds"),
        ({"action": "retry", "jobIds": "job_" + "a" * 24}, "jobIds"),
        ({"action": "retry", "jobIds": ["job_" + "a" * 24] * 1001}, "jobIds"),
        ({"action": "retry", "jobIds": ["job_" + "a" * 24], "filter": {"status": "failed"}}, None),
        ({"action": "pause"}, "priority"),
        ({"action": "pause", "priority": "HIGH"}, "priority"),
        ({"action": "pause", "priority": ["high"]}, "priority"),
    ],
)
def test_a_command_that_makes_no_sense_names_the_field(ask, command, field):
    answer = ask(command)
    assert answer.status_code == 422
    assert (error_of(answer)["code"], error_of(answer).get("field")) == ("invalid_field", field)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b'{"action": NaN}', b"[" * 60_000, b"9" * 5000, b'{"action":"cleanup","action":"delete"}'),
        *(
            '{"action":"cleanup"}'.encode("utf-16"),
            b"\xff",
            b"null,",
            b'{"action":"cleanup","daysOld":1e999}',
            b"[]",
            b"7",
        ),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(ask, body):
    answer = ask(body)
    assert answer.status_code in (400, 413, 422)
    error_of(answer)


def test_what_was_sent_is_not_said_back(ask):
    answer = ask({"action": "<b>destroy-me</b>", "evil<member>": 1})
    assert b"destroy-me" not in answer.data
    assert b"evil" not in answer.data


def test_cleanup_removes_old_ended_jobs(ask, services, clock):
    ended = clock() - 8 * DAY_MS
    old, live = completed(services, now=ended, ended=ended), pending(services, now=ended)
    document = ask({"action": "cleanup", "daysOld": 7}).get_json()
    Outcome.model_validate(document)
    assert document["jobIds"] == [old.id]
    assert services.jobs.get(old.id) is None
    assert services.jobs.get(live.id) == live


def test_cleanup_says_what_it_would_do(ask, services):
    job = completed(services)
    document = ask({"action": "cleanup", "daysOld": 3650, "dryRun": True}).get_json()
    assert (document["dryRun"], document["affected"], document["jobIds"]) == (True, 0, [])
    assert services.jobs.get(job.id)


def test_the_design_documents_own_command_works_twice(ask):
    for _ in range(2):
        document = ask({"action": "cleanup", "daysOld": 7}).get_json()
        assert (document["success"], document["action"], document["affected"]) == (True, "cleanup", 0)


def test_failed_jobs_are_retried_by_filter(ask, services):
    broken, done = failed(services), completed(services)
    document = ask({"action": "retry", "filter": {"status": "failed", "code": "corrupt_document"}}).get_json()
    Outcome.model_validate(document)
    assert document["jobIds"] == [broken.id]
    assert services.jobs.get(broken.id).status is JobStatus.PENDING
    assert services.jobs.get(done.id).status is JobStatus.COMPLETED


def test_a_filter_by_age_counts_from_the_end(ask, services, clock):
    began = clock() - 9 * DAY_MS
    failed(services, now=began, ended=clock())
    old = failed(services, now=began, ended=began)
    document = ask({"action": "delete", "filter": {"status": "failed", "olderThanDays": 8}}).get_json()
    assert document["jobIds"] == [old.id]


def test_jobs_are_cancelled_by_id_and_unknown_ones_passed_over(ask, services):
    job = processing(services)
    document = ask({"action": "cancel", "jobIds": [job.id, new_job_id()]}).get_json()
    assert (document["affected"], document["jobIds"]) == (1, [job.id])
    assert services.jobs.get(job.id).is_cancelled


def test_a_priority_is_paused_and_resumed(ask, services):
    pending(services, priority=Priority.LOW)
    document = ask({"action": "pause", "priority": "low"}).get_json()
    Outcome.model_validate(document)
    assert document["affected"] == 1
    assert services.jobs.paused() == {Priority.LOW}
    assert ask("/api/admin/queue").get_json()["priorities"]["low"]["paused"] is True
    ask({"action": "resume", "priority": "low"})
    assert services.jobs.paused() == frozenset()


def test_a_dry_pause_changes_nothing(ask, services):
    assert ask({"action": "pause", "priority": "low", "dryRun": True}).status_code == 200
    assert services.jobs.paused() == frozenset()


# ---- read only ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        {"action": "delete", "filter": {"status": "pending"}},
        {"action": "pause", "priority": "medium"},
        {"action": "cleanup", "daysOld": 1},
    ],
)
def test_where_it_is_read_only_a_dry_run_alone_is_obeyed(ask, services, command):
    object.__setattr__(services.settings, "admin_read_only", True)
    job = pending(services)
    answer = ask(command)
    assert (answer.status_code, error_of(answer)["code"]) == (403, "read_only")
    assert services.jobs.get(job.id) == job
    assert services.jobs.paused() == frozenset()
    assert ask({**command, "dryRun": True}).status_code == 200
    assert ask("/api/admin/queue").get_json()["readOnly"] is True
