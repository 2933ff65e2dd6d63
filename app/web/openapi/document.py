"""The OpenAPI document: made of the table of routes, of the models that answers are tested with, of prose and examples."""

from __future__ import annotations

import functools
import re
from typing import Any

from pydantic.json_schema import models_json_schema

from app.domain.job import PRIORITIES
from app.errors import CATALOGUE, IngestError
from app.services import VERSION
from app.web import schemas
from app.web.openapi import prose
from app.web.openapi.operations import REFERENCE, operation, without_null
from app.web.openapi.parts import HEADERS
from app.web.openapi.routes import ROUTES
from app.web.openapi.shapes import FORMS, Model
from app.web.problems import problem_document, status_of

_TITLE = "Asynchronous file ingestion"
_ABOUT = (
    "Upload a file, get a job id at once, watch its progress, fetch its text. Whoever knows a job's id may see it. "
    "Errors are problems (RFC 9457) whose member error.code is stable."
)
_SECURITY = {
    "admin": {"type": "http", "scheme": "bearer", "description": "ADMIN_TOKEN"},
    "metrics": {"type": "http", "scheme": "bearer", "description": "METRICS_TOKEN"},
    "session": {"type": "apiKey", "in": "cookie", "name": "ingest_admin", "description": "The admin login"},
    "cron": {"type": "http", "scheme": "bearer", "description": "CRON_SECRET"},
}
_A_REQUEST = "215a4eb1-ec4d-4f47-bf98-6cd82dd84e62"


@functools.cache
def describe() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": _TITLE,
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "MIT", "url": "https://spdx.org/licenses/MIT.html"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": section.tag, "description": section.title} for section in prose.sections()],
        "paths": paths,
        "components": {
            "schemas": model_schemas(),
            "headers": HEADERS,
            "examples": _problem_examples(),
            "securitySchemes": _SECURITY,
        },
    }


@functools.cache
def model_schemas() -> dict[str, Any]:
    models: set[Model] = {schemas.Problem, schemas.Status, schemas.WaitingEvent, schemas.GoneEvent}
    for route in ROUTES:
        models |= {answer.body for answer in route.answers.values() if answer.body}
        models |= set(route.body.models if route.body else ())
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema([(model, "validation") for model in ordered], ref_template=REFERENCE)
    found: dict[str, Any] = definitions["$defs"]
    for name in form_models():
        members = found[name]["properties"]
        found[name]["properties"] = {each: without_null(member) for each, member in members.items()}
    found["JobStatus"]["description"] = "Where a job is on its way; it ends as `completed` or `failed`."
    priority = {"type": "string", "enum": [each.value for each in PRIORITIES], "description": "How soon it is read."}
    return {name: _tidy(schema) for name, schema in sorted({**found, "Priority": priority}.items())}


def form_models() -> set[str]:
    """The models of form fields, by name."""
    bodies = [route.body for route in ROUTES if route.body and route.body.content_type in FORMS]
    return {model.__name__ for body in bodies for model in body.models}


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the titles that only repeat a member's name, and with sentences on one line."""
    members = schema.get("properties", {})
    tidied = (
        {**schema, "properties": {name: _untitled(member) for name, member in members.items()}} if members else schema
    )
    if "description" in schema:
        tidied = {**tidied, "description": re.sub(r"\s+", " ", schema["description"])}
    return _untitled(tidied)


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}


def _problem_examples() -> dict[str, Any]:
    """Each code as a whole answer; its status is the one that it has where it says no other."""
    return {
        code: {
            "summary": entry.message,
            "value": problem_document(IngestError(code), status=status_of(IngestError(code)), reference=_A_REQUEST),
        }
        for code, entry in CATALOGUE.items()
    }
