import pytest

from app.domain.ids import new_job_id
from app.domain.job import JobStatus, Priority
from app.ingestion.cleanup import DAY_MS
from app.web.command_schemas import AuditList, Outcome
from tests.jobs_in_states import completed, failed, pending, processing
from tests.web.secrets import SECRETS


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
        ({"action": "delete", "filter": {"withoutCode": "poison"}}, "filter"),
        ({"action": "delete", "filter": {"q": ""}}, "filter.q"),
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
        ({"action": "retry", "filter": {"status": "failed"}, "limit": 0}, "limit"),
        ({"action": "retry", "filter": {"status": "failed"}, "limit": 1001}, "limit"),
        ({"action": "retry", "filter": {"status": "failed"}, "limit": "5"}, "limit"),
        ({"action": "retry", "filter": {"status": "failed"}, "cursor": "nonsense"}, "operation"),
        ({"action": "retry", "filter": {"status": "failed"}, "cursor": "nonsense", "dryRun": True}, "cursor"),
        ({"action": "cleanup", "daysOld": 7, "cursor": "nonsense", "dryRun": True}, "cursor"),
        ({"action": "retry", "filter": {"status": "failed"}, "operation": "0" * 16}, "operation"),
        ({"action": "retry", "filter": {"status": "failed"}, "operation": "../x"}, "operation"),
        ({"action": "retry", "filter": {"status": "failed"}, "before": "yesterday"}, "before"),
        ({"action": "retry", "filter": {"status": "failed"}, "before": "2026-02-30T00:00:00.000Z"}, "before"),
        ({"action": "retry", "filter": {"status": "failed"}, "before": True}, "before"),
        ({"action": "retry", "filter": {"status": "failed"}, "newPriority": "low"}, None),
        ({"action": "priority", "filter": {"status": "failed"}}, "newPriority"),
        ({"action": "priority", "newPriority": "low"}, None),
        ({"action": "priority", "newPriority": "low", "filter": {}}, "filter"),
        ({"action": "priority", "newPriority": "LOW", "jobIds": ["job_" + "a" * 24]}, "newPriority"),
        ({"action": "pause", "priority": "low", "limit": 5}, None),
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


# ---- in slices ---------------------------------------------------------------------------------------------------


def lines(ask, query=""):
    document = ask(f"/api/admin/audit{query}").get_json()
    AuditList.model_validate(document)
    return document["entries"]


def test_slices_of_one_operation_are_one_line_of_the_audit_list(ask, services, clock):
    made = [pending(services, now=clock() - n) for n in range(5)]
    command = {"action": "cancel", "filter": {"status": "pending"}, "limit": 2}
    answers = [ask(command).get_json()]
    clock.advance(60)
    late = pending(services, priority=Priority.LOW)
    while answers[-1]["nextCursor"]:
        goes_on = {"cursor": answers[-1]["nextCursor"], "operation": answers[0]["operation"]}
        answers.append(ask({**command, **goes_on}).get_json())
    for answer in answers:
        Outcome.model_validate(answer)
    assert [answer["affected"] for answer in answers] == [2, 2, 1]
    assert [answer["more"] for answer in answers] == [True, True, False]
    assert len({(answer["operation"], answer["before"]) for answer in answers}) == 1
    assert all(services.jobs.get(job.id).is_cancelled for job in made)
    assert services.jobs.get(late.id).status is JobStatus.PENDING
    (line,) = lines(ask)
    assert (line["action"], line["target"], line["affected"], line["failed"]) == ("cancel", "status pending", 5, 0)


def test_an_operation_is_gone_on_with_by_the_same_action_alone(ask, services):
    pending(services)
    operation = ask({"action": "pause", "priority": "low"}).get_json()["operation"]
    answer = ask({"action": "cancel", "filter": {"status": "pending"}, "operation": operation})
    assert (answer.status_code, error_of(answer)["field"]) == (422, "operation")


@pytest.mark.parametrize("other", [{"filter": {"status": "pending"}}, {"jobIds": None}])
def test_a_line_is_not_lengthened_by_what_it_does_not_tell(ask, services, other):
    """Else the list would say that pending jobs of one priority were cancelled, and it was others."""
    job = pending(services)
    other = {name: value or [job.id] for name, value in other.items()}
    command = {"action": "cancel", "filter": {"status": "pending", "priority": "high"}}
    operation = ask(command).get_json()["operation"]
    answer = ask({"action": "cancel", **other, "operation": operation})
    assert (answer.status_code, error_of(answer)["field"]) == (422, "operation")
    assert services.jobs.get(job.id).status is JobStatus.PENDING


