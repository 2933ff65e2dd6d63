"""A PDF as pdfium reads it: fast and good, but native code that may abort the process, and safe in one thread only.

Pages are read through pdfium's own functions, because the wrapper's page objects cost a tenth of a short page.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from app.errors import ExtractionFailed

ERRORS = {raw.FPDF_ERR_PASSWORD: "encrypted_document", raw.FPDF_ERR_SECURITY: "unsupported_feature"}


class PageUnreadable(Exception):
    """One page cannot be read; the others may be."""


class PageTooLarge(PageUnreadable):
    """A page unpacks to more than is allowed."""


class PdfiumDocument:
    """An open document; close it before the next one is opened."""

    name = "pdfium"

    def __init__(self, path: Path) -> None:
        """Raises ``encrypted_document``, ``unsupported_feature`` or ``corrupt_document``."""
        try:
            self._document = pdfium.PdfDocument(path)
        except pdfium.PdfiumError as error:
            raise ExtractionFailed(ERRORS.get(error.err_code, "corrupt_document")) from error
        self._raw = self._document.raw

    def __len__(self) -> int:
        return int(raw.FPDF_GetPageCount(self._raw))

    def text(self, index: int) -> str:
        """Return the text of a page as pdfium gives it; raises `PageUnreadable`."""
        page = raw.FPDF_LoadPage(self._raw, index)
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
        values = {key: self._document.get_metadata_value(key) for key in self._document.METADATA_KEYS}
        return {key: value for key, value in values.items() if value}

    def close(self) -> None:
        self._document.close()


def _whole_text(textpage: object) -> str:
    count = raw.FPDFText_CountChars(textpage)
    if count < 0:
        raise PageUnreadable
    buffer = (ctypes.c_ushort * (count + 1))()
    # What it writes never exceeds the count it is given and the zero at the end, which is counted too.
    written = raw.FPDFText_GetText(textpage, 0, count, buffer)
    return bytes(memoryview(buffer)[: max(written - 1, 0)]).decode("utf-16-le", "ignore")
