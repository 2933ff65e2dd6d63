"""Jobs brought into each state through the store itself, for tests of what looks at many of them."""

from app.domain.ids import new_job_id
from app.domain.job import Failure, FileInfo, Job, Priority
from app.domain.manifest import Manifest

RESULT = {"pages": 2, "words": 5, "characters": 30, "durationMs": 12, "sha256": "a" * 64, "engine": "plain"}


def pending(services, *, priority=Priority.MEDIUM, name="a.txt", user_id=None, now=None, with_bytes=False):
    job_id = new_job_id()
    at = services.jobs.now() if now is None else now
    file = FileInfo(name, 5, "text/plain", "a" * 64)
    if with_bytes:
        file = _store(services, job_id, name, priority, at)
    job = Job.new(job_id, priority=priority, file=file, now=at, user_id=user_id)
    return services.jobs.add(job, installation=services.binding())


def _store(services, job_id, name, priority, at):
    with services.blobs.new_upload() as writer:
        writer.write(b"words")
        file = FileInfo(name, writer.size, "text/plain", writer.sha256)
        writer.commit(Manifest(job_id, name, "text/plain", 5, writer.sha256, priority.value, at))
    return file


def processing(services, *, holder="worker.test", **kwargs):
    """The job of that priority that is next; alone in its priority it is the one that was made here."""
    job = pending(services, **kwargs)
    claimed = services.jobs.claim_next(job.priority, holder=holder, token=f"token-{job.id}")
    assert claimed is not None
    assert claimed.id == job.id
    return claimed


def completed(services, *, ended=None, **kwargs):
    return _ended(services, lambda job, now: job.completed(RESULT, now=now), ended, kwargs)


def failed(services, *, ended=None, code="corrupt_document", stack_trace=None, **kwargs):
    failure = Failure.of(code, stack_trace=stack_trace)
    return _ended(services, lambda job, now: job.failed(failure, now=now, policy=services.policy), ended, kwargs)


def retrying(services, **kwargs):
    return failed(services, code="job_timeout", **kwargs)


def _ended(services, end, ended, kwargs):
    job = processing(services, **kwargs)
    new = end(job, services.jobs.now() if ended is None else ended)
    assert services.jobs.replace(job, new)
    return new
