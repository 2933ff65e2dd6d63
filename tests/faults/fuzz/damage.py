"""One good file, one damage: bits, cuts, splices, swapped and repeated blocks, lengths that lie. All from one seed."""

from __future__ import annotations

import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence

_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
_TOKENS = (
    *(
        b"<<",
        b">>",
        b"[" * 2000,
        b"(" * 500,
        b"endobj",
        b"endstream",
        b"/Length -1",
        b"/Kids[2 0 R]",
        b"/Prev 0",
        b"R R R",
    ),
    *(b"<w:p>" * 2000, b"<!DOCTYPE d [<!ENTITY a 'b'>]>", b"&a;", b"</", b"<![CDATA[", b"<!--", b'"', b"{" * 5000),
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\x1b[2J",
        b"\r",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"\\ud800",
    ),
)
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_NUMBER = re.compile(rb"\d+")


def damaged(data: bytes, others: Sequence[bytes], rng: random.Random) -> tuple[str, bytes]:
    """The kind of the damage and what is left of the file; of a package or a PDF half of the time inside what is packed."""
    if data.startswith(b"PK\x03\x04") and rng.random() < 0.5:
        return _inside(data, others, rng)
    if data.startswith(b"%PDF-") and rng.random() < 0.5 and (streams := list(_STREAM.finditer(data))):
        return _inside_stream(data, rng.choice(streams), others, rng)
    kind = rng.choice(list(_KINDS))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = _KINDS[kind](data, others, rng)
    return kind, data


def _inside(data: bytes, others: Sequence[bytes], rng: random.Random) -> tuple[str, bytes]:
    """Packed again, so that its sums are right and the damage reaches the reader."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        chosen, kind = rng.choice(names), rng.choice(list(_KINDS))
        for name in names:
            content = old.read(name)
            new.writestr(name, _KINDS[kind](content, others, rng) if name == chosen else content)
    return f"{kind} inside", out.getvalue()


def _inside_stream(
    data: bytes, found: re.Match[bytes], others: Sequence[bytes], rng: random.Random
) -> tuple[str, bytes]:
    """Likewise of a PDF; what is not deflated is damaged as it stands."""
    kind, content = rng.choice(list(_KINDS)), found[1]
    try:
        content = zlib.compress(_KINDS[kind](zlib.decompress(content), others, rng))
    except zlib.error:
        content = _KINDS[kind](content, others, rng)
    return f"{kind} inside", data[: found.start(1)] + content + data[found.end(1) :]


def _place(data: bytes, rng: random.Random) -> int:
    return rng.randrange(len(data) + 1)


def _piece(data: bytes, rng: random.Random) -> tuple[int, int]:
    at = _place(data, rng)
    return at, min(len(data), at + rng.choice((1, 4, 16, 64, 256, 1024, 4096)))


def _bits(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64)) if data else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at, end = _piece(data, rng)
    return rng.choice((data[:at], data[at:], data[:at] + data[end:]))


def _splice(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    other = rng.choice(others)
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _swap(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    a, b, c = sorted(_place(data, rng) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def _repeat(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at, end = _piece(data, rng)
    return data[:end] + data[at:end] * rng.choice((1, 3, 100)) + data[end:]


def _lengths(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """A number in digits becomes another one, or one, two, four or eight bytes become an extreme one."""
    numbers = list(_NUMBER.finditer(data)) if rng.random() < 0.5 else []
    if numbers:
        found = rng.choice(numbers)
        value = rng.choice((*_EXTREMES, -1, int(found[0][:18]) + rng.choice((-1, 1, 7))))
        return data[: found.start()] + b"%d" % value + data[found.end() :]
    form = rng.choice(("<B", "<H", "<I", "<Q", ">H", ">I", ">Q"))
    size, at = struct.calcsize(form), _place(data, rng)
    return data[:at] + struct.pack(form, rng.choice(_EXTREMES) & (1 << 8 * size) - 1) + data[at + size :]


def _tokens(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.choice(_TOKENS) + data[at:]


def _noise(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    at, end = _piece(data, rng)
    return data[:at] + rng.randbytes(end - at) + data[end:]


_KINDS: dict[str, Callable[[bytes, Sequence[bytes], random.Random], bytes]] = {
    "bits": _bits,
    "cut": _cut,
    "splice": _splice,
    "swap": _swap,
    "repeat": _repeat,
    "lengths": _lengths,
    "tokens": _tokens,
    "noise": _noise,
}
