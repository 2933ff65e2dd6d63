"""A PDF as pdfium reads it: fast and good, but native code that may abort the process, and safe in one thread only.

Spoken to through its own functions: the wrapper's objects around documents and pages cost a tenth of a short file.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pypdfium2.raw as raw  # importing it starts the library

from app.errors import ExtractionFailed

_FAILURES = {raw.FPDF_ERR_PASSWORD: "encrypted_document", raw.FPDF_ERR_SECURITY: "unsupported_feature"}
_INFORMATION = ("Title", "Author", "Subject", "Keywords", "Creator", "Producer", "CreationDate", "ModDate")
_VALUE_BYTES = 8192


class PageUnreadable(Exception):
    """One page cannot be read; the others may be."""


class PageTooLarge(PageUnreadable):
    """A page unpacks to more than is allowed."""


class PdfiumDocument:
    """An open document; to be closed before the next one is opened."""

    name = "pdfium"

    def __init__(self, path: Path) -> None:
        """Raises ``encrypted_document``, ``unsupported_feature`` or ``corrupt_document``."""
        self._document = raw.FPDF_LoadDocument(os.fsencode(path) + b"\0", None)
        if self._document:
            return
        error = raw.FPDF_GetLastError()
        if error == raw.FPDF_ERR_FILE:
            path.stat()  # says what is wrong, if it is that the file is gone
        raise ExtractionFailed(_FAILURES.get(error, "corrupt_document"))

    def __len__(self) -> int:
        return int(raw.FPDF_GetPageCount(self._document))

    def text(self, index: int) -> str:
        """Return the text of a page as pdfium gives it; raises `PageUnreadable`."""
        page = raw.FPDF_LoadPage(self._document, index)
        if not page:
            raise PageUnreadable
        try:
            textpage = raw.FPDFText_LoadPage(page)
            if not textpage:
                raise PageUnreadable
            try:
                return _whole_text(textpage)
            finally:
                raw.FPDFText_ClosePage(textpage)
        finally:
            raw.FPDF_ClosePage(page)

    def information(self) -> dict[str, str]:
        """Return what the document says of itself; a value that is longer than any title is left out."""
        buffer = ctypes.create_string_buffer(_VALUE_BYTES)
        found = {}
        for key in _INFORMATION:
            size = raw.FPDF_GetMetaText(self._document, key.encode("ascii"), buffer, _VALUE_BYTES)
            if 2 < size <= _VALUE_BYTES:  # the zero at the end is counted
                found[key] = ctypes.string_at(buffer, size - 2).decode("utf-16-le", "ignore")
        return found

    def close(self) -> None:
        raw.FPDF_CloseDocument(self._document)


def _whole_text(textpage: object) -> str:
    count = raw.FPDFText_CountChars(textpage)
    if count < 0:
        raise PageUnreadable
    buffer = (ctypes.c_ushort * (count + 1))()
    # What it writes never exceeds the count it is given and the zero at the end, which is counted too.
    written = raw.FPDFText_GetText(textpage, 0, count, buffer)
    return bytes(memoryview(buffer)[: max(written - 1, 0)]).decode("utf-16-le", "ignore")
