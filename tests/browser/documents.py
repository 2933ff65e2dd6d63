"""Files to upload, made here: small PDFs of plain text pages."""

from __future__ import annotations

import re
from collections.abc import Sequence


def pdf(pages: int, *, lines: int = 1, says: Sequence[str] = ()) -> bytes:
    """Page n says "This is page n" on each of its lines, and then the sentences of `says`, one a line."""
    rest = "".join(f"({_escaped(sentence)}) Tj T* " for sentence in says)
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(pages))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n in range(pages):
        text = f"BT /F1 9 Tf 40 800 Td 10 TL {f'(This is page {n + 1}) Tj T* ' * lines}{rest}ET"
        resources = "/Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {resources} /Contents {5 + 2 * n} 0 R >>")
        objects.append(f"<< /Length {len(text)} >>\nstream\n{text}\nendstream")
    return _file(objects)


def _escaped(text: str) -> str:
    return re.sub(r"([()\\])", r"\\\1", text)


def _file(objects: list[str]) -> bytes:
    parts, offsets, at = ["%PDF-1.7\n"], [], 9
    for number, content in enumerate(objects, start=1):
        offsets.append(at)
        parts.append(f"{number} 0 obj\n{content}\nendobj\n")
        at += len(parts[-1])
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    count = len(objects) + 1
    trailer = f"trailer << /Size {count} /Root 1 0 R >>\nstartxref\n{at}\n%%EOF\n"
    return "".join([*parts, f"xref\n0 {count}\n0000000000 65535 f \n", table, trailer]).encode()


BROKEN_PDF = b"%PDF-1.7\n" + b"this was a document once\n" * 40
