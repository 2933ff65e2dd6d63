"""Files to work on: real PDFs from a folder where there is one, else PDFs made here."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

from app.settings import ROOT
from bench.options import Options

BIG = "GeoTopo-komprimiert.pdf"
_WORDS = ("the", "page", "holds", "lines", "of", "common", "words", "so", "that", "a", "reader", "has", "something")


def folder(options: Options) -> Path | None:
    """The folder of real PDFs, if there is one."""
    place = options.data or ROOT.parent / "shared" / "data" / "pdf"
    return place if any(place.glob("*.pdf")) else None


def big_pdf(options: Options, where: Path) -> Path:
    """The 117-page PDF, or one of as many pages made here."""
    real = folder(options)
    if real and (real / BIG).is_file():
        return real / BIG
    return _kept(where / "made-117.pdf", made_pdf(117))


def small_pdfs(options: Options, where: Path) -> list[Path]:
    """All PDFs of the folder, or 30 short ones and a long one made here."""
    real = folder(options)
    if real:
        return sorted(real.glob("*.pdf"))
    return [_kept(where / f"made-{n}.pdf", made_pdf(117 if n == 0 else 1 + n % 4, seed=n)) for n in range(31)]


def _kept(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def made_pdf(pages: int, *, seed: int = 0) -> bytes:
    """A well-formed PDF whose pages hold 45 lines of text each."""
    chance = random.Random(seed)
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(pages))
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {pages}/Kids[{kids}]/MediaBox[0 0 595 842]>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for n in range(pages):
        lines = (f"({' '.join(chance.choices(_WORDS, k=12))})'" for _ in range(45))
        content = zlib.compress(("BT/F1 11 Tf 16 TL 50 800 Td\n" + "\n".join(lines) + "\nET").encode())
        bodies.append(f"<</Type/Page/Parent 2 0 R/Resources<</Font<</F1 3 0 R>>>>/Contents {5 + 2 * n} 0 R>>".encode())
        bodies.append(f"<</Length {len(content)}/Filter/FlateDecode>>stream\n".encode() + content + b"\nendstream")
    return _assembled(bodies)


def _assembled(bodies: list[bytes]) -> bytes:
    data, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(bodies, 1):
        places.append(len(data))
        data += b"%d 0 obj" % number + body + b"endobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1) + table
    end += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, len(data))
    return bytes(data + end)
