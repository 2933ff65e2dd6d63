"""Random and malformed requests to every route: bodies that are not what they say, lengths that lie, odd headers."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from tests.processes import SECRETS

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "get", "BREW")
_TEXTS = (
    *("", "0", "1", "-1", "1e309", "NaN", "null", "true", "5" * 400, "\u202e", "é", "😀", "' OR 1=1--", "{{7*7}}"),
    *(
        "../../etc/passwd",
        "%00",
        "a" * 3000,
        "completed",
        "failed",
        "urgent",
        "text",
        "json",
        "a,b,c",
        "x" * 129,
        "\r\nX: y",
    ),
)
_QUERIES = (
    *("status", "userId", "priority", "code", "q", "limit", "cursor", "wait", "format", "page", "download", "jobs"),
    *("hours", "channel", "before", "operation", "x[]", "", "%zz"),
)
_ACTIONS = ("cleanup", "retry", "cancel", "delete", "pause", "resume", "priority", "", "x", None, 1, [])


@dataclass(frozen=True)
class Sent:
    """What goes over the wire; `is_whole` says whether a server can see its end."""

    data: bytes
    is_whole: bool


def request(method: str, path: str, jobs: Sequence[str], rng: random.Random) -> Sent:
    """One request for a route such as `/api/ingest/status/{jobId}`; `jobs` are ids that exist."""
    body, content_type = rng.choice(_BODIES)(jobs, rng)
    calm = rng.random() < 0.5  # only target and body are odd then, so that they get further
    framing, sent, is_whole = rng.choice((_honest, _chunked) if calm else _FRAMINGS)(body, rng)
    lines = [f"{method} {_target(path, jobs, rng)} HTTP/1.{rng.choice('1111110')}"]
    headers = {"Host": "127.0.0.1", "Connection": "close"} if calm or rng.random() < 0.9 else {}
    if content_type and rng.random() < 0.9:
        headers["Content-Type"] = content_type
    if calm:
        headers["Authorization"] = f"Bearer {rng.choice(list(SECRETS.values()))}"
    for make in [] if calm else rng.sample(_HEADERS, rng.randint(0, 4)):
        headers.update(make(rng))
    lines += [f"{name}: {value}" for name, value in headers.items()] + framing
    head = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n"
    if not calm and rng.random() < 0.1:
        at = rng.randrange(len(head))
        return Sent(head[:at] + rng.randbytes(rng.choice((0, 1, 4))) + head[at + 1 :] + sent, is_whole=False)
    return Sent(head + sent, is_whole)


# ---- the target -------------------------------------------------------------------------------------------------------


def _target(path: str, jobs: Sequence[str], rng: random.Random) -> str:
    odd = lambda: quote(rng.choice(_TEXTS)[:1500], safe="")  # noqa: E731
    for name in ("{jobId}", "{filename}", "{verb}"):
        known = {"{jobId}": rng.choice(jobs), "{filename}": rng.choice(("a.txt", "a.pdf", "a.json", "a.exe"))}
        known["{verb}"] = rng.choice(("cancel", "retry", "delete"))
        path = path.replace(name, known[name] if rng.random() < 0.7 else odd())
    pairs = [f"{rng.choice(_QUERIES)}={odd()}" for _ in range(rng.choice((0, 0, 1, 1, 3)))]
    if rng.random() < 0.2:
        pairs.append(f"jobs={','.join(rng.sample(list(jobs), min(3, len(jobs))))}&wait=1")
    return path + ("?" + "&".join(pairs) if pairs else "")


# ---- bodies -----------------------------------------------------------------------------------------------------------


def _nothing(jobs: Sequence[str], rng: random.Random) -> tuple[bytes, str]:
    return b"", ""


def _noise(jobs: Sequence[str], rng: random.Random) -> tuple[bytes, str]:
    kinds = ("application/json", "multipart/form-data; boundary=x", "multipart/form-data", "text/plain", "x", "a/b; c")
    return rng.randbytes(rng.choice((1, 30, 3000, 70_000))), rng.choice(kinds)


def _json(jobs: Sequence[str], rng: random.Random) -> tuple[bytes, str]:
    value = rng.choice(
        (
            *(
                "{",
                "[" * 50_000,
                "{}",
                "[]",
                "null",
                "1" * 5000,
                "NaN",
                '{"action":1,"action":2}',
                '"\\ud800"',
                '{"a":1e999}',
            ),
            *("\ufeff{}", '{"action": "cleanup", "daysOld": true}', '{"action":"\x00"}', '{"__proto__": {}}'),
        )
    )
    if rng.random() < 0.5:
        value = _command(jobs, rng)
    data = value.encode(rng.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-32")), "surrogatepass")
    return data, rng.choice(("application/json", "application/json; charset=utf-16", "text/json", ""))


def _command(jobs: Sequence[str], rng: random.Random) -> str:
    """Nearly a command of the operator: the members are right, their values may be anything."""
    values: tuple[object, ...] = (None, 0, -1, 2**70, 0.5, True, "", "low", [], {}, [None], list(jobs), "9" * 50)
    members: dict[str, object] = {"action": rng.choice(_ACTIONS)}
    for name in ("daysOld", "jobIds", "filter", "priority", "newPriority", "limit", "cursor", "operation", "dryRun"):
        if rng.random() < 0.35:
            members[name] = rng.choice(values)
    if rng.random() < 0.3:
        members["filter"] = {rng.choice(("status", "userId", "code", "olderThanDays", "x")): rng.choice(values)}
    return json.dumps(members)


def _form(jobs: Sequence[str], rng: random.Random) -> tuple[bytes, str]:
    pairs = (f"{rng.choice(('token', 'code', 'file', 'priority'))}={quote(rng.choice(_TEXTS))}" for _ in range(3))
    return "&".join(pairs).encode(), "application/x-www-form-urlencoded"


def _multipart(jobs: Sequence[str], rng: random.Random) -> tuple[bytes, str]:
    """A form with a file, of which anything may be altered."""
    parts = []
    for _ in range(rng.choice((0, 1, 1, 1, 2, 5))):
        name = rng.choice(("file", "file", "priority", "userId", "", "x" * 300))
        filename = rng.choice(('; filename="a.txt"', '; filename="a.pdf"', "", "; filename=", "; filename*=UTF-8''%ff"))
        content = rng.choice((b"words", b"", b"high", rng.randbytes(200), b"%PDF-1.7", b"\r\n--x", bytes(9000)))
        parts.append(b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n' % (name.encode(), filename.encode()))
        parts.append(content + b"\r\n")
    data = b"".join(parts) + rng.choice((b"--x--\r\n", b"--x--", b"--x", b"", b"--y--\r\n"))
    if rng.random() < 0.3 and data:
        at = rng.randrange(len(data))
        data = data[:at] + rng.randbytes(3) + data[at + rng.choice((0, 3, 30)) :]
    boundary = rng.choice(("x", "x", "x", "x", '"x"', "", "y", "x" * 300, "é"))
    return data, f"multipart/form-data; boundary={boundary}"


_BODIES: tuple[Callable[[Sequence[str], random.Random], tuple[bytes, str]], ...] = (
    *(_nothing, _nothing, _noise, _json, _json, _form, _multipart, _multipart),
)


# ---- how the body's length is told ------------------------------------------------------------------------------------

Framing = tuple[list[str], bytes, bool]


def _honest(body: bytes, rng: random.Random) -> Framing:
    return [f"Content-Length: {len(body)}"] if body or rng.random() < 0.5 else [], body, True


def _too_long(body: bytes, rng: random.Random) -> Framing:
    """Promises more than comes; the sender then says no more."""
    return [f"Content-Length: {len(body) + rng.choice((1, 1000, 10**9, 10**18))}"], body, False


def _too_short(body: bytes, rng: random.Random) -> Framing:
    return [f"Content-Length: {len(body) // 2}"], body, True


def _nonsense(body: bytes, rng: random.Random) -> Framing:
    values = ("-1", "abc", "1, 2", "+5", "0x10", "", "1" * 40, "١")
    return [f"Content-Length: {rng.choice(values)}"], body, False


def _chunked(body: bytes, rng: random.Random) -> Framing:
    size = rng.choice((1, 7, 1000, 100_000)) if len(body) < 5000 else 10_000
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    data = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    end, is_whole = rng.choice(((b"0\r\n\r\n", True), (b"0\r\n\r\n", True), (b"0\r\nX: y\r\n\r\n", True), (b"", False)))
    return ["Transfer-Encoding: chunked"], data + end, is_whole


def _torn_chunks(body: bytes, rng: random.Random) -> Framing:
    sizes = (b"zz", b"-5", b"ffffffffffffffffff", b"5;ext=" + b"x" * 200, b"", b"0x5", b" 5", b"5 \n")
    return ["Transfer-Encoding: chunked"], rng.choice(sizes) + b"\r\n" + body + b"\r\n0\r\n\r\n", False


def _both(body: bytes, rng: random.Random) -> Framing:
    codings = ("chunked", "gzip", "identity", "chunked, chunked", "xchunked")
    return [f"Content-Length: {len(body)}", f"Transfer-Encoding: {rng.choice(codings)}"], body, False


_FRAMINGS = (
    _honest,
    _honest,
    _honest,
    _honest,
    _too_long,
    _too_short,
    _nonsense,
    _chunked,
    _chunked,
    _torn_chunks,
    _both,
)


# ---- headers ----------------------------------------------------------------------------------------------------------


def _odd(name: str, *values: str) -> Callable[[random.Random], dict[str, str]]:
    return lambda rng: {name: rng.choice((*values, rng.choice(_TEXTS).replace("\r\n", " ")))}


_HEADERS: tuple[Callable[[random.Random], dict[str, str]], ...] = (
    _odd("Authorization", *(f"Bearer {secret}" for secret in SECRETS.values()), "Bearer", "Basic x"),
    _odd("Authorization", *(f"Bearer {secret}" for secret in SECRETS.values())),
    _odd("Accept", "text/html", "*/*;q=9", "text/plain", ",;=", "application/json;q=x"),
    _odd("If-None-Match", "*", '"1/x"', 'W/"', "x" * 2000),
    _odd("Last-Event-ID", "-1", "1e30", "999999999999"),
    _odd("Idempotency-Key", "k", "x" * 201),
    _odd("Host", "evil.example", "127.0.0.1:99999", "[::1", "a b"),
    _odd("Origin", "http://evil.example", "null", "http://[", "://"),
    _odd("Sec-Fetch-Site", "cross-site", "same-origin"),
    _odd("Cookie", "session=x", "a=b; " * 500, "=;=", 'x="\\777'),
    _odd("Range", "bytes=0-", "bytes=5-1", "bytes=x"),
    _odd("Content-Encoding", "gzip", "identity"),
    _odd("Expect", "100-continue", "x"),
    _odd("X-Forwarded-For", "1.2.3.4", "x, y"),
    _odd("X-Forwarded-Proto", "https"),
    _odd("X-Request-ID", "x", "a" * 500),
    _odd("Accept-Language", "de", "x" * 9000),
    _odd("Upgrade", "websocket", "h2c"),
    _odd("Bad Name", "x"),
    lambda rng: {f"X-{number}": "y" * 50 for number in range(rng.choice((5, 90, 150)))},
)
