"""A TCP proxy for tests that does to connections what networks do: nothing, delay without end, reset, lose answers."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from typing_extensions import Self

PIECE = 64 * 1024
Fault = Callable[[socket.socket, Callable[[], socket.socket]], None]
"""Has a client's connection, and a way to one of the server; comes back when both are done with."""


class Proxy:
    """Passes on what it gets until it is told of a fault, which then meets each new connection, or so many of them."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._scheme, self._target = parts.scheme, (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._fault: Fault = passing
        self._times = 0
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def meets(self, fault: Fault, *, times: int = 1_000_000) -> None:
        """From now on; what is connected is reset, so that it is met too."""
        with self._lock:
            self._fault, self._times = fault, times
            for connection in self._open:
                reset(connection)

    def heals(self) -> None:
        self.meets(passing)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                fault = self._fault if self._times > 0 else passing
                self._times -= 1
                self._open.add(client)
            threading.Thread(target=self._serve, args=(client, fault), daemon=True).start()

    def _serve(self, client: socket.socket, fault: Fault) -> None:
        servers: list[socket.socket] = []

        def server() -> socket.socket:
            servers.append(socket.create_connection(self._target, timeout=60))
            return servers[-1]

        with contextlib.suppress(OSError):
            fault(client, server)
        with self._lock:
            self._open.discard(client)
        for end in (client, *servers):
            end.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.meets(passing)
        self._thread.join(30)


def reset(connection: socket.socket) -> None:
    """Both ends see an error at once, and nothing of what was under way."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)


# ---- faults ---------------------------------------------------------------------------------------------------------


def passing(client: socket.socket, server: Callable[[], socket.socket]) -> None:
    _both_ways(client, server(), up=None, down=None)


def away(client: socket.socket, server: Callable[[], socket.socket]) -> None:
    _abort(client)


def silent(client: socket.socket, server: Callable[[], socket.socket]) -> None:
    """Takes everything, and answers nothing."""
    while client.recv(PIECE):
        pass


def cut_up(after: int) -> Fault:
    """Reset in the middle of what the client sends."""
    return lambda client, server: _both_ways(client, server(), up=after, down=None)


def cut_down(after: int) -> Fault:
    """Reset in the middle of the answer; with 0 the request was carried out, and nobody is told."""
    return lambda client, server: _both_ways(client, server(), up=None, down=after)


def flipped(after: int) -> Fault:
    """One bit of the answer's byte at that place is another."""

    def fault(client: socket.socket, server: Callable[[], socket.socket]) -> None:
        _both_ways(client, server(), up=None, down=None, flip=after)

    return fault


def failing(status: int) -> Fault:
    """A request is read to its end and answered with that status, by something that does not speak S3."""
    head = f"HTTP/1.1 {status} No\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"

    def fault(client: socket.socket, server: Callable[[], socket.socket]) -> None:
        with client.makefile("rb") as stream:
            stream.read(_length(_head(stream.readline)))
            client.sendall(head.encode() + b"no")

    return fault


def _head(readline: Callable[[], bytes]) -> list[bytes]:
    lines = []
    while (line := readline()) not in (b"", b"\r\n"):
        lines.append(line)
    return lines


def _length(head: list[bytes]) -> int:
    return next((int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length:")), 0)


def _abort(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def _both_ways(
    client: socket.socket, server: socket.socket, *, up: int | None, down: int | None, flip: int | None = None
) -> None:
    back = threading.Thread(target=_pump, args=(server, client), kwargs={"most": down, "flip": flip}, daemon=True)
    back.start()
    _pump(client, server, most=up, flip=None)
    back.join(60)


def _pump(source: socket.socket, target: socket.socket, *, most: int | None, flip: int | None) -> None:
    seen = 0
    try:
        while data := bytearray(source.recv(PIECE)):
            if flip is not None and seen <= flip < seen + len(data):
                data[flip - seen] ^= 1
            if most is not None and seen + len(data) > most:
                target.sendall(data[: most - seen])
                reset(source)
                reset(target)
                return
            target.sendall(data)
            seen += len(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        reset(source)
        reset(target)
