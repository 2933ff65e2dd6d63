import json
import re
from typing import Union
from urllib.parse import quote

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import TypeAdapter

from app.domain.job import Priority
from app.errors import CATALOGUE
from app.web import schemas
from app.web.openapi import describe, prose
from app.web.openapi.examples import EXAMPLES
from app.web.openapi.routes import ROUTES
from app.web.openapi.shapes import JSON
from tests.jobs_in_states import failed, pending, processing, retrying
from tests.web.driving import done
from tests.web.secrets import AS_ADMIN

#: Addresses that are not ours to describe.
NOT_DESCRIBED = ("static", "rq_dashboard.")
PROBLEM = "application/problem+json"


def as_described(rule):
    """`/x/<path:file_name>` → `/x/{fileName}`."""

    def camel(match):
        first, *rest = match.group(1).split("_")
        return "{" + first + "".join(part.capitalize() for part in rest) + "}"

    return re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", camel, rule)


def test_every_address_is_described_and_no_other(app):
    existing = {
        (method, as_described(rule.rule))
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.startswith(NOT_DESCRIBED)
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    described = {(route.method, route.path) for route in ROUTES}
    assert described - existing == set(), "described, but not there"
    assert existing - described == set(), "there, but not described"
    assert len(described) == len(ROUTES)


def test_the_description_is_served(client):
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.get_json()["openapi"] == "3.1.0"


def test_the_description_is_openapi_3_1():
    document = json.loads(json.dumps(describe()))
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_reference_leads_somewhere():
    document = describe()
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= document["components"]["schemas"].keys()


def test_every_operation_has_answers_and_a_name_of_its_own():
    operations = [operation for path in describe()["paths"].values() for operation in path.values()]
    assert all(operation["responses"] and operation["summary"] for operation in operations)
    assert all("description" in answer for operation in operations for answer in operation["responses"].values())
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)


def test_every_parameter_of_a_path_is_described():
    for path, operations in describe()["paths"].items():
        for operation in operations.values():
            named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path)), path


def test_guarded_operations_say_how_they_are_opened():
    paths = describe()["paths"]
    assert paths["/api/admin/queue"]["post"]["security"] == [{"admin": []}, {"session": []}]
    assert paths["/api/cron/process-jobs"]["get"]["security"] == [{"cron": []}]
    assert "security" not in paths["/api/ingest/start"]["post"]
    assert "401" in paths["/metrics"]["get"]["responses"]


def test_every_address_has_its_sentences_and_no_other():
    told = [name for section in prose.sections() for name in section.routes]
    assert sorted(told) == sorted(route.name for route in ROUTES)
    assert all(prose.of(name) for name in told)
    assert {route.name: route.tag for route in ROUTES} == {
        name: section.tag for section in prose.sections() for name in section.routes
    }


def test_every_address_that_answers_programs_has_an_example():
    assert [route.name for route in ROUTES if not route.is_page and route.name not in EXAMPLES] == []
    assert EXAMPLES.keys() <= {route.name for route in ROUTES}


@pytest.mark.parametrize("name", [name for name, example in EXAMPLES.items() if example.content_type == JSON])
def test_an_example_is_what_its_address_takes_and_answers(name):
    route, example = next(route for route in ROUTES if route.name == name), EXAMPLES[name]
    body = route.answers[example.status].body
    if body:
        body.model_validate(example.answer)
    if example.sends:
        assert route.body
        TypeAdapter(Union[route.body.models]).validate_python(example.sends)  # noqa: UP007 - made of a tuple


def test_the_example_of_a_code_is_a_problem():
    examples = describe()["components"]["examples"]
    assert examples.keys() == CATALOGUE.keys()
    for code, example in examples.items():
        assert schemas.Problem.model_validate(example["value"]).error.code == code


def test_parameters_and_headers_are_told_with_an_example():
    operations = [operation for path in describe()["paths"].values() for operation in path.values()]
    parameters = [parameter for operation in operations for parameter in operation.get("parameters", [])]
    assert [p["name"] for p in parameters if not (p["description"] and "example" in p)] == []
    assert all(header["description"] and header["example"] for header in describe()["components"]["headers"].values())


def test_every_document_and_every_member_is_told():
    for name, schema in describe()["components"]["schemas"].items():
        assert "description" in schema, name
        members = schema.get("properties", {}).items()
        assert [member for member, told in members if not {"description", "$ref"} & told.keys()] == [], name


