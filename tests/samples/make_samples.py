"""Small sample files of every accepted type, made from nothing; also a script that writes them into a folder.

usage: python -m tests.samples.make_samples FOLDER
"""

from __future__ import annotations

import io
import sys
import zipfile
import zlib
from pathlib import Path

from pypdf import PdfReader, PdfWriter

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"

LATIN_1_LETTER = (
    "Sehr geehrte Damen und Herren,\n\nfür die Übersendung der Bücher möchte ich Ihnen herzlich danken. "
    "Die Straße, in der wir früher wohnten, ist darin schön beschrieben; auch die Größe der Gärten stimmt.\n"
    "Mit freundlichen Grüßen\nJörg Müller\n"
)


def pdf_of(objects: dict[int, bytes], *, info: int | None = None) -> bytes:
    """Return a PDF of these numbered objects, of which the first is the catalogue."""
    out = bytearray(b"%PDF-1.7\n")
    offsets = {}
    for number in sorted(objects):
        offsets[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, objects[number])
    size = max(objects) + 1
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 n \n" % offsets[number]
    extra = b"/Info %d 0 R" % info if info else b""
    return bytes(out + b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (size, extra, start))


def stream(data: bytes, extra: bytes = b"") -> bytes:
    return b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(data), extra, data)


def work(steps: int) -> bytes:
    """Drawing that shows nothing and keeps nothing: it costs its reader time on any machine, and no memory."""
    return b"0 g " * steps


def slow_pdf(pages: int = 200) -> tuple[bytes, list[str]]:
    """Return a PDF whose pages take milliseconds each, so that its reader can be met in the middle, and its text."""
    lines = [f"page {number}" for number in range(pages)]
    return pdf(*lines, before=work(120_000)), lines


def pdf(
    *pages: str, title: str = "", author: str = "", font: bytes = b"", to_unicode: bytes = b"", before: bytes = b""
) -> bytes:
    """Return a PDF with a line of text on each page (ASCII, no parentheses); `before` is drawn before each."""
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        3: font or b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica%s>>" % (b"/ToUnicode 5 0 R" if to_unicode else b""),
        4: b"<</Title(%s)/Author(%s)/CreationDate(D:20240229120000+01'00')>>" % (title.encode(), author.encode()),
        5: stream(to_unicode),
        6: stream(before),
    }
    kids = []
    for text in pages:
        content, page = max(objects) + 1, max(objects) + 2
        objects[content] = stream(b"BT /F1 12 Tf 72 720 Td (%s) Tj ET" % text.encode("ascii"))
        objects[page] = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents[6 0 R %d 0 R]/Resources<</Font<</F1 3 0 R>>>>>>"
            % content
        )
        kids.append(b"%d 0 R" % page)
    objects[2] = b"<</Type/Pages/Kids[%s]/Count %d>>" % (b" ".join(kids), len(kids))
    return pdf_of(objects, info=4)


def locked_pdf() -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("secret"))))
    writer.encrypt("a password", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def damaged_pdf() -> bytes:
    """A PDF whose catalogue and everything after it is lost."""
    return pdf("lost").replace(b"/Type/Catalog", b"\x00" * 13)[:-150]


def pdf_with_private_letters(text: str) -> bytes:
    """A PDF whose font claims that its letters a to z are private-use characters."""
    to_unicode = b"1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfrange <61> <7a> <E061> endbfrange"
    return pdf(text, to_unicode=to_unicode)


def bomb_pdf() -> bytes:
    """A PDF whose one page unpacks to a gibibyte of nothing."""
    packer = zlib.compressobj(9)
    first, again = (packer.compress(bytes(64 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    packed = first + 15 * again + packer.flush()
    return pdf_of(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
            4: stream(packed, b"/Filter/FlateDecode"),
            5: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        }
    )


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def docx(
    body: str = paragraph("Hello"),
    *,
    linked: dict[str, str] | None = None,
    title: str = "",
    author: str = "",
    prolog: str = "",
    extra: dict[str, bytes] | None = None,
) -> bytes:
    """Return a DOCX; `linked` holds the content of header, footer, footnotes and endnotes parts by their kind."""
    parts: dict[str, bytes | str] = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": relationships(
            ("officeDocument", f"{OFFICE}/officeDocument", "word/document.xml"),
            ("core", f"{PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
        ),
        "docProps/core.xml": '<c:coreProperties xmlns:c="urn:c" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{title}</dc:title><dc:creator>{author}</dc:creator></c:coreProperties>",
        "word/document.xml": f'{prolog}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
        "word/_rels/document.xml.rels": relationships(
            *((kind, f"{OFFICE}/{kind.rstrip('0123456789')}", f"{kind}.xml") for kind in linked or {})
        ),
    }
    for kind, content in (linked or {}).items():
        parts[f"word/{kind}.xml"] = f'<w:{kind} xmlns:w="{WORD}">{content}</w:{kind}>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**parts, **(extra or {})}.items():
            archive.writestr(name, data)
    return out.getvalue()


def relationships(*rows: tuple[str, str, str]) -> str:
    inside = "".join(f'<Relationship Id="{id_}" Type="{type_}" Target="{target}"/>' for id_, type_, target in rows)
    return f'<Relationships xmlns="{PACKAGE}/relationships">{inside}</Relationships>'


def locked_docx() -> bytes:
    """As much of a password-protected DOCX as there is to see without the password."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(480)


def samples() -> dict[str, bytes]:
    return {
        "two-pages.pdf": pdf("First page", "Second page", title="A title", author="Somebody"),
        "locked.pdf": locked_pdf(),
        "damaged.pdf": damaged_pdf(),
        "report.docx": docx(paragraph("A report"), title="Report", author="Somebody"),
        "locked.docx": locked_docx(),
        "letter-latin-1.txt": LATIN_1_LETTER.encode("latin-1"),
        "notes.md": b"# Notes\n\nSome *text*.\n",
        "table.csv": "name,city\nJörg,Köln\n".encode(),
        "data.json": b'{"name": "value", "list": [1, 2.5, null]}\n',
        "broken.json": b'{"name": ',
        "page.html": b"<!doctype html><title>A page</title><h1>Head</h1><p>Text</p><script>alert(1)</script>",
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in samples().items():
        (folder / name).write_bytes(data)
