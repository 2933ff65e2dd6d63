"""Good files of every accepted type, made here or taken from a folder: what the damage is done to."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

from pypdf import PdfReader, PdfWriter

from app.domain.media_types import MEDIA_TYPES, ending
from app.extraction import DOCX
from tests.samples.make_samples import docx, paragraph, pdf, pdf_with_private_letters

#: Larger files of a folder would take all the time there is.
LARGEST = 400_000
_WORDS = [
    "water",
    "house",
    "Straße",
    "naïve",
    "東京",
    "number",
    "list",
    "value",
    "the",
    "of",
    "and",
    "Ελλάδα",
    "a1",
    "2.5",
    "(x)",
    "\u202e",
    "end",
]


def good_files(count: int, folder: Path | None = None, *, seed: int = 0) -> dict[str, bytes]:
    """So many files by name: at most a third from the folder, the rest made, all accepted endings in turn."""
    found = _from(folder)[: count // 3] if folder else []
    files = dict(found)
    endings = sorted(MEDIA_TYPES)
    for number in range(count - len(files)):
        suffix = endings[number % len(endings)]
        rng = random.Random(f"{seed}/{number}")
        files[f"made-{number:02}{suffix}"] = _made(suffix, rng)
    return files


def _from(folder: Path) -> list[tuple[str, bytes]]:
    paths = sorted(path for path in folder.iterdir() if ending(path.name) in MEDIA_TYPES)
    small = sorted((path for path in paths if path.stat().st_size <= LARGEST), key=lambda path: path.stat().st_size)
    return [(path.name, path.read_bytes()) for path in small]


def _made(suffix: str, rng: random.Random) -> bytes:
    media_type = MEDIA_TYPES[suffix]
    if media_type == "application/pdf":
        return _pdf(rng)
    if media_type == DOCX:
        return _docx(rng)
    text = {
        "text/html": _html,
        "application/json": _json,
        "text/csv": lambda rng: _table(rng, ","),
        "text/tab-separated-values": lambda rng: _table(rng, "\t"),
    }.get(media_type, _prose)(rng)
    return text.encode(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"]))


def _sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(_WORDS, k=rng.randint(3, 20)))


def _ascii(rng: random.Random) -> str:
    return _sentence(rng).encode("ascii", "ignore").decode().replace("(", "").replace(")", "")


def _prose(rng: random.Random) -> str:
    return "\n".join(f"{'# ' if rng.random() < 0.2 else ''}{_sentence(rng)}" for _ in range(rng.randint(1, 60)))


def _table(rng: random.Random, separator: str) -> str:
    rows = [[f'"{_sentence(rng)}"' if rng.random() < 0.3 else rng.choice(_WORDS) for _ in range(5)] for _ in range(30)]
    return "\r\n".join(separator.join(row) for row in rows)


def _json(rng: random.Random) -> str:
    return json.dumps({word: [rng.random(), _sentence(rng), None, {"deep": [[[1]]]}] for word in _WORDS}, indent=1)


def _html(rng: random.Random) -> str:
    rows = "".join(f"<tr><td>{_sentence(rng)}<td>{rng.randint(0, 9)}</tr>" for _ in range(rng.randint(1, 20)))
    return (
        f"<!doctype html><title>{_sentence(rng)}</title><h1>x &amp; y</h1><table>{rows}</table><pre>\n a</pre><ul><li>1"
    )


def _pdf(rng: random.Random) -> bytes:
    plain = pdf(*(_ascii(rng) for _ in range(rng.randint(1, 8))), title="T", author="A")
    kind = rng.randrange(3)
    if kind == 0:
        return plain
    if kind == 1:
        return pdf_with_private_letters("abcdef")
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(plain)))
    for page in writer.pages:
        page.compress_content_streams()
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _docx(rng: random.Random) -> bytes:
    body = "".join(paragraph(_ascii(rng)) for _ in range(rng.randint(1, 30)))
    linked = {"header1": paragraph("head"), "footnotes": paragraph("note")} if rng.random() < 0.5 else None
    table = f"<w:tbl><w:tr><w:tc>{paragraph('cell')}</w:tc></w:tr></w:tbl>"
    return docx(body + table, linked=linked, title="T", author="A")
