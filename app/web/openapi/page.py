"""docs/api.md: the OpenAPI document for people, with the same sentences, members, refusals and examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from app.errors import CATALOGUE, IngestError
from app.web.openapi import prose
from app.web.openapi.document import form_models, model_schemas
from app.web.openapi.examples import EXAMPLES
from app.web.openapi.layout import laid_out, table, type_of
from app.web.openapi.operations import COMMON_ERRORS, parameters_of, problems_of
from app.web.openapi.routes import ROUTES
from app.web.openapi.shapes import FORMS, Body, Example, Route
from app.web.problems import status_of

GENERATED = "<!-- Made by `./run openapi --markdown > docs/api.md`: change app/web/openapi, not this file. -->"


def page() -> str:
    """The whole page, ending in a line break."""
    return "\n\n".join(["# The API", GENERATED, prose.page("about"), *_sections(), *_documents(), *_errors()]) + "\n"


def _sections() -> Iterator[str]:
    by_name = {route.name: route for route in ROUTES}
    for section in prose.sections():
        yield f"## {section.title}"
        if section.opening:
            yield section.opening
        for name in section.routes:
            yield from _route(by_name[name])


def _route(route: Route) -> Iterator[str]:
    yield f"### `{route.name}`"
    guard = f"*{route.guard}.* " if route.guard else ""
    yield f"{guard}{route.summary}."
    yield prose.of(route.name)
    if rows := [*_parameters(route), *_members(route)]:
        yield table(("Takes", "In", "Form", "Meaning"), rows)
    yield "\n".join(_answers(route))
    if example := EXAMPLES.get(route.name):
        yield _shown(example)


def _parameters(route: Route) -> Iterator[tuple[str, ...]]:
    for parameter in parameters_of(route):
        yield f"`{parameter.name}`", parameter.place, type_of(parameter.schema), parameter.meaning


def _members(route: Route) -> Iterator[tuple[str, ...]]:
    """The fields of a form; a JSON body is a document of its own, below."""
    if route.body and route.body.content_type in FORMS:
        for model in route.body.models:
            schema = model_schemas()[model.__name__]
            needed = schema.get("required", [])
            for name, member in schema["properties"].items():
                place = "form, required" if name in needed else "form"
                yield f"`{name}`", place, type_of(member), member.get("description", "")


def _answers(route: Route) -> Iterator[str]:
    if route.body:
        yield f"- Body: {_body(route.body)}"
    for status, answer in route.answers.items():
        kind = _link(answer.body.__name__) if answer.body else ""
        kinds = ", ".join(f"`{each}`" for each in answer.content_types)
        headers = ", ".join(f"`{name}`" for name in answer.headers)
        parts = [part for part in (kind, kinds and f"as {kinds}", headers and f"with {headers}") if part]
        yield f"- {status}: {answer.meaning}{' ' + ' '.join(parts) + '.' if parts else ''}"
    if refusals := " · ".join(_refusals(route)):
        yield f"- Refuses with {refusals}"


def _refusals(route: Route) -> Iterator[str]:
    for status, codes in problems_of(route).items():
        if told := [code for code in codes if code not in COMMON_ERRORS]:
            yield f"{status} {', '.join(f'`{code}`' for code in told)}"


def _body(body: Body) -> str:
    if not body.models:
        return f"`{body.content_type}`, the bytes of the file."
    if body.content_type in FORMS:
        return f"`{body.content_type}` with these fields."
    return f"`{body.content_type}`, " + " or ".join(_link(model.__name__) for model in body.models) + "."


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _shown(example: Example) -> str:
    call = example.curl.replace("$BODY", json.dumps(example.sends))
    answer = example.answer if isinstance(example.answer, str) else laid_out(example.answer) if example.answer else ""
    return "\n".join(line for line in ("```console", f"$ {call}", answer.rstrip(), "```") if line)


# ---- documents and errors --------------------------------------------------------------------------------------


def _documents() -> Iterator[str]:
    yield "## Documents"
    yield "What JSON holds, by name. A member that may be missing is marked so; there are no others."
    for name, schema in model_schemas().items():
        if name in form_models():
            continue
        yield f"### {name}"
        if "description" in schema:
            yield schema["description"]
        if members := schema.get("properties"):
            yield table(("Member", "Form", "Meaning"), [_member(schema, each, members[each]) for each in members])
        elif "enum" in schema:
            yield ", ".join(f"`{value}`" for value in schema["enum"])


def _member(schema: dict[str, Any], name: str, member: dict[str, Any]) -> tuple[str, str, str]:
    missing = "" if name in schema.get("required", []) else " (may be missing)"
    return f"`{name}`{missing}", type_of(member), member.get("description", "")


def _errors() -> Iterator[str]:
    yield "## Errors"
    yield prose.page("errors")
    rows = [
        (
            f"`{entry.type}`",
            f"`{code}`",
            _statuses(code),
            "yes" if entry.retryable else "no",
            entry.message,
            entry.suggestion,
        )
        for code, entry in CATALOGUE.items()
    ]
    yield table(("Type", "Code", "HTTP", "Retryable", "What happened", "What to do"), rows)


def _statuses(code: str) -> str:
    """Its own, then those that it has at some addresses."""
    own = status_of(IngestError(code))
    others = {status for route in ROUTES for status, codes in problems_of(route).items() if code in codes}
    return ", ".join(str(status) for status in [own, *sorted(others - {own})])
