"""One attempt at one job: claim it, read the file in the contained child, store the text, write down how it ended."""

from __future__ import annotations

import hashlib
import secrets
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from app.adapters.parser_process import Document, PageFrame, ParserKilled
from app.adapters.result_file import ResultReader, ResultWriter
from app.domain.job import Failure, Job, Priority, Progress
from app.errors import IngestError, QueueUnavailable, StorageFailed, StorageUnavailable
from app.ingestion.holding import ClaimLost, Holding
from app.ingestion.relist import FACTS, METADATA, facts_of, summary_in
from app.services import Services

PREVIEW_CHARACTERS = 1_000
HASH_CHUNK_BYTES = 1024 * 1024
#: A claim that got no answer is sent again every so often (seconds), until its lease would have run out anyway.
CLAIM_AGAIN_SECONDS = 0.25
CLAIM_PATIENCE_SECONDS = 15.0

log = structlog.get_logger()


def process_next(
    services: Services, priority: Priority, *, delivery: str = "", serves: Sequence[Priority] = ()
) -> Job | None:
    """Takes the next waiting job of that priority and sees it through; None if none waits. Raises QueueUnavailable.

    `delivery` is the key of the notice that said so; it goes with the claim. A job of a lower priority among `serves`
    may have waited so long that it is taken as one of this.
    """
    job = _claimed(services, priority, delivery, serves)
    return None if job is None else attempt(services, job)


def _claimed(services: Services, priority: Priority, delivery: str, serves: Sequence[Priority]) -> Job | None:
    """A claim whose answer was lost may have been carried out all the same: it is sent again under the same token,
    which finds the job that it took; else that job would stand until its lease ran out, in nobody's hands."""
    token, give_up = secrets.token_hex(12), time.monotonic() + CLAIM_PATIENCE_SECONDS
    while True:
        try:
            return services.jobs.claim_next(
                priority,
                holder=services.name,
                token=token,
                visible=services.is_visible,
                delivery=delivery,
                serves=serves,
            )
        except QueueUnavailable:
            if services.stopper.wait(CLAIM_AGAIN_SECONDS) or time.monotonic() > give_up:
                raise


def attempt(services: Services, job: Job) -> Job:
    """Works on a claimed job until it ended in some way; gives the last record that this process knows of."""
    upload = {"request_id": job.request_id} if job.request_id else {}
    with structlog.contextvars.bound_contextvars(job_id=job.id, **upload):
        holding = Holding(services.jobs, job, on_gone=services.parser.kill)
        try:
            with services.keeper.keeping(holding, services.stopper):
                ended = _outcome(services, holding)
        except ClaimLost:
            log.info("claim_lost")
            return holding.job
        except QueueUnavailable:
            log.warning("outcome_not_written")  # the sweep hands the job on
            return holding.job
        _after(services, ended)
        return ended


def _outcome(services: Services, holding: Holding) -> Job:
    try:
        return _completed(services, holding)
    except ParserKilled:
        if holding.gone:
            _drop_result(services, holding)
            raise ClaimLost from None
        return holding.end(lambda job, now: job.given_back(now=now))
    except StorageFailed as error:
        return _failed(services, holding, Failure.of(error.code))
    except QueueUnavailable:
        raise
    except IngestError as error:
        return _failed(services, holding, _failure(error))
    except ClaimLost:
        _drop_result(services, holding)
        raise
    except Exception:  # the one place where an attempt ends, whatever happened in it
        log.exception("attempt_failed")
        return _failed(services, holding, Failure.of("internal", stack_trace=traceback.format_exc(limit=20)))


def _completed(services: Services, holding: Holding) -> Job:
    try:
        summary = extract(services, holding)
    except StorageFailed:
        rescued = _rescued_result(services, holding)
        if rescued is None:
            raise
        return rescued
    return holding.end(lambda job, now: job.completed(summary, now=now))


def _drop_result(services: Services, holding: Holding) -> None:
    """Nobody needs the result of a claim that was lost, unless its end was written after all. Where that cannot be
    asked it stays: the housekeeping prunes what no record points to."""
    try:
        job = services.jobs.get(holding.job.id)
        if job is None or job.result_token != holding.token:
            services.blobs.delete_result(holding.job.id, holding.token)
    except IngestError:
        log.info("result_left")


def _failure(error: IngestError) -> Failure:
    trace = "".join(traceback.format_exception(error, limit=20)) if error.__cause__ else None
    return Failure(error.code, error.message, error.suggestion, error.retryable, trace)


def _failed(services: Services, holding: Holding, failure: Failure) -> Job:
    return holding.end(lambda job, now: job.failed(failure, now=now, policy=services.policy))