def test_the_members_are_camel_case():
    for name, schema in describe()["components"]["schemas"].items():
        assert not [member for member in schema.get("properties", {}) if "_" in member], name


# ---- real answers are what the models say ------------------------------------------------------------------------


def jobs_in_every_state(services):
    yield pending(services, user_id="ada")
    yield processing(services, priority=Priority.URGENT)
    yield retrying(services, priority=Priority.HIGH)
    yield failed(services, priority=Priority.LOW)
    yield done(services, "first page", "second page")


def test_status_documents_of_every_state(client, services):
    seen = set()
    for job in list(jobs_in_every_state(services)):
        answer = client.get(f"/api/ingest/status/{job.id}")
        assert answer.status_code == 200
        seen.add(schemas.Status.model_validate(answer.get_json()).status)
    assert len(seen) == 5


def test_the_document_of_a_job_that_is_not_there(client):
    answer = client.get(f"/api/ingest/status/job_{'a' * 24}")
    assert answer.status_code == 404
    schemas.Gone.model_validate(answer.get_json())


def test_the_whole_result(client, services):
    job = done(services, "first page", "second page")
    result = schemas.Result.model_validate(client.get(f"/api/ingest/result/{job.id}").get_json())
    assert [page.text for page in result.pages] == ["first page", "second page"]


@pytest.mark.parametrize(
    ("path", "sent", "status", "content_type"),
    [
        ("/api/admin/queue", {"data": b"{}", "headers": {**AS_ADMIN, "Content-Encoding": "gzip"}}, 415, PROBLEM),
        ("/admin/login", {"data": {"token": "x" * 70_000}}, 413, "text/html"),
    ],
)
def test_a_refusal_of_a_body_is_described(client, path, sent, status, content_type):
    answer = client.post(path, **sent)
    assert (answer.status_code, answer.mimetype) == (status, content_type)
    assert content_type in describe()["paths"][path]["post"]["responses"][str(status)]["content"]


def test_an_accepted_upload(client):
    answer = client.put("/api/ingest/start/a.txt", data=b"plain words")
    assert answer.status_code == 202
    schemas.Accepted.model_validate(answer.get_json())


def test_what_steering_a_job_answers(client, services):
    job = pending(services)
    for path in (f"/api/ingest/cancel/{job.id}", f"/api/ingest/retry/{job.id}"):
        schemas.Status.model_validate(client.post(path).get_json())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/nowhere"), ("POST", "/api/ingest/start"), ("GET", "/api/admin/queue"), ("PATCH", "/healthz")),
        *(("GET", "/api/ingest/result/x"), ("GET", "/api/ingest/events"), ("POST", "/api/ingest/cancel/x")),
        ("GET", "/api/ingest/events/" + quote("\0")),
    ],
)
def test_problems(client, method, path):
    answer = client.open(path, method=method)
    assert answer.content_type == "application/problem+json"
    schemas.Problem.model_validate(answer.get_json())


@pytest.mark.parametrize("path", ["/nowhere", "/api/ingest/jobs?limit=x", "/api/ingest/jobs?cursor=x"])
def test_problems_for_the_admin(client, path):
    problem = schemas.Problem.model_validate(client.get(path, headers=AS_ADMIN).get_json())
    assert problem.status in (404, 422)


def test_the_statuses_that_were_seen_are_described(client, services):
    """A sample of answers, each looked up in the description by its address and status."""
    waiting = pending(services)
    asked = [
        ("GET", "/api/ingest/status/{jobId}", f"/api/ingest/status/{waiting.id}?wait=x"),
        ("GET", "/api/ingest/result/{jobId}", f"/api/ingest/result/{waiting.id}"),
        ("GET", "/api/ingest/result/{jobId}", f"/api/ingest/result/{failed(services, priority=Priority.LOW).id}"),
        ("POST", "/api/ingest/retry/{jobId}", f"/api/ingest/retry/{done(services, priority=Priority.HIGH).id}"),
        ("GET", "/api/admin/queue", "/api/admin/queue"),
        ("GET", "/api/cron/process-jobs", "/api/cron/process-jobs"),
        ("POST", "/api/ingest/start", "/api/ingest/start"),
        ("GET", "/admin", "/admin"),
    ]
    for method, described, path in asked:
        answer = client.open(path, method=method)
        assert str(answer.status_code) in describe()["paths"][described][method.lower()]["responses"], path
