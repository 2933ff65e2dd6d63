"""What the command line chooses for all figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """`where`: the folder (and so the disk) of the installations, None for the system's temporary one; `data`: real PDFs."""

    where: Path | None = None
    data: Path | None = None
    rounds: int = 5
    kills: int = 20
    restarts: int = 50
    seed: int = 1
    most: int = 100_000
    watchers: int = 1_000
