"""The text of a claimed job's file: its bytes are checked, read page by page in the contained child, and stored."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

from app.adapters.parser_process import Document, PageFrame
from app.adapters.result_file import ResultWriter
from app.domain.job import Job, Progress
from app.errors import StorageFailed, StorageUnavailable
from app.ingestion.holding import ClaimLost, Holding
from app.ingestion.relist import FACTS, METADATA, facts_of
from app.services import Services

PREVIEW_CHARACTERS = 1_000
HASH_CHUNK_BYTES = 1024 * 1024


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
        facts = facts_of(job, now=services.jobs.clock.known_now())
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
