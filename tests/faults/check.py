"""What has to hold of every drained installation, whatever happened to it before: the service's own checker, and more.

The checker is `app/ingestion/check.py`; here is only what a test knows besides: what was uploaded, and that all is over.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.job import JobStatus
from app.ingestion.check import check as look
from app.ingestion.check import lines_of
from tests.processes import Deployment


def check(at: Deployment, texts: Mapping[str, str]) -> None:
    """`texts` has every job whose upload was accepted, with the text that has to be read from it."""
    report = look(at.services, texts=texts)
    found = "\n".join(lines_of(at.services, report))
    assert not report.violations, found
    assert not [what for what in report.unfinished if "deliveries" not in what], found
    for job_id in texts:
        job = at.job(job_id)
        assert job.status is JobStatus.COMPLETED, (job_id, job.status, job.failure)
    partial = at.data_dir / "blobs" / "partial"
    assert not partial.exists() or list(partial.iterdir()) == []
