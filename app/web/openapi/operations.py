"""One route as an OpenAPI operation: its parameters, its body, each status that it may answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from app.errors import CATALOGUE, IngestError
from app.web import schemas
from app.web.openapi import prose
from app.web.openapi.examples import EXAMPLES
from app.web.openapi.shapes import EVENTS, HTML, JSON, PROBLEM, Answer, Body, Model, Parameter, Route
from app.web.problems import status_of

REFERENCE = "#/components/schemas/{model}"
#: What any address may answer.
COMMON_ERRORS = ("bad_request", "internal")
GUARD_ERRORS = ("unauthenticated", "not_configured")
_OPENED_BY: dict[str, list[dict[str, list[str]]]] = {
    "admin": [{"admin": []}, {"session": []}],
    "metrics": [{"metrics": []}, {"admin": []}, {"session": []}],
    "cron": [{"cron": []}],
}


def operation(route: Route) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _id_of(route.method, route.path),
        "summary": route.summary,
        "description": prose.of(route.name),
        "tags": [route.tag],
    }
    if parameters := [_parameter(parameter) for parameter in parameters_of(route)]:
        described["parameters"] = parameters
    if route.body:
        described["requestBody"] = {"required": True, "content": {route.body.content_type: _sent(route, route.body)}}
    described["responses"] = _responses(route)
    if route.guard:
        described["security"] = _OPENED_BY[route.guard]
    return described


def _id_of(method: str, path: str) -> str:
    parts = path.replace("-", "/").replace(".", "/").split("/")
    name = "".join(part[:1].upper() + part[1:] for part in (part.strip("{}") for part in parts))
    return f"{method.lower()}{name or 'Root'}"


#: What can be done with a job that was accepted.
LINKS = {
    name: {"operationId": _id_of(method, path), "parameters": {"jobId": "$response.body#/jobId"}}
    for name, method, path in (
        ("status", "GET", "/api/ingest/status/{jobId}"),
        ("events", "GET", "/api/ingest/events/{jobId}"),
        ("result", "GET", "/api/ingest/result/{jobId}"),
        ("cancel", "POST", "/api/ingest/cancel/{jobId}"),
        ("retry", "POST", "/api/ingest/retry/{jobId}"),
        ("delete", "DELETE", "/api/ingest/jobs/{jobId}"),
    )
}


# ---- what it takes ---------------------------------------------------------------------------------------------


def parameters_of(route: Route) -> Iterator[Parameter]:
    yield from route.parameters
    if route.query:
        properties = route.query.model_json_schema(ref_template=REFERENCE)["properties"]
        for name, schema in properties.items():
            plain = without_null(schema)
            plain.pop("minLength", None)  # what is empty was not given
            examples = plain.pop("examples", [None])
            yield Parameter(name, "query", plain.pop("description", ""), plain, examples[0])


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.meaning,
        "required": parameter.required or parameter.place == "path",
        "schema": parameter.schema,
    }
    return described if parameter.example is None else {**described, "example": parameter.example}


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query or a form leaves a field out; it cannot say null."""
    kept = {key: value for key, value in schema.items() if key not in ("anyOf", "default", "title")}
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if schema.get("default") is not None:
        kept["default"] = schema["default"]
    return {**kept, **choices[0]} if choices else kept


def _sent(route: Route, body: Body) -> dict[str, Any]:
    example = EXAMPLES[route.name].sends if route.name in EXAMPLES else None
    described = {"schema": _body(body)}
    return described if example is None else {**described, "example": example}


def _body(body: Body) -> dict[str, Any]:
    if not body.models:
        return {"type": "string", "format": "binary"}
    choices = [reference(model) for model in body.models]
    return choices[0] if len(choices) == 1 else {"oneOf": choices}


def reference(model: Model) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


# ---- what it answers -------------------------------------------------------------------------------------------


def _responses(route: Route) -> dict[str, Any]:
    answers = {str(status): _answer(route, status, answer) for status, answer in route.answers.items()}
    problems = {str(status): _problem(route, status, codes) for status, codes in problems_of(route).items()}
    return dict(sorted({**problems, **answers}.items()))


def _answer(route: Route, status: int, answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.meaning, "headers": _headers("X-Request-ID", *answer.headers)}
    if answer.body is schemas.Accepted:
        described["links"] = LINKS
    if answer.content_types:
        described["content"] = {kind: _content(route, status, answer, kind) for kind in answer.content_types}
    return described


def _content(route: Route, status: int, answer: Answer, kind: str) -> dict[str, Any]:
    known = kind in (JSON, EVENTS)
    described: dict[str, Any] = {"schema": reference(answer.body) if answer.body and known else {"type": _type(kind)}}
    example = EXAMPLES.get(route.name)
    if example and (example.status, example.content_type) == (status, kind) and kind != EVENTS:
        described["example"] = example.answer
    return described


def _type(content_type: str) -> str:
    return "object" if content_type.endswith("json") else "string"


def problems_of(route: Route) -> dict[int, list[str]]:
    """By status, every code that it may stand for."""
    codes: dict[int, list[str]] = {}
    guarded = () if route.is_page or not route.guard else GUARD_ERRORS
    for code in dict.fromkeys((*COMMON_ERRORS, *guarded, *route.errors)):
        for status in _statuses(route, code):
            codes.setdefault(status, []).append(code)
    return dict(sorted(codes.items()))


def _statuses(route: Route, code: str) -> Iterable[int]:
    """A code's own status; a body that stopped coming is another, and the result of a failed job is a conflict."""
    if code == "incomplete_body":
        return (400, 408)
    if route.path.startswith("/api/ingest/result/") and CATALOGUE[code].type in ("extraction_failed", "timeout"):
        return (409,)
    if route.path == "/api/ingest" and CATALOGUE[code].type == "storage_failed":
        return (422,)
    return (status_of(IngestError(code)),)


def _problem(route: Route, status: int, codes: list[str]) -> dict[str, Any]:
    examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
    content: dict[str, Any] = {PROBLEM: {"schema": reference(schemas.Problem), "examples": examples}}
    if route.is_page:
        content = {HTML: {"schema": {"type": "string"}}} | (content if "rate_limited" in codes else {})
    more = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}.get(status, ())
    meaning = " ".join(f"`{code}`: {CATALOGUE[code].message}" for code in codes)
    return {"description": meaning, "headers": _headers("X-Request-ID", *more), "content": content}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
