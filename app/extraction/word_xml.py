"""The text of one part of a DOCX (WordprocessingML; ECMA-376, part 1, 17), in the order a person reads it.

Read block by block, so that a long document needs little memory. Inserted text counts, deleted text does not; text
boxes follow the paragraph that they are anchored in; the row of a table is a line, its cells apart by tabs.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from lxml import etree

from app.errors import ExtractionFailed
from app.extraction.plain import clean

#: How every parser of XML is made here: nothing is fetched, nothing is expanded, depth and size are bounded.
SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
#: A row that is longer, and has several paragraphs in a cell, is layout: its paragraphs are given one after another.
ROW_CHARACTERS = 500

_WORD = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
_MATH = (
    "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "http://purl.oclc.org/ooxml/officeDocument/math",
)
_COMPATIBILITY = "http://schemas.openxmlformats.org/markup-compatibility/2006"

_INSTEAD_OF = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_LEFT_OUT = ("del", "moveFrom", "delText", "instrText", "delInstrText", "rPr", "pPr", "tblPr", "tcPr", "rt", "sectPr")
_STRUCTURE = ("t", "p", "tbl", "tr", "tc", "trPr", "footnote", "endnote", "footnoteReference", "endnoteReference")


def _names(namespaces: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    return {f"{{{namespace}}}{name}": name for namespace in namespaces for name in names}


#: What an element is to us, by its full name; one that is not here is looked into.
_KINDS = {
    **_names(_WORD, (*_STRUCTURE, *_INSTEAD_OF, *_LEFT_OUT)),
    **_names(_MATH, ("t",)),
    f"{{{_COMPATIBILITY}}}AlternateContent": "alternatives",
}
_BLOCKS = tuple(_names(_WORD, ("p", "tbl")))
_STEPS = tuple(_names(_WORD, ("p", "tr", "tbl")))
_NOTES = tuple(_names(_WORD, ("footnote", "endnote")))
_DELETED = tuple(_names(_WORD, ("del",)))


def blocks(stream: io.RawIOBase) -> Iterator[str]:
    """Yield each paragraph and row that has text; one that stands apart from what came before begins with a newline.

    Raises ``corrupt_document``, ``resource_limit``, and ``unsupported_feature`` for a document type.
    """
    apart, last_note = True, None
    for element in _steps(stream):
        kind = _KINDS[element.tag]
        note = next(element.iterancestors(*_NOTES), None)
        text = "" if kind == "tbl" or _is_separator(note) else block_text(element)
        _forget(element)
        if text:
            number = f"{mark(note)} " if note is not None and note is not last_note else ""
            yield "\n" * (apart or kind == "p") + number + text
            last_note = note
        apart = kind != "tr"


def _steps(stream: io.RawIOBase) -> Iterator[Any]:
    """Yield the paragraphs outside of tables, the rows of tables outside of others, and the ends of these tables."""
    elements = etree.iterparse(stream, events=("end",), tag=_STEPS, remove_comments=True, **SAFE)
    try:
        for count, (_, element) in enumerate(elements):
            if count == 0:
                refuse_dtd(element)
            around = element.iterancestors(*_BLOCKS)
            outer = next(around, None)
            if outer is None or (_KINDS[element.tag] == "tr" and _is_outermost_table(outer, around)):
                yield element
    except etree.XMLSyntaxError as error:
        raise syntax_failure(error) from error


def _is_outermost_table(element: Any, around: Iterator[Any]) -> bool:
    return _KINDS[element.tag] == "tbl" and next(around, None) is None


def syntax_failure(error: Any) -> ExtractionFailed:
    """Return what to tell of an error of the XML parser, to which memory that ran out is one of syntax too."""
    return ExtractionFailed("resource_limit" if error.code == etree.ErrorTypes.ERR_NO_MEMORY else "corrupt_document")


def refuse_dtd(element: Any) -> None:
    """Office programs write none; whoever does wants entities that grow, or that name other files."""
    if element.getroottree().docinfo.doctype:
        raise ExtractionFailed("unsupported_feature")


def _forget(element: Any) -> None:
    """Free a block and what came before it, but not the element that holds them."""
    element.clear()
    parent = element.getparent()
    while parent is not None and parent[0] is not element:
        del parent[0]


def _is_separator(note: Any) -> bool:
    """The line that separates notes from the text is stored as a note."""
    return note is not None and _attribute(note, "type") not in ("", "normal")


def mark(element: Any) -> str:
    """Return how a note and the reference to it are marked: [1] for footnotes, [e1] for endnotes."""
    letter = "e" if _KINDS[element.tag].startswith("endnote") else ""
    return f"[{letter}{_attribute(element, 'id')}]"


def _attribute(element: Any, name: str) -> str:
    return next((value for key, value in element.items() if key.endswith(f"}}{name}")), "")


def block_text(element: Any) -> str:
    """Return the text of a paragraph, a row or a table; may hold newlines, at neither end."""
    read = {"p": _paragraph_text, "tr": _row_text, "tbl": _table_text}[_KINDS[element.tag]]
    return clean(read(element)).strip("\n")


def _paragraph_text(paragraph: Any) -> str:
    parts: list[str] = []
    boxes: list[str] = []
    _collect(paragraph, parts, boxes)
    return "\n".join(["".join(parts), *filter(None, boxes)])


def _collect(element: Any, parts: list[str], boxes: list[str]) -> None:
    """Gather the text inside of an element; what is a paragraph or a table of its own goes to `boxes`."""
    for child in element:
        kind = _KINDS.get(child.tag)
        if kind is None:
            _collect(child, parts, boxes)
        elif kind == "t":
            parts.append(child.text or "")
        elif kind in _INSTEAD_OF:
            parts.append(_INSTEAD_OF[kind])
        elif kind in ("p", "tbl"):
            boxes.append(block_text(child))
        elif kind == "alternatives":  # the same thing for newer and for older programs
            _collect(child[:1], parts, boxes)
        elif kind in ("footnoteReference", "endnoteReference"):
            parts.append(mark(child))


def _table_text(table: Any) -> str:
    return "\n".join(filter(None, map(block_text, _inside(table, "tr"))))


def _row_text(row: Any) -> str:
    if _is_deleted(row):
        return ""
    cells = [_cell_blocks(cell) for cell in _inside(row, "tc")]
    line = "\t".join(" ".join(" ".join(cell).split()) for cell in cells)
    is_layout = len(cells) == 1 or (len(line) > ROW_CHARACTERS and any(len(cell) > 1 for cell in cells))
    return "\n".join(block for cell in cells for block in cell) if is_layout else line


def _cell_blocks(cell: Any) -> list[str]:
    boxes: list[str] = []
    _collect(cell, [], boxes)
    return [box for box in boxes if box]


def _inside(element: Any, wanted: str) -> Iterator[Any]:
    """Yield the rows of a table or the cells of a row, also those that content controls hold."""
    for child in element:
        kind = _KINDS.get(child.tag)
        if kind == wanted:
            yield child
        elif kind is None:
            yield from _inside(child, wanted)


def _is_deleted(row: Any) -> bool:
    properties = [child for child in row if _KINDS.get(child.tag) == "trPr"]
    return any(child.tag in _DELETED for each in properties for child in each)
