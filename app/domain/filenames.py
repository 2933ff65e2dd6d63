"""What a file is called to people: the name a client sent, made safe to show, log and offer as a download.

It is never part of a path of ours; files are stored under job ids.
"""

from __future__ import annotations

import re
import unicodedata

from app.errors import ValidationFailed

LONGEST_NAME = 200
"""In bytes of UTF-8, so that every file system takes it."""

_LONGEST_RAW = 4096
"""Looked at from the end; normalising is quadratic for what no real name holds."""

_LONGEST_EXTENSION = 20
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, invisible format characters (bidi marks, zero width), lone surrogates, line separators."""

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)", re.IGNORECASE)
"""Device names on Windows, with any extension."""


def clean_filename(raw: str) -> str:
    """Return the last part of `raw`, in NFC, at most `LONGEST_NAME` bytes; raises ``invalid_field`` if nothing is left."""
    seen = "".join(char for char in raw[-_LONGEST_RAW:] if unicodedata.category(char) not in _DROPPED)
    path = unicodedata.normalize("NFC", seen).rstrip("/\\ ")
    name = _visible(re.split(r"[/\\]", path)[-1])
    if not name:
        raise ValidationFailed(
            "invalid_field",
            "The file has no usable name.",
            suggestion="Give the file a name and send it again.",
            field="file",
        )
    return name if len(name.encode()) <= LONGEST_NAME else _shortened(name)


def _visible(name: str) -> str:
    """Without what makes a file hidden or unreachable somewhere: leading dots, dots at the end, device names."""
    name = " ".join(name.split()).rstrip(". ")
    bare = name.lstrip(". ")
    if bare and bare != name and "." not in bare:
        bare = f"_.{bare}"  # ".pdf" keeps its extension
    return f"_{bare}" if _RESERVED.match(bare) else bare


def _shortened(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > _LONGEST_EXTENSION:
        stem, dot, extension = name, "", ""
    room = LONGEST_NAME - len((dot + extension).encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + dot + extension
