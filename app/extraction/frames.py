"""The language of the pipe between a worker and its parser child: length-prefixed frames, text as UTF-8.

request   JSON: path, type, engine, first, seconds, pages, characters
ready     once, when the child has imported what it needs
page      number, total (0: not known), characters, words, marks; then the text
document  JSON: title, author, metadata, engine, truncated, last (the child ends after it)
failure   the code of an `ExtractionFailed`
"""

from __future__ import annotations

import json
import struct
from typing import Any

READY, PAGE, DOCUMENT, FAILURE = b"R", b"P", b"D", b"F"
KINDS = frozenset((READY, PAGE, DOCUMENT, FAILURE))

HEADER = struct.Struct(">cI")  # kind, length of what follows
PAGE_HEAD = struct.Struct(">IIIIB")  # number, total, characters, words, marks
REQUEST_HEAD = struct.Struct(">I")

UNREADABLE, OTHER_ENGINE = 1, 2  # marks of a page

#: The most that a request, a document or a failure may take.
SMALL_FRAME = 64 * 1024


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


def page_frame(number: int, total: int, text: str, marks: int = 0) -> bytes:
    """Return the frame of a page; counts its characters and words here, so that the worker never decodes the text."""
    data = text.encode("utf-8")
    head = PAGE_HEAD.pack(number, total, len(text), len(text.split()), marks)
    return HEADER.pack(PAGE, len(head) + len(data)) + head + data


def json_frame(kind: bytes, content: dict[str, Any]) -> bytes:
    return frame(kind, json.dumps(content, ensure_ascii=False).encode("utf-8"))


def request_frame(request: dict[str, Any]) -> bytes:
    payload = json.dumps(request).encode("ascii")  # a path may hold bytes that are no UTF-8: escaped, they pass
    return REQUEST_HEAD.pack(len(payload)) + payload
