"""The parser child dies or hangs: the attempt goes on with a fresh child or fails, and the worker takes the next file."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.adapters.parser_process import ParserProcess
from app.domain.job import JobStatus, Priority
from app.ingestion.process import process_next
from app.ingestion.submit import Intake
from app.services import Services
from tests.faults import hostile_files
from tests.processes import LIVE, Deployment, Process
from tests.samples.make_samples import slow_pdf

FAULTY_CHILD = Path(__file__).parents[1] / "adapters" / "faulty_child.py"


def still_serves(at: Deployment, worker: Process) -> None:
    """The same worker process reads the next file at once."""
    assert at.client.until(at.client.upload(b"the next one"))["status"] == "completed"
    assert worker.is_alive


class TestOverProcesses:
    pytestmark = LIVE

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
    def test_row_8_a_fresh_child_goes_on_inside_the_attempt(
        self, deploy: Callable[..., Deployment], number: signal.Signals
    ) -> None:
        """Guards the second attempt inside `ParserProcess`: without it one death of the child fails the job."""
        at = deploy()
        at.web()
        worker, child = at.warm_worker()
        os.kill(child, signal.SIGSTOP)
        job_id = at.client.upload(b"read by the second")
        at.client.until(job_id, "processing")
        os.kill(child, number)
        os.kill(child, signal.SIGCONT)
        ended = at.client.until(job_id)
        assert (ended["status"], ended["attempt"], ended["losses"]) == ("completed", 1, 0)
        assert at.client.text(job_id) == "read by the second"
        assert at.parser_of(worker) != child
        still_serves(at, worker)

    @staticmethod
    def goes_on(at: Deployment, job_id: str) -> None:
        mark = at.job(job_id).progress.percentage
        at.waits_for(lambda job: job.progress.percentage > mark, job_id)

    def test_row_8_a_child_that_dies_twice_ends_the_job(self, deploy: Callable[..., Deployment]) -> None:
        """Guards the bound on fresh children: without it a file that kills its reader is read again for ever."""
        at = deploy()
        at.web()
        worker, first = at.warm_worker()
        job_id = at.client.upload(slow_pdf()[0], "long.pdf")
        self.goes_on(at, job_id)
        os.kill(first, signal.SIGKILL)
        second = at.parser_of(worker, other_than=first)
        self.goes_on(at, job_id)  # with what the first one had said already
        self.goes_on(at, job_id)
        os.kill(second, signal.SIGKILL)
        ended = at.client.until(job_id)
        assert (ended["status"], ended["error"]["code"]) == ("failed", "parser_crashed")
        assert (ended["attempt"], ended["losses"]) == (1, 0)
        still_serves(at, worker)

    def test_row_9_native_code_that_hangs_is_killed_at_the_deadline(self, deploy: Callable[..., Deployment]) -> None:
        """Guards the deadline that the parent holds: without it the worker waits for the child for ever, for no
        signal interrupts native code."""
        at = deploy(JOB_TIMEOUT="2", MAX_RETRIES="1", RETRY_BASE_SECONDS="0.5")
        at.web()
        worker, child = at.warm_worker()
        job_id = at.client.upload(hostile_files.pdf_that_doubles(), "doubles.pdf")
        ended = at.client.until(job_id)
        assert (ended["status"], ended["error"]["code"]) == ("failed", "job_timeout")
        assert (ended["attempt"], ended["losses"], ended["error"]["retryable"]) == (2, 0, False)
        told = [job for job in at.history(job_id) if job.status is JobStatus.RETRYING]
        assert [(job.failure.code, job.failure.retryable) for job in told if job.failure] == [("job_timeout", True)]
        still_serves(at, worker)
        assert at.parser_of(worker) != child


@pytest.mark.timeout(60)
class TestOverOneChild:
    """What a signal from outside cannot do: a child of its own program, in this process."""

    @pytest.fixture
    def read(self, services: Services) -> Callable[[list[str], list[str]], JobStatus]:
        """Reads a file that does these steps to its first child, and those to the second."""
        parser = ParserProcess(command=[sys.executable, str(FAULTY_CHILD)])
        services.parser = parser

        def read(first: list[str], second: list[str]) -> JobStatus:
            intake = Intake(services)
            with intake.open() as writer:
                writer.write(json.dumps([first, second]).encode())
                intake.accept(
                    filename="a.txt",
                    media_type="text/plain",
                    priority=Priority.MEDIUM,
                    user_id=None,
                    writer=writer,
                )
            ended = process_next(services, Priority.MEDIUM)
            assert ended
            self.last = ended
            return ended.status

        return read

    @pytest.mark.parametrize("fault", ["segfault", "abort", "exit", "flood"])
    def test_row_8_whatever_way_it_dies(self, read: Callable[[list[str], list[str]], JobStatus], fault: str) -> None:
        """Guards the reading of frames under a bound: without it a flood fills the worker's memory."""
        assert read(["one", fault], ["two"]) is JobStatus.COMPLETED
        assert read(["one", fault], [fault]) is JobStatus.FAILED
        assert self.last.failure
        assert self.last.failure.code == "parser_crashed"
        assert read(["the next one"], []) is JobStatus.COMPLETED
