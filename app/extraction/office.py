"""DOCX (ECMA-376, part 1): headers, body, footers, footnotes and endnotes, in this order.

Read block by block from the XML, so that a long document needs little memory. Inserted text counts, deleted text does
not; text boxes follow the paragraph that they are anchored in; a table is a line for each row, cells apart by tabs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from app.errors import ExtractionFailed
from app.extraction import Extraction, Page
from app.extraction.package import Package
from app.extraction.paging import gather, number_pages
from app.extraction.plain import clean, clean_field

_WORD = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
_MATH = (
    "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "http://purl.oclc.org/ooxml/officeDocument/math",
)
_COMPATIBILITY = "http://schemas.openxmlformats.org/markup-compatibility/2006"
_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"

_SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}

_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LOCKED = "EncryptedPackage".encode("utf-16-le")

_INSTEAD_OF = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_LEFT_OUT = ("del", "moveFrom", "delText", "instrText", "delInstrText", "rPr", "pPr", "tblPr", "tcPr", "rt", "sectPr")
_STRUCTURE = ("t", "p", "tbl", "tr", "tc", "trPr", "footnote", "endnote", "footnoteReference", "endnoteReference")


def _names(namespaces: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    return {f"{{{namespace}}}{name}": name for namespace in namespaces for name in names}


#: What an element is to us, by its full name; one that is not here is looked into.
_KINDS = {
    **_names(_WORD, (*_STRUCTURE, *_INSTEAD_OF)),
    **_names(_WORD, _LEFT_OUT),
    **_names(_MATH, ("t",)),
    f"{{{_COMPATIBILITY}}}AlternateContent": "alternatives",
}
_BLOCKS = tuple(_names(_WORD, ("p", "tbl")))
_NOTES = tuple(_names(_WORD, ("footnote", "endnote")))
_DELETED_ROW = tuple(_names(_WORD, ("del",)))
_PROPERTIES = {
    "subject": "subject",
    "keywords": "keywords",
    "description": "description",
    "language": "language",
    "created": "created",
    "modified": "modified",
}
_ORDER = ("header", "", "footer", "footnotes", "endnotes")


def read(job: Extraction) -> Iterator[Page]:
    """Yield the document in pages; raises `ExtractionFailed` with what is wrong with it."""
    refuse_compound(job.path)
    package = Package(job.path)
    job.engine = "lxml"
    try:
        main = main_part(package)
        note_properties(job, package)
        yield from number_pages(job, gather(document_blocks(package, main)))
    finally:
        package.close()


def refuse_compound(path: Path) -> None:
    """Raise ``encrypted_document`` for a locked DOCX, ``unsupported_feature`` for a DOC: both are no ZIP files."""
    with path.open("rb") as file:
        if file.read(len(_COMPOUND)) == _COMPOUND:
            # The name of the locked stream stands in the container's directory, uncompressed ([MS-OFFCRYPTO] 2.3.4).
            raise ExtractionFailed("encrypted_document" if _LOCKED in file.read() else "unsupported_feature")


def main_part(package: Package) -> str:
    for kind, target in relationships(package, "_rels/.rels", ""):
        if kind == "officeDocument" and target in package.names:
            return target
    raise ExtractionFailed("corrupt_document")


def relationships(package: Package, name: str, folder: str) -> list[tuple[str, str]]:
    """Return kind and target of each relationship to another part; what lies outside of the file is never followed."""
    if name not in package.names:
        return []
    found = []
    for element in parse(package, name).iter(_RELATIONSHIP):
        if element.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/", folder, element.get("Target", "")))
            found.append((element.get("Type", "").rpartition("/")[2], target.lstrip("/")))
    return found


def document_blocks(package: Package, main: str) -> Iterator[str]:
    folder, base = posixpath.split(main)
    linked = relationships(package, f"{folder}/_rels/{base}.rels".lstrip("/"), folder)
    seen: set[str] = set()
    for wanted in _ORDER:
        parts = [main] if not wanted else [target for kind, target in linked if kind == wanted]
        for part in parts:
            if part not in package.names:
                continue
            blocks = part_blocks(package, part)
            # The same header stands in a part of its own for each section.
            yield from unseen(blocks, seen) if wanted in ("header", "footer") else blocks


def unseen(blocks: Iterator[str], seen: set[str]) -> Iterator[str]:
    text = "\n".join(blocks)
    if text and text not in seen:
        seen.add(text)
        yield text


def part_blocks(package: Package, name: str) -> Iterator[str]:
    """Yield the text of each paragraph and table of a part, and forget its elements at once."""
    stream = package.open(name)
    note = None
    try:
        for _, element in etree.iterparse(stream, events=("end",), tag=_BLOCKS, remove_comments=True, **_SAFE):
            refuse_dtd(element)
            if next(element.iterancestors(*_BLOCKS), None) is not None:
                continue
            holder = next(element.iterancestors(*_NOTES), None)
            text = note_text(element, holder, is_first=holder is not note)
            note = holder
            forget(element)
            if text:
                yield text
    except etree.XMLSyntaxError as error:
        raise ExtractionFailed("corrupt_document") from error
    finally:
        stream.close()


def forget(element: Any) -> None:
    """Free a block and the blocks before it, but not the element that holds them."""
    element.clear()
    parent = element.getparent()
    while parent is not None and parent[0] is not element:
        del parent[0]


def note_text(element: Any, holder: Any, *, is_first: bool) -> str:
    """Return a block's text, with the number of the note that it is the first one of."""
    if holder is None:
        return block_text(element)
    if attribute(holder, "type") not in ("", "normal"):  # the line that separates notes from the text, not a note
        return ""
    text = block_text(element)
    return f"{mark(holder)} {text}" if text and is_first else text


