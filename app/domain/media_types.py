"""Which files are accepted, and whether the first bytes of a file are what its name says.

The type that a client declares is never asked. Whether a whole file can be read is for the extraction to find out.
"""

from __future__ import annotations

import codecs
import re

from app.errors import ValidationFailed

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML = "text/html"

#: The media type that each accepted file name ending stands for.
MEDIA_TYPES: dict[str, str] = {
    ".pdf": PDF,
    ".txt": "text/plain",
    ".text": "text/plain",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".html": HTML,
    ".htm": HTML,
    ".docx": DOCX,
}

#: How many bytes from the start `sniff` looks at, at most.
HEAD_BYTES = 8192

# ISO 32000-1, annex H.3.4.1: readers accept the header anywhere within the first 1,024 bytes.
_PDF_HEADER = b"%PDF-"
_PDF_WITHIN = 1024

_ZIP = b"PK\x03\x04"
# The container of old Office files, and of a new one that is locked with a password.
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (_PDF_HEADER, "a PDF"),
    (_ZIP, "a ZIP archive or an Office file"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (_COMPOUND, "an Office file of the old kind"),
    (b"\x7fELF", "a Linux program"),
    (b"MZ", "a Windows program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"BM", "a BMP image"),
    (b"RIFF", "a sound, film or WebP image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"OggS", "an Ogg recording"),
    (b"ID3", "an MP3 recording"),
    (b"%!PS", "a PostScript file"),
    (b"{\\rtf", "an RTF document"),
)
# Two letters alone are no sign of anything where text is expected.
_TEXT_MAY_BEGIN_WITH = {b"MZ", b"BM", b"BZh", b"RIFF", b"OggS", b"ID3"}

_MARKUP_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!--|!doctype|\?xml|[a-z])", re.IGNORECASE)
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
# Escape, backspace, bell and form feed do occur in logs and printouts; the rest is no text.
_NO_TEXT = bytes(set(range(0x20)) - set(b"\t\n\r\x07\x08\x0c\x1b")) + b"\x7f"
_NO_TEXT_SHARE = 0.1

# Names inside other kinds of ZIP file, as far as they stand in the first bytes.
_OTHER_PACKAGES = (
    (b"xl/", "a spreadsheet"),
    (b"ppt/", "a presentation"),
    (b"mimetypeapplication/", "another document"),
)


def sniff(head: bytes, filename: str) -> str:
    """Return the media type of a file, by the ending of its name and its first bytes (8,192, or all there are).

    Raises `ValidationFailed`: ``unsupported_type`` for an ending that is not in `MEDIA_TYPES`, ``content_mismatch``
    where the bytes are something else.
    """
    media_type = MEDIA_TYPES.get(ending(filename))
    if media_type is None:
        raise ValidationFailed("unsupported_type")
    head = head[:HEAD_BYTES]
    if media_type == PDF:
        _check_pdf(head)
    elif media_type == DOCX:
        _check_docx(head)
    else:
        _check_text(head)
    return media_type


def ending(filename: str) -> str:
    """Return the ending of a file name with its dot, in lower case; empty if it has none."""
    stem, dot, last = filename.rpartition(".")
    return f".{last.lower()}" if dot and stem else ""


def kind_of(head: bytes) -> str | None:
    """Return in a person's words what bytes with a well-known beginning are, else None."""
    for signature, words in _SIGNATURES:
        if head.startswith(signature):
            return words
    return "a web page or XML" if _MARKUP_START.match(head) else None


def _check_pdf(head: bytes) -> None:
    if head.startswith(_PDF_HEADER):
        return
    kind = kind_of(head)
    if kind or _PDF_HEADER not in head[:_PDF_WITHIN]:
        raise _mismatch("a PDF", kind)


def _check_docx(head: bytes) -> None:
    if head.startswith(_COMPOUND):
        return  # whether it is a locked DOCX or an old DOC, the reader sees from the rest
    if not head.startswith(_ZIP):
        raise _mismatch("a Word document", kind_of(head))
    if b"word/" in head:
        return
    for name, words in _OTHER_PACKAGES:
        if name in head:
            raise _mismatch("a Word document", words)


def _check_text(head: bytes) -> None:
    for signature, words in _SIGNATURES:
        if head.startswith(signature) and signature not in _TEXT_MAY_BEGIN_WITH:
            raise _mismatch("text", words)
    if head.startswith(_BYTE_ORDER_MARKS):
        return
    strange = len(head) - len(head.translate(None, _NO_TEXT))
    if b"\x00" in head or strange > _NO_TEXT_SHARE * len(head):
        raise _mismatch("text", kind_of(head) or "a binary file")


def _mismatch(expected: str, kind: str | None) -> ValidationFailed:
    if kind is None:
        return ValidationFailed("content_mismatch", f"The content of the file is not {expected}, as its name says.")
    return ValidationFailed("content_mismatch", f"By its content the file is {kind}, not {expected} as its name says.")
