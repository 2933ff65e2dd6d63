"""The results of several jobs as one ZIP: written while it is sent, so that no result is ever held whole."""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from flask import Blueprint, Response, request

from app.domain.ids import is_job_id
from app.domain.job import Job, JobStatus
from app.errors import IngestError
from app.services import Services
from app.web.context import must_be_gone, services
from app.web.gate import Budget, gate
from app.web.results import FORMATS, asked_format, body_of, open_result
from app.web.validation import job_ids_of

#: Where it stands what is not in the archive, and why.
LEFT_OUT = "_not_included.txt"
#: A download that takes longer than that (seconds) counts as a held thread, where there is room for one.
LONG_SECONDS = 10.0
#: What Windows takes for no file name (Microsoft, "Naming Files, Paths, and Namespaces").
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)

blueprint = Blueprint("archives", __name__)


@blueprint.get("/api/ingest/results")
def results() -> Response:
    """Refuses nonsense in the query before it looks for the jobs."""
    job_ids, form, at = job_ids_of(request.args), asked_format(default="text"), services()
    known = [job_id for job_id in job_ids if is_job_id(job_id)]
    jobs = dict(zip(known, at.jobs.get_many(known), strict=True))
    must_be_gone(at, *(job_id for job_id, job in jobs.items() if job is None))
    archive = _Archive(at, form)
    chunks = _counted(archive.chunks([(job_id, jobs.get(job_id)) for job_id in job_ids]), gate().held)
    response = Response(chunks, content_type="application/zip")
    response.headers["Content-Disposition"] = 'attachment; filename="results.zip"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _counted(chunks: Iterator[bytes], held: Budget) -> Iterator[bytes]:
    """A client that is slow to take them keeps a thread: that is told to whoever wants to hold another."""
    began, place = time.monotonic(), None
    try:
        for chunk in chunks:
            if place is None and time.monotonic() - began > LONG_SECONDS:
                place = held.take("archive")
            yield chunk
    finally:
        if place is not None:
            place.release()


class _Archive:
    """One ZIP in the making."""

    def __init__(self, at: Services, form: str) -> None:
        self._at, self._form = at, form
        self._pipe = _Pipe()
        self._names = {LEFT_OUT}
        self._left_out: list[str] = []

    def chunks(self, jobs: Sequence[tuple[str, Job | None]]) -> Iterator[bytes]:
        with zipfile.ZipFile(self._pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
            for job_id, job in jobs:
                if job is None or job.status is not JobStatus.COMPLETED:
                    self._leave_out(job_id, job, _why_not(job))
                else:
                    yield from self._result(archive, job)
            if self._left_out:
                archive.writestr(LEFT_OUT, "".join(self._left_out))
        yield self._pipe.take()

    def _result(self, archive: zipfile.ZipFile, job: Job) -> Iterator[bytes]:
        """One that cannot be read is left out, or ends where it is damaged; the others do not suffer for it."""
        try:
            reader = open_result(self._at, job)
        except IngestError as error:
            self._leave_out(job.id, job, error.message)
            return
        name = unique_name(job.file.name, FORMATS[self._form][1], self._names)
        about = zipfile.ZipInfo(name, _ended(job))
        about.compress_type = zipfile.ZIP_DEFLATED
        with reader, archive.open(about, "w") as entry:
            try:
                for data in body_of(reader, job, self._form):
                    entry.write(data)
                    if piece := self._pipe.take():
                        yield piece
            except IngestError as error:
                self._leave_out(job.id, job, f"{name} ends too early: {error.message}")

    def _leave_out(self, job_id: str, job: Job | None, why: str) -> None:
        """An id of another form is nothing of ours to repeat."""
        shown = job_id if is_job_id(job_id) else "an unknown id"
        self._left_out.append(f"{job.file.name} ({shown}): {why}\r\n" if job else f"{shown}: {why}\r\n")


def _why_not(job: Job | None) -> str:
    if job is None:
        return "There is no such job."
    return job.failure.message if job.status is JobStatus.FAILED and job.failure else "It is not completed yet."


def _ended(job: Job) -> tuple[int, int, int, int, int, int]:
    at = datetime.fromtimestamp((job.completed_at or job.updated_at) / 1000, tz=timezone.utc)
    return at.year, at.month, at.day, at.hour, at.minute, at.second


def unique_name(display_name: str, ending: str, taken: set[str]) -> str:
    """A file name that unpacks everywhere, unlike those `taken` (in lower case) on disks that ignore case too."""
    stem = display_name.rpartition(".")[0] or display_name
    stem = _FORBIDDEN.sub("_", stem).strip(" .") or "result"
    if _DEVICES.fullmatch(stem):
        stem = f"_{stem}"
    name, number = f"{stem}{ending}", 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem} ({number}){ending}"
    taken.add(name.casefold())
    return name


@dataclass
class _Pipe:
    """Takes what is written and hands it on; it cannot seek, so that the sizes follow each file in the archive."""

    pieces: list[bytes] = field(default_factory=list)

    def write(self, data: bytes) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back here."""

    def take(self) -> bytes:
        taken, self.pieces = b"".join(self.pieces), []
        return taken
