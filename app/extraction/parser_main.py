"""The parser child: reads one untrusted file after another, without secrets and within limits, until its parent ends.

Started as ``python -I parser_main.py PARENT_PID MEMORY_BYTES``; what goes over its stdin and stdout is in frames.py.
It may hang, crash or be taken over by what it reads: nothing it says is believed beyond what a file's text may be.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # -I leaves the folder of the application out of the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.errors import ExtractionFailed
from app.extraction import Extraction, Limits, Page, frames, reader_of

#: After so many files, or once it held so much of its memory, the child gives way to a fresh one: native libraries
#: leak and fragment, and a file should not pay for those before it.
MAX_FILES = 5_000
MAX_MEMORY_SHARE = 1 / 3

_PR_SET_PDEATHSIG = 1


class Channel:
    """The two ends that the parent gave; nothing a library prints can get into it."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = requests
        self._answers = answers
        self._held: list[bytes] = []

    def receive(self) -> dict[str, Any] | None:
        """Wait for the next request; None once the parent has closed its end."""
        head = self._read(frames.REQUEST_HEAD.size)
        if not head:
            return None
        request: dict[str, Any] = json.loads(self._read(*frames.REQUEST_HEAD.unpack(head)))
        return request

    def _read(self, size: int) -> bytes:
        data = os.read(self._requests, size)
        while data and len(data) < size:
            more = os.read(self._requests, size - len(data))
            data = data + more if more else b""
        return data

    def hold(self, data: bytes) -> None:
        """Keep a frame until the next is sent: both go in one write and wake the parent once."""
        self._held.append(data)

    def send(self, data: bytes) -> None:
        if self._held:
            data = b"".join([*self._held, data])
            self._held.clear()
        written = os.write(self._answers, data)
        if written < len(data):
            view = memoryview(data)
            while written < len(data):
                written += os.write(self._answers, view[written : written + 65536])


def serve(channel: Channel, memory_bytes: int) -> None:
    """Answer requests until there are no more, or until the child should be replaced."""
    for files in itertools.count(1):
        request = channel.receive()
        if request is None:
            return
        kind, told = attempt(channel, request)
        last = (
            files >= MAX_FILES
            or peak_memory() > memory_bytes * MAX_MEMORY_SHARE
            or told.get("code") == "resource_limit"
        )
        channel.send(frames.json_frame(kind, {**told, "last": last}))
        if last:
            return


def attempt(channel: Channel, request: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Send the pages of a document; return kind and content of the frame that ends it."""
    try:
        renew_cpu_limit(request["seconds"])
        return frames.DOCUMENT, properties(send_pages(channel, request))
    except ExtractionFailed as error:
        code = error.code
    except MemoryError:
        code = "resource_limit"
    except FileNotFoundError:
        code = "blob_missing"
    except BrokenPipeError:
        raise
    except Exception:  # a library may raise anything on a damaged file; this is where an attempt ends
        code = "corrupt_document"
    return frames.FAILURE, {"code": code}


def send_pages(channel: Channel, request: dict[str, Any]) -> Extraction:
    """Read the document that is asked for and send each page when it is read, the last one with what follows."""
    job = Extraction(
        path=Path(request["path"]),
        media_type=request["type"],
        limits=Limits(request["pages"], request["characters"]),
        first_page=request["first"],
        engine=request["engine"],
        seconds=request["seconds"],
    )
    for page in job.pages():
        send = channel.hold if page.number == job.total else channel.send
        send(frames.page_frame(page.number, job.total or 0, page.text, marks(page)))
    return job


def marks(page: Page) -> int:
    return frames.UNREADABLE * page.unreadable | frames.OTHER_ENGINE * page.other_engine


def properties(job: Extraction) -> dict[str, Any]:
    return {
        "title": job.title,
        "author": job.author,
        "metadata": job.metadata,
        "engine": job.engine,
        "truncated": job.truncated,
    }


def peak_memory() -> int:
    """Return the most memory that was resident, in bytes.

    Linux's `ru_maxrss` counts what the parent held before this program was started in its place, so /proc is asked;
    elsewhere it is the child's own (in bytes on macOS, in kilobytes on the BSDs).
    """
    if sys.platform == "linux":
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123 - nothing imported
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def renew_cpu_limit(seconds: float) -> None:
    """Allow this file its time and two seconds: the limit counts the whole life of the process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    lower(resource.RLIMIT_CPU, int(usage.ru_utime + usage.ru_stime + seconds) + 2, final=False)


def tie_to_parent(parent: int) -> None:
    """Die with the parent, also while native code runs. Elsewhere than on Linux the closed pipe has to do."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was quicker
        os._exit(0)


def take_channel() -> Channel:
    """Move the pipes away from the numbers that libraries write to."""
    channel = Channel(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    os.close(nothing)
    return channel


def preload() -> None:
    """Import what most files need, and keep the collector away from it."""
    for media_type in ("application/pdf", "text/plain"):
        reader_of(media_type)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def set_limits(memory_bytes: int) -> None:
    lower(resource.RLIMIT_FSIZE, 0)
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_NOFILE, 32)
    if sys.platform == "linux":  # macOS knows the limit of the address space but does not hold it
        lower(resource.RLIMIT_AS, memory_bytes)


def lower(kind: int, value: int, *, final: bool = True) -> None:
    """Set a limit, for good if `final`, but never above what the process was allowed before."""
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value if final else hard))


def main() -> None:
    parent, memory_bytes = map(int, sys.argv[1:3])
    tie_to_parent(parent)
    channel = take_channel()
    preload()
    set_limits(memory_bytes)
    channel.send(frames.frame(frames.READY))
    try:
        serve(channel, memory_bytes)
    except BrokenPipeError:
        pass
    os._exit(0)  # without the libraries' own farewells, which have nothing left to save


if __name__ == "__main__":
    main()
