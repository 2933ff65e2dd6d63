"""The yardstick for PDFs: pdfium's own text of every page, in two warm processes, with nothing around it."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

PROCESSES = 2


def _warm(path: str) -> None:
    pages_of(path)


def pages_of(path: str) -> int:
    """Pages of a file; 0 where pdfium cannot open it."""
    import pypdfium2

    try:
        document: Any = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError:
        return 0
    pages = 0
    for page in document:
        textpage = page.get_textpage()
        textpage.get_text_range()
        textpage.close()
        page.close()
        pages += 1
    document.close()
    return pages


class BareLoop:
    """A pool that has read a file before it is timed."""

    def __init__(self, warm_up: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = context.Pool(PROCESSES, initializer=_warm, initargs=(str(warm_up),))
        self.run([warm_up] * PROCESSES * 2)

    def run(self, paths: list[Path]) -> tuple[float, int]:
        """Seconds, and pages read."""
        began = time.perf_counter()
        pages = sum(self._pool.imap_unordered(pages_of, [str(path) for path in paths], chunksize=1))
        return time.perf_counter() - began, pages

    def __enter__(self) -> BareLoop:
        return self

    def __exit__(self, *failure: object) -> None:
        self._pool.terminate()
        self._pool.join()
