import pytest

from app.domain.job import JobStatus, Priority
from app.web.operator_schemas import JobHistory, JobList
from tests.jobs_in_states import completed, failed, pending, processing, retrying


def error_of(answer):
    assert answer.content_type == "application/problem+json"
    return answer.get_json()["error"]


def listed(answer):
    return [job["jobId"] for job in answer.get_json()["jobs"]]


# ---- the list ----------------------------------------------------------------------------------------------------


def test_the_list_goes_on_by_its_cursor(ask, services, clock):
    made = [pending(services, now=clock() + n, user_id="ada").id for n in range(3)]
    first = ask("/api/ingest/jobs?userId=ada&limit=2")
    JobList.model_validate(first.get_json())
    assert listed(first) == [made[2], made[1]]
    second = ask(f"/api/ingest/jobs?userId=ada&limit=2&cursor={first.get_json()['nextCursor']}")
    assert listed(second) == [made[0]]
    assert second.get_json()["nextCursor"] is None


def test_the_list_is_narrowed_by_each_parameter(ask, services):
    job = failed(services, user_id="ada", name="needle.txt", priority=Priority.LOW)
    pending(services)
    for query in (
        "status=failed",
        "userId=ada",
        "priority=low",
        "code=corrupt_document",
        "q=NEEDLE",
        "status=failed&q=",
    ):
        assert listed(ask(f"/api/ingest/jobs?{query}")) == [job.id], query


def test_each_that_waits_tells_its_place_which_is_asked_for_once(ask, services, clock, monkeypatch):
    asked, ranks = [], services.line.ranks
    monkeypatch.setattr(services.line, "ranks", lambda jobs: asked.append(len(jobs)) or ranks(jobs))
    for n in range(3):
        pending(services, now=clock() + n)
    completed(services, now=clock() - 1, priority=Priority.LOW)
    listed = ask("/api/ingest/jobs").get_json()["jobs"]
    assert [job.get("waiting", {}).get("jobsAhead") for job in listed] == [2, 1, 0, None]
    assert asked == [3]


def test_the_admin_sees_stack_traces(ask, services):
    failed(services, code="internal", stack_trace="Traceback of ours")
    (document,) = ask("/api/ingest/jobs").get_json()["jobs"]
    assert document["error"]["stackTrace"] == "Traceback of ours"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=7.0", "limit"),
            ("limit=+7", "limit"),
            ("limit=x", "limit"),
        ),
        *(("limit=%C2%B2", "limit"), ("status=gone", "status"), ("priority=1", "priority"), ("code=x", "code")),
        *(("cursor=nonsense", "cursor"), ("q=" + "x" * 201, "q"), ("userId=" + "x" * 129, "userId")),
        ("limit=1&limit=2", "limit"),
    ],
)
def test_a_query_that_makes_no_sense_names_the_parameter(ask, query, field):
    answer = ask(f"/api/ingest/jobs?{query}")
    assert answer.status_code == 422
    assert (error_of(answer)["code"], error_of(answer)["field"]) == ("invalid_field", field)


# ---- one job -----------------------------------------------------------------------------------------------------


def shown(ask, job):
    answer = ask(f"/api/admin/jobs/{job.id}")
    assert answer.status_code == 200
    JobHistory.model_validate(answer.get_json())
    return answer.get_json()


def test_one_job_is_shown_with_its_stack_trace_and_what_is_known_of_its_file(ask, services, clock):
    job = failed(services, code="internal", stack_trace="Traceback of ours", ended=clock() + 1500)
    document = shown(ask, job)
    assert document["job"]["error"]["stackTrace"] == "Traceback of ours"
    assert document["sha256"] == job.file.sha256
    (attempt,) = document["history"]
    assert (attempt["run"], attempt["attempt"], attempt["outcome"]) == (1, 1, "internal")
    assert (attempt["worker"], attempt["seconds"]) == ("worker.test", 1.5)


def test_a_running_job_tells_who_holds_it(ask, services):
    document = shown(ask, processing(services, holder="worker.a"))
    assert (document["claim"]["worker"], document["history"], document["dueAt"]) == ("worker.a", [], None)


def test_a_job_that_is_tried_again_tells_when(ask, services):
    document = shown(ask, retrying(services))
    assert document["dueAt"] == document["job"]["nextRetryAt"] is not None
    assert document["claim"] is None


def test_losses_and_give_backs_stand_in_the_history(ask, services, clock):
    job = processing(services)
    back = job.given_back(now=clock())
    services.jobs.replace(job, back)
    again = services.jobs.claim_next(Priority.MEDIUM, holder="worker.b", token="b")
    services.jobs.replace(again, again.lost(now=clock()))
    document = shown(ask, job)
    assert [(one["outcome"], one["worker"]) for one in document["history"]] == [
        ("given_back", "worker.test"),
        ("worker_lost", "worker.b"),
    ]
    assert (document["giveBacks"], document["job"]["losses"]) == (1, 1)
    assert document["job"]["status"] == JobStatus.RETRYING.value


@pytest.mark.parametrize("job_id", ["job_" + "a" * 24, "nonsense", "..%2F..", "%00"])
def test_a_job_that_is_not_there_is_not_found(ask, job_id):
    answer = ask(f"/api/admin/jobs/{job_id}")
    assert answer.status_code == 404
    assert error_of(answer)["code"] == "not_found"


def test_only_the_admin_sees_it(client, services):
    assert client.get(f"/api/admin/jobs/{pending(services).id}").status_code == 401
