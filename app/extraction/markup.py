"""HTML: what a browser would show of it, without running, loading or following anything.

The parser reports tags as they come and builds no tree, so that neither size nor depth of nesting costs memory.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from lxml import etree

from app.errors import ExtractionFailed
from app.extraction import Extraction, Page
from app.extraction.paging import gather, number_pages
from app.extraction.plain import clean, clean_field
from app.extraction.text import decode, read_at_most

MAX_BYTES = 20 * 1024 * 1024


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


_UNSEEN = _tags(
    "head title script style template noscript iframe object embed canvas audio video svg math datalist select"
)
_BLOCKS = _tags(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol p pre section summary "
    "table tbody td tfoot th thead tr ul"
)
#: Blocks that an empty line sets apart.
_APART = _tags("article blockquote dl figure h1 h2 h3 h4 h5 h6 hr ol p pre section table ul")
_CELLS = frozenset(("td", "th"))
#: Rows inside of rows are taken as plain blocks from here on.
_DEEPEST_ROW = 8

_BREAK = "\0"  # stands for <br> in a line; the parser lets no such character through
_BLANKS = re.compile("[ \t\n\r\f]+")
_META_NAMES = {"description": "description", "keywords": "keywords", "generator": "creator"}

_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LABEL = re.compile(
    rb"""<(?:meta\b[^>]{0,200}?\bcharset|\?xml[^>]{0,100}?\bencoding)\s*=\s*["']?\s*([\w.:-]{1,40})""", re.I
)
_LABEL_WITHIN = 2048
#: Encodings that pages are written in; Python has more, some of which are none (unicode_escape, idna).
_KNOWN_LABEL = re.compile(
    "(?:iso-?8859-?\\d+|latin-?\\d|windows-?\\d+|cp\\d+|koi8-[ru]|shift[_-]?jis|euc-(?:jp|kr)|iso-2022-jp"
    "|gb2312|gbk|gb18030|big5|macintosh|tis-620)"
)
_AS_BROWSERS_DO = {
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
}


def read(job: Extraction) -> Iterator[Page]:
    """Yield what the page shows; raises ``resource_limit`` above 20 MiB, ``corrupt_document`` if it is no text."""
    shown = parse(decode_page(read_at_most(job, MAX_BYTES)))
    job.engine = "lxml"
    job.title = clean_field("".join(shown.title))
    job.author = clean_field(shown.meta.get("author"))
    for name, key in _META_NAMES.items():
        if value := clean_field(shown.meta.get(name)):
            job.metadata[key] = value
    return number_pages(job, gather(map(clean, shown.blocks), "\n"))


def parse(text: str) -> VisibleText:
    shown = VisibleText()
    parser = etree.HTMLParser(target=shown, encoding="utf-8", no_network=True, huge_tree=False)
    try:
        parser.feed(text.encode("utf-8", "replace"))
        parser.close()
    except etree.XMLSyntaxError as error:
        if shown.started:
            raise ExtractionFailed("corrupt_document") from error
    return shown


def decode_page(data: bytes) -> str:
    """Return the text of a page by its mark, by the label that it carries, or by what fits."""
    label = None if data.startswith(_MARKS) else _LABEL.search(data, 0, _LABEL_WITHIN)
    name = label[1].decode("ascii", "replace").lower() if label else ""
    if not _KNOWN_LABEL.fullmatch(name):
        return decode(data)
    if not data.isascii():
        try:
            return data.decode("utf-8")  # no other encoding looks like this by chance: the label is wrong
        except UnicodeDecodeError:
            pass
    try:
        return data.decode(_AS_BROWSERS_DO.get(name, name), "replace")
    except LookupError:
        return decode(data)


class VisibleText:
    """Takes the parser's reports (a target, in lxml's words) and gathers what is shown, as blocks of text."""

    def __init__(self) -> None:
        self.title: list[str] = []
        self.meta: dict[str, str] = {}
        self.blocks: list[str] = []
        self.started = False
        self._line: list[str] = []
        self._rows: list[list[list[str]]] = []  # of the tables we are in: cells, and the blocks of each
        self._deeper_rows = 0
        self._unseen = 0  # how many elements deep we are in something that is not shown
        self._preformatted = 0
        self._in_title = False
        self._apart = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.started = True
        if tag == "meta" and attributes.get("name"):
            self.meta.setdefault(attributes["name"].lower(), attributes.get("content", ""))
        elif tag == "title" and self._unseen <= 1 and not self.title:
            self._in_title = True
        if self._unseen or tag in _UNSEEN or "hidden" in attributes:
            self._unseen += 1
        elif tag in _BLOCKS:
            self._enter(tag)
        elif tag == "br":
            self._line.append(_BREAK)

    def end(self, tag: str) -> None:
        self._in_title = False
        if self._unseen:
            self._unseen -= 1
        elif tag in _BLOCKS:
            self._leave(tag)

    def data(self, text: str) -> None:
        if self._in_title:
            self.title.append(text)
        elif not self._unseen:
            self._line.append(text.replace("\n", _BREAK) if self._preformatted else text)

    def comment(self, text: str) -> None:
        pass

    def pi(self, target: str, data: str | None = None) -> None:
        pass

    def close(self) -> None:
        self._end_line()
        while self._rows:
            self._end_row()

    def _enter(self, tag: str) -> None:
        self._end_line()
        self._apart |= tag in _APART and not self._rows
        self._preformatted += tag == "pre"
        if tag == "tr" and len(self._rows) == _DEEPEST_ROW:
            self._deeper_rows += 1
        elif tag == "tr":
            self._rows.append([])
        elif tag in _CELLS and self._rows:
            self._rows[-1].append([])

    def _leave(self, tag: str) -> None:
        self._end_line()
        self._apart |= tag in _APART and not self._rows
        self._preformatted -= tag == "pre"
        if tag == "tr" and self._deeper_rows:
            self._deeper_rows -= 1
        elif tag == "tr" and self._rows:
            self._end_row()

    def _end_line(self) -> None:
        if not self._line:
            return
        line, self._line = "".join(self._line), []
        if not self._preformatted:
            line = _BLANKS.sub(" ", line)
            line = "\n".join(part.strip(" ") for part in line.split(_BREAK))
        self._add(line.replace(_BREAK, "\n").strip("\n"))

    def _end_row(self) -> None:
        """Write the cells of a row in one line, unless one of them holds more than a line can."""
        cells = self._rows.pop()
        if any(len(cell) > 1 for cell in cells):
            for cell in cells:
                for block in cell:
                    self._add(block)
        else:
            self._add("\t".join(cell[0] if cell else "" for cell in cells).rstrip("\t"))

    def _add(self, block: str) -> None:
        if not block.strip():
            return
        if self._rows and self._rows[-1]:
            self._rows[-1][-1].append(block)
        else:
            self.blocks.append("\n" + block if self._apart and self.blocks else block)
            self._apart = False
