"""What a worker knows of a file while its child reads it, and what it makes of the child's frames.

The child may have been taken over by the file, so each frame is checked against what had to come next.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from app.adapters.parser_child import ChildDied
from app.extraction import PDF, WARNINGS, frames

_FIELD_CHARACTERS = 1_000
_FIELDS_MOST = 32
#: Pages may gather for that long (seconds) before they are looked at: progress is written less often than that.
_GATHER_MOST, _GATHER_LEAST = 0.02, 0.004
#: And no more than so many characters: a full pipe (64 KiB) would keep the child waiting.
_GATHER_CHARACTERS = 16 * 1024


class PageFrame(NamedTuple):
    """One page: `number` from 1, `total` where it is known, the text as UTF-8, and how long that is."""

    number: int
    total: int | None
    text: bytes
    characters: int
    words: int


class Warning(NamedTuple):  # the API's word
    """Something that a person should know of a result; `pages` names those concerned, if not all."""

    code: str
    message: str
    pages: tuple[int, ...] = ()


class Document(NamedTuple):
    """What is known of a document once all its pages are read; `page_count` counts those delivered."""

    title: str | None
    author: str | None
    metadata: dict[str, str]
    warnings: tuple[Warning, ...]
    engine: str
    page_count: int


@dataclass(slots=True)
class Reading:
    """One file: what is asked of it, and what has arrived so far from one child or two."""

    path: Path
    media_type: str
    max_pages: int
    max_characters: int
    pages: int = 0
    characters: int = 0
    words: int = 0
    total: int = 0  # as the child tells it; 0 where it is not known
    began: float = 0.0  # when the first page was here, by the monotonic clock
    unreadable: list[int] = field(default_factory=list)
    other_engine: list[int] = field(default_factory=list)

    def request(self, engine: str, deadline: float) -> bytes:
        """Return the request for what is still to come, to be done by `deadline` (of the monotonic clock)."""
        return frames.request_frame(
            {
                "path": os.fspath(self.path),
                "type": self.media_type,
                "engine": engine,
                "first": self.pages + 1,
                "seconds": max(deadline - time.monotonic(), 0.0),
                "pages": self.max_pages,
                "characters": self.max_characters - self.characters,
            }
        )

    def largest_page(self) -> int:
        """The most bytes the next page may take: what is left of the text, at four bytes a character."""
        return frames.PAGE_HEAD.size + 4 * (self.max_characters - self.characters)

    def take_page(self, content: bytes) -> PageFrame:
        """Return the page that a frame brings; raises `ChildDied` where it is not the one that had to come."""
        if len(content) < frames.PAGE_HEAD.size:
            raise ChildDied
        number, total, characters, words, marks = frames.PAGE_HEAD.unpack_from(content)
        text = content[frames.PAGE_HEAD.size :]
        if number != self.pages + 1 or number > self.max_pages or words > characters:
            raise ChildDied
        if not characters <= len(text) <= 4 * characters or self.characters + characters > self.max_characters:
            raise ChildDied
        self.total, self.began = total, self.began or time.monotonic()
        self._count(number, characters, words, marks)
        return PageFrame(number, total or None, text, characters, words)

    def _count(self, number: int, characters: int, words: int, marks: int) -> None:
        self.pages = number
        self.characters += characters
        self.words += words
        if marks & frames.UNREADABLE:
            self.unreadable.append(number)
        if marks & frames.OTHER_ENGINE:
            self.other_engine.append(number)

    def pause(self, now: float) -> float:
        """For how long (seconds) nothing is missed by looking away, if what comes is as quick as what came: never so
        long that the pipe gets full, and less and less towards the end, which is not delayed."""
        spent = now - self.began
        left = spent * (self.total - self.pages) / self.pages
        seconds = min(_GATHER_MOST, left / 2, spent * _GATHER_CHARACTERS / (self.characters + 1))
        return seconds if seconds >= _GATHER_LEAST else 0.0

    def document(self, told: dict[str, Any]) -> Document:
        """Return what is known at the end, of which title, engine and the like are as the child tells them."""
        metadata = told.get("metadata")
        return Document(
            title=_line(told.get("title")),
            author=_line(told.get("author")),
            metadata=_lines(metadata) if isinstance(metadata, dict) else {},
            warnings=tuple(self._warnings(truncated=told.get("truncated") is True)),
            engine=self._engine(_line(told.get("engine")) or "unknown"),
            page_count=self.pages,
        )

    def _engine(self, told: str) -> str:
        if self.media_type != PDF:
            return told
        if not self.other_engine:
            return "pdfium"
        return "pypdf" if len(self.other_engine) == self.pages else "pdfium+pypdf"

    def _warnings(self, *, truncated: bool) -> list[Warning]:
        found = [
            ("no_text", self.words == 0, ()),
            ("truncated", truncated, ()),
            ("pages_unreadable", bool(self.unreadable), tuple(self.unreadable)),
            ("other_engine", bool(self.other_engine), tuple(self.other_engine)),
        ]
        return [Warning(code, WARNINGS[code], pages) for code, holds, pages in found if holds]


def json_object(content: bytes) -> dict[str, Any]:
    """Return the object that a frame brings; raises `ChildDied` on nonsense."""
    if len(content) > frames.SMALL_FRAME:
        raise ChildDied
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ChildDied from error
    if not isinstance(value, dict):
        raise ChildDied
    return value


def _line(value: object) -> str | None:
    """Return a field as one line of well-formed text; the child may send anything."""
    if not isinstance(value, str):
        return None
    text = "".join(character for character in value[:_FIELD_CHARACTERS] if character.isprintable())
    return text or None


def _lines(metadata: dict[str, Any]) -> dict[str, str]:
    pairs = [(_line(key), _line(value)) for key, value in list(metadata.items())[:_FIELDS_MOST]]
    return {key: value for key, value in pairs if key and value}
