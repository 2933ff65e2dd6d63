"""The line between a browser and the service, as networks are: a small proxy that blocks, holds back, slows or cuts.

One request a connection, so that each can be treated by its path. What it does to event streams and whether it carries
anything at all is set by a test, and can be changed while it runs.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from typing import Literal

Events = Literal["open", "blocked", "refused", "held", "cut", "stalled", "slow"]
EVENTS = b"/api/ingest/events"
#: Bytes at a time, and the seconds between.
SLOW_PIECE, SLOW_PAUSE = 400, 0.5
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Line:
    """`events`: what becomes of event streams. Blocked: no answer; refused: 503; held: nothing until the end; cut: after
    the first piece of news; stalled: open, and silent after it; slow: a little at a time. `streams`: how many are open."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.events: Events = "open"
        self.is_down = False
        self.streams = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._sockets: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def go_down(self) -> None:
        """From now on nothing passes; what was on its way is lost."""
        self.is_down = True
        self._cut_all()

    def come_back(self) -> None:
        self.is_down = False

    def close(self) -> None:
        self._stop.set()
        _shut(self._listener)  # wakes whoever accepts
        self._listener.close()
        self._cut_all()

    def _cut_all(self) -> None:
        with self._lock:
            for each in self._sockets:
                _shut(each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            if self.is_down:
                return
            head, rest = _head_of(client)
            if not head:
                return
            with socket.create_connection(self._to) as server:
                self._hold(client, server)
                try:
                    self._pass_on(client, server, head, rest)
                finally:
                    self._let_go(client, server)

    def _hold(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._sockets.update(sockets)

    def _let_go(self, *sockets: socket.socket) -> None:
        for each in sockets:
            _shut(each)  # closing alone does not end it while the other thread reads
        with self._lock:
            self._sockets.difference_update(sockets)

    def _pass_on(self, client: socket.socket, server: socket.socket, head: bytes, rest: bytes) -> None:
        is_stream = head.split(b" ", 2)[1].startswith(EVENTS)
        how: Events = self.events if is_stream else "open"
        if how == "blocked":
            return
        if how == "refused":
            client.sendall(REFUSAL)
            return
        server.sendall(re.sub(rb"\r\nConnection: [^\r]*", b"", head)[:-4] + b"\r\nConnection: close\r\n\r\n" + rest)
        threading.Thread(target=_pump, args=(client, server), daemon=True).start()
        with self._counted(is_stream):
            self._answer(client, server, how)

    @contextlib.contextmanager
    def _counted(self, is_stream: bool) -> Iterator[None]:
        with self._lock:
            self.streams += is_stream
        try:
            yield
        finally:
            with self._lock:
                self.streams -= is_stream

    def _answer(self, client: socket.socket, server: socket.socket, how: Events) -> None:
        kept, told = b"", False
        while data := server.recv(65536):
            if how == "held":
                kept += data
            elif how == "slow":
                self._drip(client, data)
            elif not (how == "stalled" and told):
                client.sendall(data)
            told = told or b"event:" in data
            if how == "cut" and told:
                return
        client.sendall(kept)
        if how == "stalled":
            self._stop.wait()  # nor is its end told

    def _drip(self, client: socket.socket, data: bytes) -> None:
        for at in range(0, len(data), SLOW_PIECE):
            client.sendall(data[at : at + SLOW_PIECE])
            self._stop.wait(SLOW_PAUSE)


def _head_of(client: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        if not more:
            return b"", b""
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _pump(client: socket.socket, server: socket.socket) -> None:
    """The body of a request; its end is no end of the answer. A client that went away takes the request with it."""
    with contextlib.suppress(OSError):
        while data := client.recv(65536):
            server.sendall(data)
    _shut(server)


def _shut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