def _after(services: Services, job: Job) -> None:
    """What follows an end; a failure here loses nothing, the sweep and the housekeeping repair it."""
    log.info("attempt_ended", status=job.status.value, code=job.failure.code if job.failure else None)
    try:
        if job.status.value == "pending":
            services.queues.deliver(job)
        elif job.status.value == "failed":
            services.queues.note_failed(job, keep_seconds=services.settings.retention_days * 86_400)
    except QueueUnavailable:
        log.warning("note_not_written")


# ---- reading the file ----------------------------------------------------------------------------------------


def extract(services: Services, holding: Holding) -> dict[str, Any]:
    """The file's text goes into the result's blob, page by page; gives the summary that the record keeps.

    Raises ExtractionFailed, JobTimeout, StorageUnavailable, StorageFailed, ParserKilled.
    """
    job, settings, began = holding.job, services.settings, time.monotonic()
    with services.blobs.upload_path(job.id) as path, services.blobs.new_result(job.id, holding.token) as sink:
        _check_bytes(path, job)
        writer, tally = ResultWriter(sink), _Tally()
        frames = services.parser.read(
            path,
            job.file.type,
            timeout=settings.job_timeout,
            max_pages=settings.max_pages,
            max_characters=settings.max_characters,
        )
        if holding.gone:  # told before there was anything to kill; from here on a kill reaches the reading
            raise ClaimLost
        for frame in frames:
            if isinstance(frame, PageFrame):
                writer.add_page(frame.text, frame.number)
                tally.add(frame)
                holding.report(tally.progress(frame))
            else:
                document = frame
        summary = tally.summary(document, job, milliseconds=round((time.monotonic() - began) * 1000))
        facts = facts_of(job, now=services.jobs.known_now())
        writer.finish({**summary, METADATA: dict(document.metadata), FACTS: facts})
        sink.commit()
    return summary


def _check_bytes(path: Path, job: Job) -> None:
    """What is read must be what was uploaded; read once more before it is called corrupt."""
    for _ in range(2):
        if _sha256_of(path) == job.file.sha256:
            return
    raise StorageFailed("blob_corrupt")


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(HASH_CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError as error:
        raise StorageFailed("blob_missing") from error
    except OSError as error:  # a disk that does not answer is no fault of the file
        raise StorageUnavailable("storage_unavailable") from error
    return digest.hexdigest()


class _Tally:
    """Counts over the pages, and the beginning of the text."""

    def __init__(self) -> None:
        self.pages = self.words = self.characters = 0
        self.preview = ""

    def add(self, frame: PageFrame) -> None:
        self.pages += 1
        self.words += frame.words
        self.characters += frame.characters
        if len(self.preview) < PREVIEW_CHARACTERS and frame.characters:
            text = frame.text[: 4 * PREVIEW_CHARACTERS].decode("utf-8", "ignore")
            self.preview = f"{self.preview}\n{text}".strip()[:PREVIEW_CHARACTERS]

    def progress(self, frame: PageFrame) -> Progress:
        if frame.total is None:
            return Progress("Processing file", 1, f"Page {self.pages}", self.pages, None)
        percentage = 100 * self.pages // max(frame.total, 1)
        details = f"Page {self.pages} of {frame.total}"
        return Progress("Processing file", percentage, details, self.pages, frame.total)

    def summary(self, document: Document, job: Job, *, milliseconds: int) -> dict[str, Any]:
        return {
            "pages": self.pages,
            "words": self.words,
            "characters": self.characters,
            "title": document.title,
            "author": document.author,
            "preview": self.preview,
            "warnings": [_without_none(warning._asdict()) for warning in document.warnings],
            "engine": document.engine,
            "durationMs": milliseconds,
            "sha256": job.file.sha256,
        }


def _without_none(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value not in (None, [], ())}


def _rescued_result(services: Services, holding: Holding) -> Job | None:
    """Before the bytes are called missing: an earlier claim may have left a whole result, and died before saying so.

    It is copied under our own token. To point to theirs would be a race: who wrote it may live, and drop it."""
    for token in services.blobs.results_of(holding.job.id):
        try:
            with services.blobs.open_result(holding.job.id, token) as file:
                document = _copied(services, holding, ResultReader(file))
        except StorageFailed:
            continue
        return holding.end(_completed_with(document))
    return None


def _copied(services: Services, holding: Holding, reader: ResultReader) -> Mapping[str, Any]:
    with services.blobs.new_result(holding.job.id, holding.token) as sink:
        writer = ResultWriter(sink)
        for page in reader.iter_pages():
            writer.add_page(page.text.encode(), page.number)
        writer.finish(reader.document)
    return reader.document


def _completed_with(document: Mapping[str, Any]) -> Callable[[Job, int], Job]:
    summary = summary_in(document)
    return lambda job, now: job.completed(summary, now=now)
