"""A piece of network of its own for one worker of the soak: hands on what goes to Valkey's socket and what comes back.

usage: python -m bench.soak_relay PORT SOCKET

Who stops it (SIGSTOP) cuts the worker off: nothing comes through, and neither end is told. When it goes on, what was
under way arrives late, as it does in networks.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast


class _End(asyncio.Protocol):
    """A connection whose bytes go out at the `other` one, and that ends with it."""

    transport: asyncio.Transport

    def __init__(self, other: _End | None = None) -> None:
        self.other = other or self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.other.transport.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self.other.transport.close()


class _Front(_End):
    """The worker's connection; nothing is read of it before there is one to the server."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        try:
            _, back = await asyncio.get_running_loop().create_unix_connection(lambda: _End(self), self._path)
        except OSError:
            self.transport.abort()
            return
        self.other = back
        if self.transport.is_closing():
            back.transport.close()
        else:
            self.transport.resume_reading()


async def relay(port: int, path: str) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Front(path), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(relay(int(sys.argv[1]), sys.argv[2]))
