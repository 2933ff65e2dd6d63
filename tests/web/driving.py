"""Takes a job through its life by hand, in place of a worker."""

from __future__ import annotations

from app.adapters.result_file import ResultWriter
from app.domain.job import Failure, Job, Priority, Progress
from app.ingestion.submit import Intake
from app.services import Services


def accept(services: Services, name: str = "script.txt", data: bytes = b"plain words", **fields: object) -> Job:
    intake = Intake(services)
    given = {"media_type": "text/plain", "priority": Priority.MEDIUM, "user_id": None, **fields}
    with intake.open() as writer:
        writer.write(data)
        return intake.accept(filename=name, writer=writer, **given)  # type: ignore[arg-type]


def claim(services: Services, job: Job) -> Job:
    claimed = services.jobs.claim_next(job.priority, holder="worker", token=f"token{job.version}", visible=False)
    assert claimed is not None
    assert claimed.id == job.id
    return claimed


def change(services: Services, job: Job, new: Job) -> Job:
    assert services.jobs.replace(job, new)
    return new


def progress(services: Services, job: Job, done: int, total: int = 10) -> Job:
    step = Progress("Processing file", 100 * done // total, f"Page {done} of {total}", done, total)
    return change(services, job, job.progressed(step, now=services.jobs.now()))


def complete(services: Services, job: Job, *pages: str, title: str | None = None) -> Job:
    assert job.claim is not None
    summary = {
        "pages": len(pages),
        "words": sum(len(page.split()) for page in pages),
        "characters": sum(map(len, pages)),
        "title": title,
        "author": None,
        "preview": "\n".join(pages)[:1000],
        "warnings": [],
        "engine": "text",
        "durationMs": 3,
        "sha256": job.file.sha256,
    }
    with services.blobs.new_result(job.id, job.claim.token) as sink:
        writer = ResultWriter(sink)
        for number, page in enumerate(pages, 1):
            writer.add_page(page.encode(), number)
        writer.finish({**summary, "metadata": {"producer": "a typewriter"}})
    return change(services, job, job.completed(summary, now=services.jobs.now()))


def fail(services: Services, job: Job, code: str = "corrupt_document") -> Job:
    failure = Failure.of(code, stack_trace="Traceback of ours")
    return change(services, job, job.failed(failure, now=services.jobs.now(), policy=services.policy))


def done(services: Services, *pages: str, **about: object) -> Job:
    """A job whose text was read; an urgent one, so that it comes before whatever else waits."""
    job = accept(services, **{"priority": Priority.URGENT, **about})  # type: ignore[arg-type]
    return complete(services, claim(services, job), *(pages or ("plain words",)))
