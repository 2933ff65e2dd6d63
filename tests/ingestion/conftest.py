"""Files given in as an upload does it, and one stand-in for the parser child: it reads text in this process."""

from __future__ import annotations

import pytest

from app.adapters.parser_process import Document, PageFrame, ParserKilled
from app.domain.job import Priority
from app.ingestion.submit import Intake


class FakeParser:
    """Gives one page a line; `before` is called ahead of each page and may raise what a real child makes happen."""

    pid = None

    def __init__(self) -> None:
        self.before = lambda number: None
        self.killed = False

    def read(self, path, media_type, *, timeout, max_pages, max_characters):
        lines = path.read_bytes().splitlines()
        for number, line in enumerate(lines, 1):
            self.before(number)
            if self.killed:
                self.killed = False
                raise ParserKilled
            yield PageFrame(number, len(lines), line, len(line), len(line.split()))
        yield Document(None, None, {}, (), "fake", len(lines))

    def kill(self):
        self.killed = True

    def close(self):
        pass


@pytest.fixture
def parser(services):
    services.parser = FakeParser()
    return services.parser


@pytest.fixture
def upload(services):
    def send(
        data=b"one\ntwo\nthree", *, key=None, name="a.txt", priority=Priority.MEDIUM, user_id=None, request_id=None
    ):
        intake = Intake(services, idempotency_key=key, request_id=request_id)
        with intake.open(len(data)) as writer:
            writer.write(data)
            return intake.accept(
                filename=name, media_type="text/plain", priority=priority, user_id=user_id, writer=writer
            )

    return send
