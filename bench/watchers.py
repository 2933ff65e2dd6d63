"""Many clients that hold a stream each, in one process of their own: `python -m bench.watchers PORT`.

Reads the ids of the jobs to watch from stdin, one a line; says `held N` once all streams are open; when stdin ends, writes
one line of JSON for each event that came: job id, version, and when its last byte was here (monotonic clock).
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time

_EVENT = re.compile(rb'event:\s*status\b.*?"jobId":"(job_[0-9a-z]+)".*?"version":(\d+)', re.DOTALL)


class Held:
    """One stream."""

    def __init__(self, port: int, job_id: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.sendall(f"GET /api/ingest/events/{job_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        self.socket.setblocking(False)
        self._buffer = b""
        self.is_open = False

    def read(self) -> list[tuple[str, int, float]]:
        data = self.socket.recv(65536)
        now = time.monotonic()
        if not data:
            raise ConnectionError("a stream ended")
        self._buffer += data
        *whole, self._buffer = self._buffer.split(b"\n\n")
        self.is_open = self.is_open or b"retry:" in data or bool(whole)
        found = [match for event in whole for match in (_EVENT.search(event),) if match]
        return [(match[1].decode(), int(match[2]), now) for match in found]


def main(port: int) -> None:
    job_ids = []
    while line := sys.stdin.readline().strip():
        job_ids.append(line)
    chosen = selectors.DefaultSelector()
    streams = []
    for job_id in job_ids:
        streams.append(Held(port, job_id))
        chosen.register(streams[-1].socket, selectors.EVENT_READ, streams[-1])
    chosen.register(sys.stdin, selectors.EVENT_READ, None)
    events: list[tuple[str, int, float]] = []
    said = False
    while True:
        for key, _ in chosen.select():
            if key.data is None:
                for event in events:
                    print(json.dumps(event))
                return
            events += key.data.read()
        if not said and all(stream.is_open for stream in streams) and len(events) >= len(streams):
            said = True
            print(f"held {len(streams)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