@pytest.mark.parametrize("bound", [{}, {"before": 1_000}])
def test_a_dry_run_counts_what_the_command_would_touch_up_to_its_bound(ask, services, bound):
    pending(services)
    command = {"action": "cancel", "filter": {"status": "pending"}, **bound}
    would, did = ask({**command, "dryRun": True}).get_json(), ask(command).get_json()
    assert (would["affected"], would["jobIds"]) == (did["affected"], did["jobIds"])
    assert did["affected"] == (0 if bound else 1)


@pytest.mark.parametrize("as_text", [True, False])
def test_a_bound_that_is_given_leaves_younger_jobs_alone(ask, services, clock, as_text):
    pending(services, now=clock() - 1)
    bound = "2023-11-14T22:13:19.998Z" if as_text else clock() - 2
    document = ask({"action": "delete", "filter": {"status": "pending"}, "before": bound}).get_json()
    assert (document["affected"], document["before"]) == (0, "2023-11-14T22:13:19.998Z")


def test_cleanup_goes_in_slices(ask, services, clock):
    ended = clock() - 8 * DAY_MS
    for _ in range(3):
        completed(services, now=ended, ended=ended)
    first = ask({"action": "cleanup", "daysOld": 7, "limit": 2}).get_json()
    goes_on = {"cursor": first["nextCursor"], "operation": first["operation"]}
    rest = ask({"action": "cleanup", "daysOld": 7, "limit": 2, **goes_on}).get_json()
    assert (first["affected"], rest["affected"], rest["nextCursor"]) == (2, 1, None)
    assert lines(ask)[0]["affected"] == 3


def test_a_dry_run_shows_a_sample_and_leaves_no_line(ask, services):
    job = failed(services, name="broken.pdf")
    document = ask({"action": "retry", "filter": {"status": "failed"}, "dryRun": True}).get_json()
    Outcome.model_validate(document)
    assert document["sample"] == [{"jobId": job.id, "name": "broken.pdf", "status": "failed"}]
    assert (document["operation"], document["before"], lines(ask)) == (None, None, [])


def test_a_part_of_the_files_name_is_a_filter_too(ask, services):
    meant, other = failed(services, name="Scan 7.pdf"), failed(services, name="letter.pdf")
    assert ask({"action": "delete", "filter": {"q": "scan"}}).get_json()["jobIds"] == [meant.id]
    assert services.jobs.get(other.id) is not None


# ---- priorities --------------------------------------------------------------------------------------------------


def test_the_priority_of_waiting_jobs_is_changed(ask, services):
    waits, runs = pending(services), processing(services, priority=Priority.HIGH)
    command = {"action": "priority", "newPriority": "urgent", "jobIds": [waits.id, runs.id]}
    assert ask({**command, "dryRun": True}).get_json()["affected"] == 1
    document = ask(command).get_json()
    Outcome.model_validate(document)
    assert (document["affected"], document["failed"], document["jobIds"]) == (1, 0, [waits.id])
    assert services.jobs.get(waits.id).priority is Priority.URGENT
    assert lines(ask)[0]["target"] == "2 chosen jobs, now urgent"


# ---- the audit list ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "target"),
    [
        ({"action": "cleanup", "daysOld": 1}, "ended more than 1 day ago"),
        ({"action": "pause", "priority": "low"}, "priority low"),
        ({"action": "delete", "jobIds": ["job_" + "a" * 24]}, "job_" + "a" * 24),
        (
            {"action": "cancel", "filter": {"userId": "ada", "priority": "high", "olderThanDays": 3}},
            "priority high, user ada, older than 3 days",
        ),
        ({"action": "retry", "filter": {"q": "scan"}}, "name with scan"),
    ],
)
def test_a_line_says_in_words_what_was_meant(ask, command, target):
    ask(command)
    (line,) = lines(ask)
    assert (line["who"], line["target"], line["at"]) == ("token 127.0.0.1", target, "2023-11-14T22:13:20.000Z")


def test_a_line_tells_a_session_from_the_token(client, ask):
    client.post("/admin/login", data={"token": SECRETS["admin_token"].get_secret_value()})
    client.post("/api/admin/queue", json={"action": "resume", "priority": "low"})
    assert lines(ask)[0]["who"] == "session 127.0.0.1"


def test_the_audit_list_goes_on_by_its_cursor(ask):
    for priority in ("urgent", "high", "low"):
        ask({"action": "pause", "priority": priority})
    page = ask("/api/admin/audit?limit=2").get_json()
    assert [line["target"] for line in page["entries"]] == ["priority low", "priority high"]
    assert [line["target"] for line in lines(ask, f"?limit=2&cursor={page['nextCursor']}")] == ["priority urgent"]


@pytest.mark.parametrize(("query", "field"), [("limit=0", "limit"), ("limit=201", "limit"), ("cursor=x", "cursor")])
def test_a_page_that_makes_no_sense_is_refused(ask, query, field):
    answer = ask(f"/api/admin/audit?{query}")
    assert (answer.status_code, error_of(answer)["field"]) == (422, field)


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
