"""One attempt at one job: claim it, have its file's text extracted, write down how it ended."""

from __future__ import annotations

import secrets
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from app.adapters.parser_process import ParserKilled
from app.adapters.result_file import ResultReader, ResultWriter
from app.domain.job import Failure, Job, Priority
from app.errors import IngestError, QueueUnavailable, StorageFailed
from app.ingestion.extract import extract
from app.ingestion.holding import ClaimLost, Holding
from app.ingestion.relist import summary_in
from app.services import Services

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


# ---- what an earlier claim left ------------------------------------------------------------------------------


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
