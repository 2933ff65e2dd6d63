"""Pages for documents that have none: pieces of bounded size, so that progress shows and one can be asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.extraction import Extraction, Page

#: Long enough to be worth a step, short enough to be looked at.
PAGE_CHARACTERS = 50_000


def number_pages(job: Extraction, texts: Iterable[str]) -> Iterator[Page]:
    """Number the texts, leave out what was delivered before and what goes beyond the limit, note the total.

    One page is held back until it is known whether another follows: with the last one the total is right.
    """
    held: Page | None = None
    number = 0
    for text in texts:
        if number == job.limits.max_pages:
            job.truncated = True
            break
        if held and number >= job.first_page:
            yield held
        number += 1
        held = Page(number, text)
    job.total = number
    if held and number >= job.first_page:
        yield held


def gather(blocks: Iterable[str], separator: str = "\n\n") -> Iterator[str]:
    """Join blocks into texts of at most `PAGE_CHARACTERS`, longer blocks cut; at least one, if empty, comes out."""
    page: list[str] = []
    size = 0
    for block in blocks:
        for piece in cut(block):
            if page and size + len(piece) > PAGE_CHARACTERS:
                yield separator.join(page).strip("\n")
                page, size = [], 0
            page.append(piece)
            size += len(piece) + len(separator)
    yield separator.join(page).strip("\n")


def cut(text: str) -> Iterator[str]:
    """Cut a text at line ends into pieces of at most `PAGE_CHARACTERS`; at least one, if empty, comes out.

    A line longer than that is cut at a blank in its last tenth, or else in the middle of a word.
    """
    start = 0
    while len(text) - start > PAGE_CHARACTERS:
        end = _end(text, start, start + PAGE_CHARACTERS)
        yield text[start:end].rstrip("\n")
        start = end
    yield text[start:].rstrip("\n")


def _end(text: str, start: int, end: int) -> int:
    newline = text.rfind("\n", start, end)
    if newline > start:
        return newline + 1
    blank = text.rfind(" ", end - (end - start) // 10, end)
    return blank + 1 if blank > start else end
