from __future__ import annotations

import errno
from pathlib import Path

from app.adapters.result_file import ResultReader
from app.domain.job import JobStatus, Priority
from app.ingestion.cancel import cancel
from app.ingestion.process import process_next


def test_a_text_is_read_stored_and_summarised(services, parser, upload):
    upload(b"one two\nthree")
    job = process_next(services, Priority.MEDIUM)
    assert (job.status, job.progress.percentage) == (JobStatus.COMPLETED, 100)
    assert {"pages": 2, "words": 3, "preview": "one two\nthree", "engine": "fake"}.items() <= job.result.items()
    with services.blobs.open_result(job.id, job.result_token) as file:
        assert ResultReader(file).page(2) == "three"


def test_a_job_cancelled_before_its_parser_began_is_not_parsed(services, parser, upload, monkeypatch):
    job = upload()

    def cancelled_meanwhile(path, held):
        cancel(services, job.id)
        monkeypatch.setattr("app.ingestion.holding.RENEW_SECONDS", 0)
        services.keeper.tick()
        parser.killed = False  # as a parser does that is killed before it was asked for anything

    monkeypatch.setattr("app.ingestion.extract._check_bytes", cancelled_meanwhile)
    read = []
    parser.before = read.append
    process_next(services, Priority.MEDIUM)
    assert read == []
    assert services.blobs.results_of(job.id) == []


def test_bytes_that_cannot_be_read_are_tried_again_later(services, parser, upload, monkeypatch):
    job = upload()

    def failing(*args):
        raise OSError(errno.EIO, "a disk")

    monkeypatch.setattr(Path, "open", failing)
    job = process_next(services, Priority.MEDIUM)
    assert (job.status, job.failure.code) == (JobStatus.RETRYING, "storage_unavailable")


def test_bytes_that_are_not_what_was_uploaded_are_never_read(services, parser, upload):
    job = upload(b"words")
    (services.blobs.root / "uploads" / job.id).write_bytes(b"wordz")
    assert process_next(services, Priority.MEDIUM).failure.code == "blob_corrupt"


def test_missing_bytes_fail_the_job(services, parser, upload):
    job = upload()
    services.blobs.delete_upload(job.id)
    assert process_next(services, Priority.MEDIUM).failure.code == "blob_missing"
