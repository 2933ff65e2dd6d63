"""What the doctor has to say: what would be used and why, and findings, each with what it means and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Level(str, Enum):
    """*wrong* is what stops something from working; *advice* is what may hurt later; the rest is *fine*."""

    FINE = "fine"
    ADVICE = "advice"
    WRONG = "wrong"


@dataclass(frozen=True)
class Use:
    """Something that the service would use, what exactly, and why that one."""

    name: str
    what: str
    why: str


@dataclass(frozen=True)
class Finding:
    """`topic` is one word; a finding that is not fine says why it matters and what to do."""

    topic: str
    level: Level
    what: str
    why: str = ""
    do: str = ""


def fine(topic: str, what: str) -> Finding:
    return Finding(topic, Level.FINE, what)


def advice(topic: str, what: str, *, why: str, do: str) -> Finding:
    return Finding(topic, Level.ADVICE, what, why, do)


def wrong(topic: str, what: str, *, why: str, do: str) -> Finding:
    return Finding(topic, Level.WRONG, what, why, do)


@dataclass(frozen=True)
class Report:
    uses: Sequence[Use]
    findings: Sequence[Finding]

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong; advice does not count."""
        return all(finding.level is not Level.WRONG for finding in self.findings)

    def document(self) -> dict[str, Any]:
        return {
            "ok": self.is_well,
            "uses": [asdict(use) for use in self.uses],
            "findings": [{**asdict(finding), "level": finding.level.value} for finding in self.findings],
        }

    def lines(self) -> Iterator[str]:
        """For a person, the worst last, so that it stands above the prompt."""
        yield "It would use"
        for use in self.uses:
            yield f"  {use.name:<9} {use.what}  ({use.why})" if use.why else f"  {use.name:<9} {use.what}"
        yield "It found"
        order = list(Level)
        for finding in sorted(self.findings, key=lambda one: order.index(one.level)):
            yield f"  {finding.level.value:<7} {finding.topic:<9} {finding.what}"
            if finding.why:
                yield f"{'':18} why: {finding.why}"
            if finding.do:
                yield f"{'':18} do:  {finding.do}"
        yield self._verdict()

    def _verdict(self) -> str:
        counts = {level: sum(finding.level is level for finding in self.findings) for level in Level}
        told = "Nothing is wrong" if self.is_well else f"{counts[Level.WRONG]} wrong"
        return f"{told}, {counts[Level.ADVICE]} to think about, {counts[Level.FINE]} fine."
