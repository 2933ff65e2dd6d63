"""The parser child with a reader that does to its process what a hostile file might make a library do.

A file for it is JSON: the steps that the first child takes with it, and those of a second one.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app import extraction
from app.errors import ExtractionFailed
from app.extraction import frames, parser_main


def read(job):
    first, second = json.loads(job.path.read_text())
    number = job.first_page - 1
    job.engine = job.engine or "faulty"
    for step in second if number or job.engine == "pypdf" else first:
        fault = FAULTS.get(step)
        if fault:
            fault()
        else:
            number += 1
            yield extraction.Page(number, text_of(step))


def text_of(step):
    """A page that tells something of its process, or just the step itself."""
    if step == "fds":
        return str(len(list(Path("/proc/self/fd").iterdir())) - 1)
    if step == "environment":
        return json.dumps(dict(os.environ))
    if step == "modules":
        return " ".join(sorted(sys.modules))
    if step == "fork":
        pid = os.fork()
        return str(pid) if pid else hang()
    return step


def hang():
    while True:
        ctypes.CDLL(None).pause()


def flood():
    answer(frames.HEADER.pack(frames.PAGE, 0xFFFFFFFF))
    while True:
        answer(bytes(1 << 16))


def pages_without_end():
    text = "x" * 1000
    number = 0
    while True:
        number += 1
        answer(frames.page_frame(number, 0, text))


def eat_memory():
    eaten = []
    while True:
        eaten.append(bytearray(1 << 20))


def say(text):
    with contextlib.suppress(BlockingIOError):
        os.write(2, text)


def fail(code):
    raise ExtractionFailed(code)


def raise_anything():
    raise KeyError("/Nothing")


def answer(data):
    os.write(CHANNEL[0]._answers, data)


FAULTS = {
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(0),
    "hang": hang,
    "flood": flood,
    "pages without end": pages_without_end,
    "garbage": lambda: answer(b"\0\1\2garbage that is no frame"),
    "wrong page": lambda: answer(frames.page_frame(7, 0, "x")),
    "lying page": lambda: answer(frames.frame(frames.PAGE, frames.PAGE_HEAD.pack(1, 0, 1000, 1, 0) + b"x")),
    "short page": lambda: answer(frames.frame(frames.PAGE, b"\0")),
    "no object": lambda: answer(frames.frame(frames.DOCUMENT, b"[]")),
    "unknown failure": lambda: answer(frames.json_frame(frames.FAILURE, {"code": "nonsense"})),
    "two documents": lambda: answer(2 * frames.json_frame(frames.DOCUMENT, {"title": 7, "metadata": [1]})),
    "print": lambda: (print("into the pipe?", flush=True), os.write(1, b"into the pipe?")),
    "write": lambda: Path("/tmp/parser-child-must-not-write").write_text("x"),
    "say": lambda: say(b"a library complains\n\x1b[31mof \xff bytes\n"),
    "say a lot": lambda: [say(b"once more\n" * 1000) for _ in range(100)],
    "eat memory": eat_memory,
    "raise anything": raise_anything,
    "locked": lambda: fail("encrypted_document"),
    "corrupt": lambda: fail("corrupt_document"),
    "unsupported": lambda: fail("unsupported_feature"),
}
CHANNEL = []


def main():
    extraction.EXTRACTORS = dict.fromkeys([extraction.PDF, "text/plain"], "faulty")
    sys.modules["app.extraction.faulty"] = types.SimpleNamespace(read=read)
    take_channel = parser_main.take_channel

    def remember():
        CHANNEL.append(take_channel())
        return CHANNEL[0]

    parser_main.take_channel = remember
    parser_main.main()


if __name__ == "__main__":
    main()
