"""/openapi.json: the description that is made of the table of routes and of the models that answers are tested with."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from flask import Blueprint, Flask, jsonify
from flask.typing import ResponseReturnValue
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.domain.job import PRIORITIES
from app.errors import CATALOGUE, IngestError
from app.services import VERSION
from app.web import schemas
from app.web.api_routes import HTML, ROUTES, Answer, Body, Model, Parameter, Route
from app.web.problems import status_of

blueprint = Blueprint("openapi", __name__)

REFERENCE = "#/components/schemas/{model}"
#: What any address may answer.
COMMON_ERRORS = ("bad_request", "internal")
GUARD_ERRORS = ("unauthenticated", "not_configured")
_TITLE = "Asynchronous file ingestion"
_ABOUT = (
    "Upload a file, get a job id at once, watch its progress, fetch its text. Whoever knows a job's id may see it. "
    "Errors are problems (RFC 9457) whose member error.code is stable."
)


_OPENED_BY: dict[str, list[dict[str, list[str]]]] = {
    "admin": [{"admin": []}, {"session": []}],
    "metrics": [{"metrics": []}, {"admin": []}, {"session": []}],
    "cron": [{"cron": []}],
}


@blueprint.get("/openapi.json")
def description() -> ResponseReturnValue:
    return jsonify(describe())


@functools.cache
def describe() -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": VERSION, "description": _ABOUT, "license": {"name": "MIT"}},
        "paths": {
            path: {route.method.lower(): _operation(route) for route in routes}
            for path, routes in groupby(sorted(ROUTES, key=lambda route: route.path), key=lambda route: route.path)
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "admin": {"type": "http", "scheme": "bearer", "description": "ADMIN_TOKEN"},
                "metrics": {"type": "http", "scheme": "bearer", "description": "METRICS_TOKEN"},
                "session": {"type": "apiKey", "in": "cookie", "name": "ingest_admin", "description": "The admin login"},
                "cron": {"type": "http", "scheme": "bearer", "description": "CRON_SECRET"},
            },
        },
    }


def _schemas() -> dict[str, Any]:
    models: set[Model] = {schemas.Problem, schemas.Status}
    for route in ROUTES:
        models |= {answer.body for answer in route.answers.values() if answer.body}
        models |= set(route.body.models if route.body else ())
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema([(model, "validation") for model in ordered], ref_template=REFERENCE)
    found: dict[str, Any] = definitions["$defs"]
    return {"Priority": {"type": "string", "enum": [priority.value for priority in PRIORITIES]}, **found}


def _operation(route: Route) -> dict[str, Any]:
    name = "".join(part.strip("{}").capitalize() for part in route.path.replace("-", "/").replace(".", "/").split("/"))
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{name or 'Root'}",
        "summary": route.summary,
        "tags": [route.tag],
        "responses": _responses(route),
    }
    parameters = [_parameter(parameter) for parameter in route.parameters]
    if route.query:
        parameters += _query_parameters(route.query)
    if parameters:
        operation["parameters"] = parameters
    if route.body:
        operation["requestBody"] = {
            "required": True,
            "content": {route.body.content_type: {"schema": _body(route.body)}},
        }
    if route.guard:
        operation["security"] = _OPENED_BY[route.guard]
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.meaning,
        "required": parameter.place == "path",
        "schema": parameter.schema,
    }


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    properties = model.model_json_schema(ref_template=REFERENCE)["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": _without_null(schema)}
        for name, schema in properties.items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query leaves a parameter out; it cannot say null."""
    kept = {key: value for key, value in schema.items() if key not in ("anyOf", "default", "title")}
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if schema.get("default") is not None:
        kept["default"] = schema["default"]
    return {**kept, **choices[0]} if choices else kept


def _body(body: Body) -> dict[str, Any]:
    if not body.models:
        return {"type": "string", "format": "binary"}
    choices = [_reference(model) for model in body.models]
    return choices[0] if len(choices) == 1 else {"oneOf": choices}


def _reference(model: Model) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


# ---- answers ---------------------------------------------------------------------------------------------------


def _responses(route: Route) -> dict[str, Any]:
    answers = {str(status): _answer(answer) for status, answer in route.answers.items()}
    problems = _problems(route)
    return dict(sorted({**problems, **answers}.items()))


def _answer(answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.meaning}
    if answer.content_types:
        described["content"] = {
            kind: {
                "schema": _reference(answer.body) if answer.body and kind.endswith("json") else {"type": _type(kind)}
            }
            for kind in answer.content_types
        }
    if answer.headers:
        described["headers"] = {name: {"schema": {"type": "string"}} for name in answer.headers}
    return described


def _type(content_type: str) -> str:
    return "object" if content_type.endswith("json") else "string"


def _problems(route: Route) -> dict[str, Any]:
    """By status, with every code that it may stand for."""
    codes: dict[int, list[str]] = {}
    guarded = () if route.is_page or not route.guard else GUARD_ERRORS
    for code in dict.fromkeys((*COMMON_ERRORS, *guarded, *route.errors)):
        for status in _statuses(route, code):
            codes.setdefault(status, []).append(code)
    return {str(status): _problem(route, status, named) for status, named in codes.items()}


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
    shape = {HTML: {"schema": {"type": "string"}}}
    if not route.is_page:
        shape = {"application/problem+json": {"schema": {"$ref": REFERENCE.format(model="Problem")}}}
    described: dict[str, Any] = {"description": ", ".join(codes), "content": shape}
    if status in (429, 503):
        described["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return described


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
