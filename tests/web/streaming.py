"""What a stream sends, taken apart, and a job that has a story to tell."""

from __future__ import annotations

import json

from app.domain.job import Job
from app.services import Services
from tests.web.driving import accept, claim, complete, progress


class Event:
    def __init__(self, block: str) -> None:
        lines = [line.partition(":")[::2] for line in block.split("\n") if not line.startswith(":")]
        fields = dict(lines)
        assert len(fields) == len(lines), f"a doubled field in {block!r}"
        self.id, self.name = fields.get("id"), fields.get("event")
        self.data = json.loads(fields["data"]) if "data" in fields else None

    @property
    def version(self) -> int:
        return self.data["version"]


def parsed(text: str) -> list[Event]:
    blocks = [Event(block) for block in text.split("\n\n") if block]
    return [event for event in blocks if event.data is not None]


def many_steps(services: Services) -> Job:
    job = claim(services, accept(services))
    for number in range(1, 6):
        job = progress(services, job, number)
    return complete(services, job, "words")
