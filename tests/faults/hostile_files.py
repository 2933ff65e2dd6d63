"""Files made to hurt whoever reads them: bombs, loops, depths, lies and disguises; small on disk, made from nothing.

usage: python -m tests.faults.hostile_files FOLDER
"""

from __future__ import annotations

import io
import struct
import sys
import zipfile
import zlib
from pathlib import Path

from tests.samples.make_samples import bomb_pdf, docx, paragraph, pdf, pdf_of, stream, work

CATALOGUE = b"<</Type/Catalog/Pages 2 0 R%s>>"
NO_PAGES = b"<</Type/Pages/Kids[]/Count 0>>"


def deflated(size: int, byte: bytes = b"\0", *, raw: bool = False) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15 if raw else 15)
    block = byte * (1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


# ---- PDF ------------------------------------------------------------------------------------------------------------


def one_page(
    content: bytes, *, filters: bytes = b"", resources: bytes = b"", more: dict[int, bytes] | None = None
) -> bytes:
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>%s>>>>"
    return pdf_of(
        {
            1: CATALOGUE % b"",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: page % resources,
            4: stream(content, filters),
            5: b"<</Type/Font/Subtype/Type1/BaseFont/Courier>>",
            **(more or {}),
        }
    )


def form(content: bytes, resources: bytes = b"") -> bytes:
    return stream(content, b"/Type/XObject/Subtype/Form/BBox[0 0 10 10]/Resources<<%s>>" % resources)


def pdf_that_doubles(depth: int = 30) -> bytes:
    """A form that draws a form twice, that draws a form twice, and so on: no time is enough for it. The last ones are
    work, so that a quick reader does not fill its memory before its time is over."""
    forms = {6 + level: form(b"/F Do /F Do", b"/XObject<</F %d 0 R>>" % (7 + level)) for level in range(depth)}
    forms[6 + depth] = form(work(10_000))
    return one_page(b"/F Do", resources=b"/XObject<</F 6 0 R>>", more=forms)


def pdf_in_a_circle() -> bytes:
    return pdf_of(
        {
            1: CATALOGUE % b"",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: b"<</Type/Pages/Parent 2 0 R/Kids[2 0 R]/Count 1>>",
        }
    )


def pdf_that_runs() -> bytes:
    act = b"/OpenAction<</S/JavaScript/JS(while\\(true\\){})>>/AA<</O<</S/Launch/F(/bin/sh)>>>>"
    return pdf_of({1: CATALOGUE % act, 2: NO_PAGES})


def pdfs() -> dict[str, bytes]:
    good = pdf("text")
    return {
        "bomb.pdf": bomb_pdf(),
        "bomb-in-a-bomb.pdf": one_page(
            zlib.compress(deflated(512 << 20)), filters=b"/Filter[/FlateDecode/FlateDecode]"
        ),
        "run-length.pdf": one_page(
            zlib.compress(b"\x81 " * 2_000_000, 9), filters=b"/Filter[/FlateDecode/RunLengthDecode]"
        ),
        "doubles.pdf": pdf_that_doubles(),
        "draws-itself.pdf": one_page(
            b"/F Do", resources=b"/XObject<</F 6 0 R>>", more={6: form(b"/F Do", b"/XObject<</F 6 0 R>>")}
        ),
        "circle.pdf": pdf_in_a_circle(),
        "own-predecessor.pdf": good.replace(b"/Root 1 0 R", b"/Root 1 0 R/Prev 9"),
        "deep.pdf": pdf_of({1: CATALOGUE % (b"/A " + b"[" * 150_000 + b"]" * 150_000), 2: NO_PAGES}),
        "two-billion-pages.pdf": pdf_of({1: CATALOGUE % b"", 2: b"<</Type/Pages/Kids[]/Count 2147483647>>"}),
        "same-page-often.pdf": pdf_of(
            {
                1: CATALOGUE % b"",
                2: b"<</Type/Pages/Kids[%s]/Count 50000>>" % (b"3 0 R " * 50_000),
                3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
            }
        ),
        "runs.pdf": pdf_that_runs(),
        "torn.pdf": good[: len(good) * 2 // 3],
        "header-only.pdf": b"%PDF-1.4\n",
        "markup.pdf": pdf("<script>alert\\(document.cookie\\)</script>"),
    }


# ---- archives and office files --------------------------------------------------------------------------------------


def laughter(levels: int) -> str:
    lines = ['<!ENTITY a0 "ha">', *(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, levels + 1))]
    return f"<!DOCTYPE d [{''.join(lines)}]>"


def overlapping(entries: int, size: int) -> bytes:
    """An archive whose entries all point to the same packed bytes."""
    body, crc = deflated(size, raw=True), 0
    for _ in range(size >> 20):
        crc = zlib.crc32(bytes(1 << 20), crc)
    facts = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, len(body), size, 1, 0)
    local = b"PK\3\4" + facts + b"x"
    entry = b"PK\1\2" + struct.pack("<H", 20) + facts + struct.pack("<HHHII", 0, 0, 0, 0, 0) + b"x"
    end = struct.pack("<HHHHIIH", 0, 0, entries, entries, entries * len(entry), len(local) + len(body), 0)
    return local + body + entry * entries + b"PK\5\6" + end


