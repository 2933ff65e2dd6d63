"""Altered files through the real parser child: each ends as pages of clean text or as an error with a name, in time."""

from __future__ import annotations

import random
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from app.adapters.parser_process import PageFrame, ParserProcess
from app.domain.media_types import MEDIA_TYPES, ending
from app.errors import CATALOGUE, IngestError
from tests.faults.fuzz.damage import damaged

#: One attempt's time (seconds), and how much later its end may come on a machine that is at work elsewhere.
TIMEOUT, LATE = 20.0, 30.0
MAX_PAGES, MAX_CHARACTERS = 2_000, 5_000_000
#: How a reading may end; `internal` is nobody's fault but ours.
NAMED = {*(code for code, entry in CATALOGUE.items() if entry.type == "extraction_failed"), "job_timeout", "completed"}


@dataclass
class Tally:
    """How many ended in which way, and what should not have happened (name of the case, what)."""

    outcomes: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[str, str]] = field(default_factory=list)
    slowest: float = 0.0

    def add(self, other: Tally) -> None:
        self.outcomes += other.outcomes
        self.violations += other.violations
        self.slowest = max(self.slowest, other.slowest)


def cases(files: Mapping[str, bytes], mutations: int, seed: int) -> Iterator[tuple[str, str, bytes]]:
    """Name of the case, name of the file, bytes; a case is made from the seed and its own name alone."""
    names = sorted(files)
    others = [files[name] for name in names]
    for name in names:
        for number in range(mutations):
            case = f"{seed}/{name}/{number}"
            kind, data = damaged(files[name], others, random.Random(case))
            yield f"{case} ({kind})", name, data


def parse_all(files: Mapping[str, bytes], mutations: int, seed: int, *, parsers: int = 2) -> Tally:
    tally, names = Tally(), sorted(files)
    with ThreadPoolExecutor(parsers) as pool:
        for part in pool.map(lambda n: _parse(files, mutations, seed, set(names[n::parsers])), range(parsers)):
            tally.add(part)
    return tally


def _parse(files: Mapping[str, bytes], mutations: int, seed: int, mine: set[str]) -> Tally:
    tally, parser = Tally(), ParserProcess()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "file"
        for case, name, data in cases(files, mutations, seed):
            if name not in mine:
                continue
            path.write_bytes(data)
            began = time.monotonic()
            outcome = _outcome(parser, path, MEDIA_TYPES[ending(name)])
            seconds = time.monotonic() - began
            tally.outcomes[outcome] += 1
            tally.slowest = max(tally.slowest, seconds)
            if outcome not in NAMED or seconds > TIMEOUT + LATE:
                tally.violations.append((case, f"{outcome} after {seconds:.1f} s"))
    parser.close()
    return tally


def _outcome(parser: ParserProcess, path: Path, media_type: str) -> str:
    """The code, `completed`, or what was wrong with an answer."""
    numbers = []
    try:
        for frame in parser.read(path, media_type, timeout=TIMEOUT, max_pages=MAX_PAGES, max_characters=MAX_CHARACTERS):
            if isinstance(frame, PageFrame):
                numbers.append(frame.number)
                if wrong := _wrong_text(frame):
                    return wrong
    except IngestError as error:
        return error.code
    except Exception as error:  # whatever else comes out of it is what is looked for
        return f"raised {error!r}"
    return "completed" if numbers == sorted(set(numbers)) else f"pages in the order {numbers[:20]}"


def _wrong_text(frame: PageFrame) -> str:
    try:
        text = frame.text.decode("utf-8")
    except UnicodeDecodeError:
        return "text that is no UTF-8"
    strange = {character for character in set(text) if unicodedata.category(character) == "Cc"} - {"\n", "\t"}
    return f"control characters {strange!r} in the text" if strange else ""
