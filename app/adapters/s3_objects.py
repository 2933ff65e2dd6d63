"""Objects of an S3 store as the rest of the house sees them, without the client library's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import urllib3


@dataclass(frozen=True)
class Head:
    """An object without its bytes; `metadata` has lower-case names."""

    size: int
    etag: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Listed:
    key: str
    age_seconds: float


@dataclass(frozen=True)
class Unfinished:
    """A multipart upload that nobody has completed yet."""

    key: str
    upload_id: str
    age_seconds: float


@dataclass(frozen=True)
class Answer:
    """An object, or a range of one, on its way in; `start` is the place of its first byte, `size` the whole object's."""

    body: urllib3.BaseHTTPResponse
    head: Head
    start: int


def head_of(headers: Mapping[str, str]) -> Head:
    lower = {name.lower(): value for name, value in headers.items()}
    given = {name.removeprefix("x-amz-meta-"): value for name, value in lower.items() if name.startswith("x-amz-meta-")}
    return Head(int(lower.get("content-length", 0)), lower.get("etag", ""), given)