def nested(levels: int) -> bytes:
    inner = bytes(1 << 20)
    for _ in range(levels):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(10):
                archive.writestr(f"{number}.zip", inner)
        inner = out.getvalue()
    return inner


def office_files() -> dict[str, bytes]:
    outside = '<!DOCTYPE d [<!ENTITY e SYSTEM "{}">]>'
    return {
        "outside-file.docx": docx(paragraph("&e;"), prolog=outside.format("file:///etc/hostname")),
        "outside-host.docx": docx(paragraph("&e;"), prolog=outside.format("http://127.0.0.1:9/")),
        "laughter.docx": docx(paragraph("&a9;"), prolog=laughter(9)),
        "bomb.docx": docx(paragraph("x" * (200 << 20))),
        "crowd.docx": docx(extra={f"word/media/{number}.png": b"" for number in range(11_000)}),
        "escapes.docx": docx(extra={"../../../../tmp/escaped": b"x", "/tmp/escaped": b"x", "..\\escaped": b"x"}),
        "deep.docx": docx("<w:p>" * 60_000 + "</w:p>" * 60_000),
        "archive-inside.docx": docx(extra={"word/embeddings/inner.zip": nested(2)}),
        "overlapping.docx": overlapping(1_000, 32 << 20),
        "nested.zip": nested(4),
        "torn.docx": docx()[:300],
    }


# ---- text and markup ------------------------------------------------------------------------------------------------


def texts() -> dict[str, bytes]:
    return {
        "deep.html": b"<div>" * 300_000,
        "attributes.html": b"<p " + b" ".join(b"a%d=1" % number for number in range(100_000)) + b">text",
        "outside.html": b'<title>t</title><img src="http://127.0.0.1:9/"><iframe src="file:///etc/hostname"></iframe>',
        "deep.json": b"[" * 300_000 + b"]" * 300_000,
        "long-number.json": b"[1" + b"0" * 100_000 + b"]",
        "one-line.txt": b"word" * 2_500_000,
        "no-encoding.txt": bytes(range(128, 256)) * 2_000,
        "marks.txt": ("a" + "\u0301" * 50_000 + "\u202e\u2066gnp.exe").encode(),
        "formulas.csv": b'a,b\n=1+1,"@SUM(A1)"\n' + b'"' * 50_001,
        "control.txt": b"line\r\n2099-01-01 CRITICAL forged\x1b[2J\x1b]0;title\x07",
        "nothing.md": b"\n" * 500_000,
        "zeros.txt": bytes(1 << 20),
    }


# ---- disguises ------------------------------------------------------------------------------------------------------


def disguises() -> dict[str, bytes]:
    return {
        "program.pdf": b"\x7fELF\x02\x01\x01" + bytes(500),
        "archive.pdf": docx(),
        "pdf.txt": pdf("text"),
        "page-and.pdf": b"<!--" + pdf("text") + b"--><script>alert(1)</script>",
        "and-archive.pdf": pdf("text") + docx(),
        "late-header.pdf": b"x" * 3_000 + pdf("text"),
        "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(200),
        "empty.txt": b"",
    }


def hostile_files() -> dict[str, bytes]:
    return {**pdfs(), **office_files(), **texts(), **disguises()}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in hostile_files().items():
        (folder / name).write_bytes(data)