def mark(element: Any) -> str:
    """Return how a note and the reference to it are marked: [1] for footnotes, [e1] for endnotes."""
    letter = "e" if _KINDS[element.tag].startswith("endnote") else ""
    return f"[{letter}{attribute(element, 'id')}]"


def attribute(element: Any, name: str) -> str:
    return next((value for key, value in element.items() if key.endswith(f"}}{name}")), "")


def block_text(element: Any) -> str:
    text = table_text(element) if _KINDS.get(element.tag) == "tbl" else paragraph_text(element)
    return clean(text).strip("\n")


def paragraph_text(paragraph: Any) -> str:
    parts: list[str] = []
    boxes: list[str] = []
    collect(paragraph, parts, boxes)
    return "\n".join(["".join(parts), *filter(None, boxes)])


def collect(element: Any, parts: list[str], boxes: list[str]) -> None:
    """Gather the text inside of a paragraph; what stands in a box of its own goes to `boxes`."""
    for child in element:
        kind = _KINDS.get(child.tag)
        if kind is None:
            collect(child, parts, boxes)
        elif kind == "t":
            parts.append(child.text or "")
        elif kind in _INSTEAD_OF:
            parts.append(_INSTEAD_OF[kind])
        elif kind in ("p", "tbl"):
            boxes.append(block_text(child))
        elif kind == "alternatives":  # the same thing for newer and for older programs
            collect(child[:1], parts, boxes)
        elif kind in ("footnoteReference", "endnoteReference"):
            parts.append(mark(child))


def table_text(table: Any) -> str:
    rows = [[cell_blocks(cell) for cell in parts_of(row, "tc")] for row in parts_of(table, "tr")]
    if all(len(row) <= 1 for row in rows):  # a frame around text, not a table
        return "\n".join("\n".join(cell) for row in rows for cell in row)
    return "\n".join("\t".join(" ".join(" ".join(cell).split()) for cell in row) for row in rows)


def parts_of(element: Any, wanted: str) -> Iterator[Any]:
    """Yield the rows of a table or the cells of a row, also those inside of content controls, but no deleted ones."""
    for child in element:
        kind = _KINDS.get(child.tag)
        if kind == wanted:
            if not is_deleted(child):
                yield child
        elif kind is None:
            yield from parts_of(child, wanted)


def is_deleted(row: Any) -> bool:
    return any(
        _KINDS.get(child.tag) == "trPr" and child.find(name) is not None for child in row for name in _DELETED_ROW
    )


def cell_blocks(cell: Any) -> list[str]:
    boxes: list[str] = []
    collect(cell, [], boxes)
    return [box for box in boxes if box]


def parse(package: Package, name: str) -> Any:
    """Return the root of a small part; raises ``corrupt_document``, and ``unsupported_feature`` if it has a DTD."""
    stream = package.open(name)
    try:
        root = etree.fromstring(stream.read(), etree.XMLParser(**_SAFE))
    except etree.XMLSyntaxError as error:
        raise ExtractionFailed("corrupt_document") from error
    finally:
        stream.close()
    refuse_dtd(root)
    return root


def refuse_dtd(element: Any) -> None:
    """Office programs write none; whoever does wants entities that grow, or that name other files."""
    if element.getroottree().docinfo.doctype:
        raise ExtractionFailed("unsupported_feature")


def note_properties(job: Extraction, package: Package) -> None:
    """Take title, author and the like from the core properties, if there are any."""
    parts = [target for kind, target in relationships(package, "_rels/.rels", "") if kind == "core-properties"]
    if not parts or parts[0] not in package.names:
        return
    try:
        properties = parse(package, parts[0])
    except ExtractionFailed:
        return  # the text does not need them
    values = {re.sub(r"^\{.*\}", "", str(child.tag)): clean_field(child.text) for child in properties}
    job.title, job.author = values.get("title"), values.get("creator")
    for key, name in _PROPERTIES.items():
        if value := values.get(key):
            job.metadata[name] = value
