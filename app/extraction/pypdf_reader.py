"""A PDF as pypdf reads it: the second opinion, twenty times slower, in pure Python that fails without crashing."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError, WrongPasswordError

from app.errors import ExtractionFailed
from app.extraction.pdfium_reader import PageTooLarge, PageUnreadable

for _name in ("pypdf", "fontTools"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)

_GLYPH_NAMES = re.compile(r"(?:/[A-Za-z]{1,6}\d{1,5})+")


class PypdfDocument:
    """An open document, with the same methods as `PdfiumDocument`.

    The library raises anything at all on damaged files (KeyError, RecursionError, struct.error …), hence the broad
    handlers: this is where its errors end. `MemoryError` goes through, it concerns the whole process.
    """

    name = "pypdf"

    def __init__(self, path: Path) -> None:
        """Raises ``encrypted_document``, ``unsupported_feature`` or ``corrupt_document``."""
        try:
            self._reader = PdfReader(path)
            if self._reader.is_encrypted and not self._reader.decrypt(""):
                raise ExtractionFailed("encrypted_document")
            self._pages: Any = self._reader.pages
            self._length = len(self._pages)
        except (MemoryError, ExtractionFailed, FileNotFoundError):
            raise
        except (FileNotDecryptedError, WrongPasswordError) as error:
            raise ExtractionFailed("encrypted_document") from error
        except (DependencyError, NotImplementedError) as error:
            raise ExtractionFailed("unsupported_feature") from error
        except LimitReachedError as error:
            raise ExtractionFailed("resource_limit") from error
        except Exception as error:
            raise ExtractionFailed("corrupt_document") from error

    def __len__(self) -> int:
        return self._length

    def text(self, index: int) -> str:
        """Return the text of a page; raises `PageUnreadable`, also where the text is but names of glyphs."""
        try:
            text: str = self._pages[index].extract_text()
        except MemoryError:
            raise
        except LimitReachedError as error:
            raise PageTooLarge from error
        except Exception as error:
            raise PageUnreadable from error
        if 2 * sum(map(len, _GLYPH_NAMES.findall(text))) > len(text):
            raise PageUnreadable
        return text

    def information(self) -> dict[str, str]:
        try:
            return {str(key).lstrip("/"): str(value) for key, value in (self._reader.metadata or {}).items()}
        except MemoryError:
            raise
        except Exception:
            return {}

    def close(self) -> None:
        self._reader.close()
