"""Turns what a model refuses into this API's own error: one field to blame, no library's words about the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.datastructures import MultiDict

from app.errors import ValidationFailed

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)

#: How many jobs may be named in one query.
MOST_JOBS = 100
#: What may be said beyond "this is not allowed": sentences that hold the rule and nothing of the input.
_TELLING = frozenset(
    {"greater_than_equal", "less_than_equal", "literal_error", "enum", "int_type", "bool_type", "string_type"}
    | {"string_too_long", "string_too_short", "too_long", "too_short", "list_type", "value_error"}
)


def read(adapter: TypeAdapter[T], data: object, *, tag: str | None = None) -> T:
    """`data` as the model reads it; raises ValidationFailed `invalid_field` for the first thing that is wrong.

    `tag` names the member that tells the kinds of a union apart.
    """
    try:
        return adapter.validate_python(data, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _refused(error.errors(include_url=False, include_input=False)[0], tag) from None


def query(model: type[Model], args: MultiDict[str, str]) -> Model:
    """A query string as the model reads it; what is given twice is refused, what is empty was not given."""
    for name in args:
        if len(args.getlist(name)) > 1 and name in _names(model):
            raise ValidationFailed("invalid_field", f"{name} is given more than once.", field=name)
    given: Mapping[str, Any] = {name: value for name, value in args.items() if value and name in _names(model)}
    return read(TypeAdapter(model), given)


def job_ids_of(args: MultiDict[str, str]) -> list[str]:
    """The ids of ?jobs=, each once, whatever their form; raises ValidationFailed for none or too many."""
    given = ",".join(args.getlist("jobs"))
    job_ids = list(dict.fromkeys(part.strip() for part in given.split(",") if part.strip()))
    if not 1 <= len(job_ids) <= MOST_JOBS:
        raise ValidationFailed(
            "invalid_field", f"The parameter jobs takes 1 to {MOST_JOBS} job ids, separated by commas.", field="jobs"
        )
    return job_ids


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _refused(detail: ErrorDetails, tag: str | None) -> ValidationFailed:
    place = [part for part in detail["loc"] if isinstance(part, str)]
    if tag:
        place = place[1:] or ([tag] if detail["type"].startswith("union_tag") else [])
    kind = detail["type"]
    if kind == "extra_forbidden":
        return ValidationFailed(
            "invalid_field", "The request has a member that is not known.", field=".".join(place[:-1]) or None
        )
    field = ".".join(place) or None
    if kind == "missing":
        return ValidationFailed("invalid_field", "A field that is needed is missing.", field=field)
    if kind in _TELLING:
        return ValidationFailed("invalid_field", suggestion=_rule(detail["msg"]), field=field)
    if kind == "union_tag_invalid":
        return ValidationFailed(
            "invalid_field", suggestion=f"It should be one of {detail['ctx']['expected_tags']}.", field=field
        )
    return ValidationFailed("invalid_field", field=field)


def _rule(message: str) -> str:
    rule = message.removeprefix("Value error, ").partition(" after validation")[0].rstrip(".")
    for subject in ("Input", "List", "String"):
        rule = rule.replace(f"{subject} should", "It should", 1)
    return f"{rule}."
