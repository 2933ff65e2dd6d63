"""Hostile files through the running service: each ends in a state with a name, and nobody is the worse for it.

HOSTILE_FILES=FOLDER takes the files of that folder instead of our own.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.domain.job import JobStatus
from app.errors import CATALOGUE
from tests.faults.hostile_files import hostile_files
from tests.processes import LIVE, Deployment

pytestmark = [pytest.mark.timeout(900), *LIVE]  # the first limit counts

WORKERS = 2
#: No time for a second attempt at what hangs: what is looked at is that it ends.
LIMITS = {"JOB_TIMEOUT": "3", "RETRY_BASE_SECONDS": "1", "MAX_RETRIES": "1"}
#: How a file may be refused at the door.
REFUSALS = {413, 415, 422}


def files() -> dict[str, bytes]:
    folder = os.environ.get("HOSTILE_FILES")
    if folder:
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    return hostile_files()


def test_every_hostile_file_ends_and_the_service_goes_on(tmp_path: Path) -> None:
    """Guards the child and its limits: in the worker itself these files end it, hang it or eat its memory."""
    outcomes: dict[str, str] = {}
    with Deployment(tmp_path / "installation", LIMITS) as at:
        at.web()
        workers = [at.worker() for _ in range(WORKERS)]
        names = {worker.name for worker in at.services.workers.alive()}
        jobs: dict[str, str] = {}
        for name, data in files().items():
            answer = at.client.send(data, name)
            if answer.status == 202:
                jobs[name] = answer.document["jobId"]
            else:
                assert answer.status in REFUSALS, (name, answer)
                outcomes[name] = f"{answer.status} {answer.code}"
        for name, job_id in jobs.items():
            ended = at.client.until(job_id, seconds=600)
            outcomes[name] = f"{ended['status']} {ended.get('error', {}).get('code', '')}".strip()
            assert ended["losses"] == 0, (name, outcomes[name])
        print("\n".join(f"{name:32} {outcome}" for name, outcome in sorted(outcomes.items())))

        assert len(outcomes) >= 25
        assert {outcome.split()[-1] for outcome in outcomes.values()} <= {*CATALOGUE, "completed"} - {"internal"}
        assert at.client.until(at.client.upload(b"a good file"), seconds=60)["status"] == "completed"
        assert [worker.is_alive for worker in workers] == [True] * WORKERS
        assert {worker.name for worker in at.services.workers.alive()} == names
        assert all(at.job(job_id).status in (JobStatus.COMPLETED, JobStatus.FAILED) for job_id in jobs.values())
        assert '"internal"' not in "".join(process.says() for process in at.processes)
        assert not Path("/tmp/escaped").exists()
