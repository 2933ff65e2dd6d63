"""PDF: pdfium first, and for each page that came out badly the second opinion of pypdf, whichever is better.

Asked for the engine ``pypdf`` it reads with that alone: for documents on which pdfium died or which it cannot open.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from app.errors import ExtractionFailed
from app.extraction import Extraction, Page
from app.extraction.pdfium_reader import PageTooLarge, PageUnreadable, PdfiumDocument
from app.extraction.plain import clean_field

#: A page with a larger share of odd characters is read by both.
ODD_SHARE = 0.02
#: The share of a document's time that second opinions may take.
SECOND_OPINION_SHARE = 0.2

# Controls, surrogates, private use of every plane, and what pdfium writes where a line breaks a word (U+FFFE).
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\uf8ff\ufffe\uffff\U000f0000-\U0010ffff]")

# The Symbol font's pieces of tall brackets: the Adobe Glyph List has them in private use (from U+F8E8 on), Unicode
# at places of its own since 3.2. Formulas are full of them, and no second reader is needed for that.
_BRACKETS = {chr(0xF8E8 + place): bracket for place, bracket in enumerate("®©™⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪⎮⎞⎟⎠⎤⎥⎦⎫⎬⎭")}

_FIELDS = {"Subject": "subject", "Keywords": "keywords", "Creator": "creator", "Producer": "producer"}
_DATES = {"CreationDate": "created", "ModDate": "modified"}
_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d))?(?:(Z)|([+-]\d\d)'?(\d\d)'?)?")


class PdfDocument(Protocol):
    name: str

    def __len__(self) -> int: ...
    def text(self, index: int) -> str: ...
    def information(self) -> dict[str, str]: ...
    def close(self) -> None: ...


def read(job: Extraction) -> Iterator[Page]:
    """Yield the pages; raises `ExtractionFailed` where the document cannot be opened or no page of it can be read."""
    document = _pypdf(job.path) if job.engine == "pypdf" else PdfiumDocument(job.path)
    try:
        count = len(document)
        if count <= 0:
            raise ExtractionFailed("corrupt_document")
        job.truncated = count > job.limits.max_pages
        job.total = min(count, job.limits.max_pages)
        job.engine = document.name
        _note(job, document.information())
        yield from _pages(job, document)
    finally:
        document.close()


def _pypdf(path: Path) -> PdfDocument:
    from app.extraction.pypdf_reader import PypdfDocument  # 0.2 s that most documents do not need

    return PypdfDocument(path)


def _pages(job: Extraction, document: PdfDocument) -> Iterator[Page]:
    second = None if document.name == "pypdf" else SecondOpinion(job.path, SECOND_OPINION_SHARE * job.seconds)
    readable, too_large = job.first_page > 1, False
    for index in range(job.first_page - 1, job.total or 0):
        try:
            page = read_page(document, index, second)
            readable = True
        except PageUnreadable as error:
            page = Page(index + 1, "", unreadable=True)
            too_large |= isinstance(error, PageTooLarge)
        yield page
    if not readable:
        raise ExtractionFailed("resource_limit" if too_large else "corrupt_document")


def read_page(document: PdfDocument, index: int, second: SecondOpinion | None) -> Page:
    """Return one page, by the second opinion where that is better; raises `PageUnreadable` if neither can read it."""
    try:
        text = document.text(index)
    except PageUnreadable:
        other = second.text(index) if second else None
        if other is None:
            raise
        return Page(index + 1, finish(other), other_engine=True)
    if second and len(find_odd(text)) > ODD_SHARE * len(text) and is_better(other := second.text(index), text):
        return Page(index + 1, finish(other or ""), other_engine=True)
    return Page(index + 1, finish(text), other_engine=document.name == "pypdf")


def find_odd(text: str) -> list[str]:
    """Return the characters that a reader could make nothing of, each as often as it occurs."""
    if not _ODD.search(text):
        return []
    return [character for character in _ODD.findall(text) if character not in _BRACKETS]


def is_better(other: str | None, text: str) -> bool:
    """Tell whether `other` has a smaller share of odd characters than `text`, and not much less of the others."""
    if not other:
        return False
    odd, odd_before = len(find_odd(other)), len(find_odd(text))
    fewer = odd * len(text) < odd_before * len(other)
    return fewer and len(other) - odd >= 0.6 * (len(text) - odd_before)


def finish(text: str) -> str:
    """Return a page's text with newlines as line ends, brackets in their place, and without odd characters."""
    text = text.replace("\r\n", "\n")
    if _ODD.search(text):
        # Few kinds of odd characters in a page, if any: replacing one after the other beats going through the text.
        for character in set(_ODD.findall(text)):
            text = text.replace(character, _BRACKETS.get(character, ""))
    return text.replace("\r", "\n")


class SecondOpinion:
    """pypdf on the same document, opened when first asked and silent once its time is spent."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._document: PdfDocument | None = None

    def text(self, index: int) -> str | None:
        """Return the text of a page, or None where pypdf has none to offer."""
        if self._seconds <= 0:
            return None
        began = time.monotonic()
        try:
            self._document = self._document or _pypdf(self._path)
            return self._document.text(index)
        except PageUnreadable:
            return None
        except (ExtractionFailed, MemoryError):
            self._seconds = 0.0  # it cannot read this document; what pdfium made of it is all there is
            return None
        finally:
            self._seconds -= time.monotonic() - began


def _note(job: Extraction, information: dict[str, str]) -> None:
    job.title = clean_field(information.get("Title"))
    job.author = clean_field(information.get("Author"))
    for key, name in _FIELDS.items():
        if value := clean_field(information.get(key)):
            job.metadata[name] = value
    for key, name in _DATES.items():
        if match := _DATE.match(information.get(key, "")):
            job.metadata[name] = iso_date(match)


def iso_date(match: re.Match[str]) -> str:
    """Return a date of PDF (ISO 32000-1, 7.9.4) as ISO 8601, as exact as it is given."""
    year, month, day, hour, minute, second, utc, zone_hours, zone_minutes = match.groups()
    date = f"{year}-{month}-{day}"
    if hour is None:
        return date
    return f"{date}T{hour}:{minute}:{second}{utc or ''}{f'{zone_hours}:{zone_minutes}' if zone_hours else ''}"
