"""The smallest client that keeps a connection: a prepared request out, status and body in, as little of its own as may be."""

from __future__ import annotations

import json
import socket
from typing import Any


class Connection:
    def __init__(self, port: int, *, seconds: float = 120) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def ask(self, request: bytes) -> tuple[int, bytes]:
        self._socket.sendall(request)
        return self.answer()

    def get(self, path: str) -> tuple[int, bytes]:
        return self.ask(head("GET", path))

    def send(self, data: bytes | memoryview) -> None:
        self._socket.sendall(data)

    def answer(self) -> tuple[int, bytes]:
        """Of an answer that tells its length, as all of ours do but streams."""
        data = self._rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        lines = data[:end].split(b"\r\n")
        lengths = [line.partition(b":")[2] for line in lines if line.lower().startswith(b"content-length:")]
        size = end + 4 + (int(lengths[0]) if lengths else 0)
        while len(data) < size:
            data += self._more()
        self._rest = data[size:]
        return int(lines[0].split()[1]), data[end + 4 : size]

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


def head(method: str, path: str, **headers: str | int) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def form(data: bytes, name: str) -> bytes:
    """A whole request that uploads a file by form, as a browser does."""
    edge = "form-of-the-bench"
    body = (
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode() + data
    body += f"\r\n--{edge}--\r\n".encode()
    kind = f"multipart/form-data; boundary={edge}"
    return head("POST", "/api/ingest/start", Content_Type=kind, Content_Length=len(body)) + body


def job_of(answer: tuple[int, bytes]) -> str:
    """The id of a job that was accepted."""
    status, body = answer
    if status != 202:
        raise RuntimeError(f"not accepted: {status} {body[:300]!r}")
    document: dict[str, Any] = json.loads(body)
    return str(document["jobId"])
