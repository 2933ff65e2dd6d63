"""A path in, pages of clean text out; knows no queue, no HTTP and no storage.

Each family of formats has one module with a `read(job)` that yields the text of one page after another and notes
on the way what else it learns. The modules are imported when first asked for, so that whoever only wants the names
of this package (the worker) does not load the parsing libraries.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from app.errors import ExtractionFailed

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

#: Which module of this package reads a media type.
EXTRACTORS: dict[str, str] = {
    PDF: "pdf",
    DOCX: "office",
    "text/html": "markup",
    "text/plain": "text",
    "text/markdown": "text",
    "text/csv": "text",
    "text/tab-separated-values": "text",
    "application/json": "text",
}

#: What a result may warn of, and the sentence a person reads.
WARNINGS: dict[str, str] = {
    "no_text": "The document holds no text that can be read; it may be a scan.",
    "truncated": "The document is longer than is read here; the text ends early.",
    "pages_unreadable": "Some pages could not be read and are left empty.",
    "other_engine": "Some pages were read by the second reader, because it did better or the first one failed.",
}


@dataclass(frozen=True, slots=True)
class Page:
    """The text of one page, free of control characters but newline and tab; `number` counts from 1."""

    number: int
    text: str
    unreadable: bool = False
    other_engine: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a document is read; what goes beyond is left out with the warning ``truncated``."""

    max_pages: int = 5000
    max_characters: int = 20_000_000


@dataclass(slots=True)
class Extraction:
    """One document being read: what is asked, and what has been learnt so far."""

    path: Path
    media_type: str
    limits: Limits = Limits()
    first_page: int = 1  # pages before it were delivered by an earlier reader, and are skipped
    engine: str = ""  # which reader to take where there are two; in the end, which one it was
    seconds: float = 30.0  # how long the whole reading may take, for readers that can spend less

    total: int | None = None  # pages there will be, once known
    title: str | None = None
    author: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    truncated: bool = False

    def pages(self) -> Iterator[Page]:
        """Read the document; raises `ExtractionFailed` where it cannot be read, and whatever the library raises."""
        left = self.limits.max_characters
        for page in reader_of(self.media_type)(self):
            if len(page.text) > left:
                self.truncated = True
                yield Page(page.number, page.text[:left], page.unreadable, page.other_engine)
                return
            left -= len(page.text)
            yield page


Reader = Callable[[Extraction], Iterator[Page]]


def reader_of(media_type: str) -> Reader:
    """Return the `read` of the module that reads `media_type`; raises ``unsupported_feature`` if there is none."""
    name = EXTRACTORS.get(media_type)
    if name is None:
        raise ExtractionFailed("unsupported_feature")
    return cast(Reader, importlib.import_module(f"{__name__}.{name}").read)
