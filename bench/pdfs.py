"""PDFs through the whole path by two workers, against bare pdfium in two processes: both in turns, in one run."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.bare import BareLoop, pages_of
from bench.installation import Frozen, Installation
from bench.options import Options
from bench.processes import Meter, wait_for_quiet
from bench.report import Figure, Say, median, spread
from bench.samples import big_pdf, small_pdfs

WORKERS = 2
BIG_FILES, MIX_TIMES = 16, 24


@dataclass(frozen=True)
class Round:
    """Seconds for the same files; `spent` is processor time of our processes by role."""

    bare: float
    ours: float
    pages: int
    spent: dict[str, float]


def measure_big(options: Options, say: Say) -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=options.where) as folder:
        path = big_pdf(options, Path(folder))
        rounds = _rounds([path] * BIG_FILES, path, options, say)
    pages, ratios = rounds[0].pages, [r.bare / r.ours for r in rounds]
    return [
        Figure(
            "pdf: 16 × 117 pages, two workers, against bare pdfium",
            median(ratios),
            at_least=0.90,
            note=f"median of {len(ratios)}, {spread(ratios)}; {path.name}",
        ),
        Figure("pdf: pages a second", median([pages / r.ours for r in rounds])),
        Figure("pdf: pages a second of bare pdfium", median([pages / r.bare for r in rounds])),
    ]


def measure_mix(options: Options, say: Say) -> list[Figure]:
    """All files as they are, and again without those on which bare pdfium gives up at once and we ask pypdf as well."""
    with tempfile.TemporaryDirectory(dir=options.where) as folder:
        every = small_pdfs(options, Path(folder))
        rounds = _rounds(every * MIX_TIMES, every[0], options, say)
        figures = _told("mix", rounds, files=len(every) * MIX_TIMES, at_least=0.65)
        opened = [path for path in every if pages_of(str(path))]
        if len(opened) < len(every):
            rounds = _rounds(opened * MIX_TIMES, opened[0], options, say)
            figures += _told("mix, only what pdfium can open", rounds, files=len(opened) * MIX_TIMES, at_least=None)
    return figures


def _told(name: str, rounds: list[Round], *, files: int, at_least: float | None) -> list[Figure]:
    ratios = [r.bare / r.ours for r in rounds]
    roles = {role: median([1000 * r.spent[role] / files for r in rounds]) for role in ("worker", "child", "server")}
    cpu = "of it CPU: worker {worker:.2f}, child {child:.2f}, Valkey {server:.2f}".format(**roles)
    ours, bare = (median([1000 * WORKERS * seconds / files for seconds in way]) for way in _ways(rounds))
    return [
        Figure(
            f"{name}: {files} PDFs, two workers, against bare pdfium",
            median(ratios),
            at_least=at_least,
            note=f"median of {len(ratios)}, {spread(ratios)}",
        ),
        Figure(f"{name}: two cores' time a file", ours, "ms", note=f"{cpu}; bare {bare:.2f}"),
        Figure(f"{name}: pages a second", median([r.pages / r.ours for r in rounds])),
    ]


def _ways(rounds: list[Round]) -> tuple[list[float], list[float]]:
    return [r.ours for r in rounds], [r.bare for r in rounds]


def _rounds(paths: list[Path], warm_up: Path, options: Options, say: Say) -> list[Round]:
    contents = {path: path.read_bytes() for path in set(paths)}
    rounds = []
    with Installation(options.where, LOG_LEVEL="warning") as at, BareLoop(warm_up) as bare:
        workers = [at.worker() for _ in range(WORKERS)]
        done = _warm(at, contents[warm_up], workers)
        for _ in range(options.rounds):
            wait_for_quiet()
            before, pages = bare.run(paths)
            meter = Meter(workers=workers, server=at.server_pid)
            ours = _ours(at, workers, [contents[path] for path in paths], meter, before=done)
            done += len(paths)
            after, _ = bare.run(paths)
            rounds.append(Round((before + after) / 2, ours, pages, meter.spent))
            say(
                f"  bare {before:.2f} and {after:.2f} s, ours {ours:.2f} s, ratio {rounds[-1].bare / ours:.2f}; "
                f"CPU {', '.join(f'{role} {seconds:.2f}' for role, seconds in meter.spent.items())}, others {meter.others:.0%}"
            )
    return rounds


def _warm(at: Installation, data: bytes, workers: list[int]) -> int:
    """Every worker has read a file: one at a time, the others standing still."""
    for worker in workers:
        others = [pid for pid in workers if pid != worker]
        with Frozen(others):
            before = at.ended()
            for _ in range(3):
                at.submit(data, "application/pdf", name="warm.pdf")
            at.wait_ended(before + 3 - len(others))
        at.wait_ended(before + 3)
    return at.ended()


def _ours(at: Installation, workers: list[int], contents: list[bytes], meter: Meter, *, before: int) -> float:
    """Seconds from when both workers may begin to the last job's end."""
    with Frozen(workers) as frozen:
        for data in contents:
            at.submit(data, "application/pdf", name="file.pdf")
        meter.start()
        began = time.time()
        frozen.go()
        at.wait_ended(before + len(contents))
        meter.stop()
    return at.last_end() - began
