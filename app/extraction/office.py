"""DOCX: which parts of the file make up the document, and what it says of itself.

The text comes as headers, body, footers, footnotes and endnotes, in this order.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from app.errors import ExtractionFailed
from app.extraction import Extraction, Page, word_xml
from app.extraction.package import Package
from app.extraction.paging import gather, number_pages
from app.extraction.plain import clean_field

_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LOCKED = "EncryptedPackage".encode("utf-16-le")
_PROPERTIES = ("subject", "keywords", "description", "language", "created", "modified")
_ORDER = ("header", "", "footer", "footnotes", "endnotes")


def read(job: Extraction) -> Iterator[Page]:
    """Yield the document in pages; raises `ExtractionFailed` with what is wrong with it."""
    refuse_compound(job.path)
    package = Package(job.path)
    job.engine = "lxml"
    try:
        main = main_part(package)
        note_properties(job, package)
        yield from number_pages(job, gather(document_blocks(package, main), "\n"))
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
            if part in package.names:
                blocks = part_blocks(package, part)
                # The same header stands in a part of its own for each section.
                yield from unseen(blocks, seen) if wanted in ("header", "footer") else blocks


def part_blocks(package: Package, name: str) -> Iterator[str]:
    stream = package.open(name)
    try:
        yield from word_xml.blocks(stream)
    finally:
        stream.close()


def unseen(blocks: Iterator[str], seen: set[str]) -> Iterator[str]:
    text = "\n".join(blocks)
    if text not in seen:
        seen.add(text)
        yield text


def parse(package: Package, name: str) -> Any:
    """Return the root of a small part; raises ``corrupt_document``, and ``unsupported_feature`` if it has a DTD."""
    stream = package.open(name)
    try:
        root = etree.fromstring(stream.read(), etree.XMLParser(**word_xml.SAFE))
    except etree.XMLSyntaxError as error:
        raise word_xml.syntax_failure(error) from error
    finally:
        stream.close()
    word_xml.refuse_dtd(root)
    return root


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
    job.metadata.update((name, value) for name in _PROPERTIES if (value := values.get(name)))
