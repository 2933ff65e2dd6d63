"""What every reader does to text before it leaves: one kind of line end, no control characters, bounded fields."""

from __future__ import annotations

import re

FIELD_CHARACTERS = 1_000

# C0 and C1 controls but tab and newline, lone surrogates, and the two code points that are never characters.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")


def clean(text: str) -> str:
    """Return `text` with every line end as newline and without what no reader of a page can use."""
    if _LINE_ENDS.search(text):
        text = _LINE_ENDS.sub("\n", text)
    return _FORBIDDEN.sub("", text) if _FORBIDDEN.search(text) else text


def clean_field(value: object) -> str | None:
    """Return a title, an author and the like as one bounded line, or None where nothing is left."""
    text = " ".join(clean(str(value or ""))[: 4 * FIELD_CHARACTERS].split())
    return text[:FIELD_CHARACTERS] or None
