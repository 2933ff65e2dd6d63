"""What the table of addresses is written in: a route, what it takes, what it answers, an example of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

JSON = "application/json"
PROBLEM = "application/problem+json"
FORM = "multipart/form-data"
LOGIN_FORM = "application/x-www-form-urlencoded"
HTML = "text/html"
FORMS = (FORM, LOGIN_FORM)
BYTES = "application/octet-stream"
EVENTS = "text/event-stream"
TEXT = "text/plain"
ZIP = "application/zip"
MARKDOWN = "text/markdown"

Model = type[BaseModel]


@dataclass(frozen=True)
class Answer:
    """One way it ends well: what it means, its body (None: text, or nothing) and the headers worth a word."""

    meaning: str
    body: Model | None = None
    content_types: tuple[str, ...] = (JSON,)
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """`place` is path, query or header; `schema` is JSON Schema."""

    name: str
    place: str
    meaning: str
    schema: dict[str, Any]
    example: Any
    required: bool = False


@dataclass(frozen=True)
class Body:
    """What is sent: one of the models, or the bytes of a file where there is none."""

    content_type: str
    models: tuple[Model, ...] = ()


@dataclass(frozen=True)
class Route:
    """`tag` is a section of docs/api.md; `errors` are the codes beside those that any address may answer; `guard` is
    admin, metrics, cron or nothing."""

    method: str
    path: str
    summary: str
    answers: dict[int, Answer]
    tag: str
    parameters: tuple[Parameter, ...] = ()
    query: Model | None = None
    body: Body | None = None
    errors: tuple[str, ...] = ()
    guard: str | None = None
    is_page: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Example:
    """A call as typed into a terminal, and its answer. `sends` is the JSON of its body; `$U` in `curl` is the service."""

    curl: str
    answer: Any
    status: int = 200
    content_type: str = JSON
    sends: Any = None
