"""What schemathesis sends as a file: text with the ending of text. It loads this as schemathesis.toml says."""

from __future__ import annotations

import string
from typing import Any

import schemathesis
from hypothesis import strategies
from schemathesis.transport.requests import REQUESTS_TRANSPORT, multipart_serializer

WORDS = strategies.text(string.ascii_letters + " \n", min_size=1, max_size=200)
schemathesis.openapi.format("binary", WORDS.map(str.encode))


@REQUESTS_TRANSPORT.serializer("multipart/form-data")
def with_an_ending(context: Any, value: Any) -> dict[str, Any]:
    sent = multipart_serializer(context, value)
    if "files" not in sent:
        return sent
    parts = [(name, ("notes.txt", *part[1:]) if name == "file" else part) for name, part in sent["files"] or ()]
    return {**sent, "files": parts or None}
