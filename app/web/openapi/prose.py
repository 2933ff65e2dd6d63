"""What is said of each address in whole sentences: read from the Markdown beside this module, one file per section."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "prose"
#: The sections of docs/api.md, in its order; each is also a tag of the OpenAPI document.
TAGS = ("upload", "watch", "steer", "operate", "pages")


@dataclass(frozen=True)
class Section:
    """`routes` maps `GET /address` to its sentences."""

    tag: str
    title: str
    opening: str
    routes: dict[str, str]


@functools.cache
def sections() -> tuple[Section, ...]:
    return tuple(_read(tag) for tag in TAGS)


def page(name: str) -> str:
    """A file that belongs to no address: what stands before and after the sections."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8").strip()


def of(name: str) -> str:
    """Of one address; raises StopIteration where nothing is written."""
    return next(section.routes[name] for section in sections() if name in section.routes)


def _read(tag: str) -> Section:
    head, *parts = re.split(r"^## `([A-Z]+ \S+)`\n", page(tag), flags=re.MULTILINE)
    title, _, opening = head.partition("\n")
    routes = {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}
    return Section(tag, title.removeprefix("# "), opening.strip(), routes)
