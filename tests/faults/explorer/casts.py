"""The casts: one or two jobs, and a few who do something about them at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.adapters.parser_process import ParserKilled
from app.domain.job import PRIORITIES, JobStatus, Priority
from app.errors import IngestError, JobTimeout, ValidationFailed
from app.ingestion.batch import run_batch
from app.ingestion.cancel import cancel, delete, retry
from app.ingestion.cleanup import expire
from app.ingestion.housekeeping import keep_house
from app.ingestion.process import process_next
from app.ingestion.rescue import CALM_MS, Sweep
from app.ingestion.submit import Intake
from app.services import Services
from tests.faults.explorer.cast import Cast, Program

DATA, TEXT = b"one\ntwo", "one\ftwo"
JOB = "job_setup1".ljust(28, "x")
SECOND = "job_setup2".ljust(28, "x")


# ---- what happened before -------------------------------------------------------------------------------------------


def upload(
    services: Services, data: bytes = DATA, *, key: str | None = None, priority: Priority = Priority.MEDIUM
) -> Any:
    intake = Intake(services, idempotency_key=key)
    try:
        with intake.open(len(data)) as writer:
            writer.write(data)
            return intake.accept(
                filename="a.txt", media_type="text/plain", priority=priority, user_id=None, writer=writer
            )
    except IngestError:
        intake.abandon()
        raise


def one_job(services: Services) -> dict[str, str]:
    return {upload(services).id: TEXT}


def one_that_is_watched(services: Services) -> dict[str, str]:
    """Sweeps have come one after the other for long enough to be trusted."""
    services.notes.outlook()
    services.redis.player.step(("advance", CALM_MS))  # type: ignore[attr-defined]
    return one_job(services)


def two_jobs(services: Services) -> dict[str, str]:
    return one_job(services) | one_job(services)


def one_that_has_risen(services: Services) -> dict[str, str]:
    """A job has waited so long that it counts for the priority of one that came now."""
    texts = one_job(services)
    services.redis.player.step(("advance", 901_000))  # type: ignore[attr-defined]
    return texts | {upload(services, priority=Priority.HIGH).id: TEXT}


def nothing(services: Services) -> None:
    services.binding()


def cancelled_job(services: Services) -> dict[str, str]:
    texts = one_job(services)
    cancel(services, JOB)
    return texts


def completed_job(services: Services) -> dict[str, str]:
    texts = one_job(services)
    process_next(services, Priority.MEDIUM)
    services.queues.take_one(Priority.MEDIUM)
    return texts


def retrying_job(services: Services) -> dict[str, str]:
    """Its first attempt failed, and the next is due."""
    texts = one_job(services)
    services.parser.fault = JobTimeout  # type: ignore[attr-defined]
    process_next(services, Priority.MEDIUM)
    services.queues.take_one(Priority.MEDIUM)
    services.redis.player.step(("advance", 61_000))  # type: ignore[attr-defined]
    return texts


def nearly_poison(services: Services) -> dict[str, str]:
    """Two workers were lost over it."""
    texts = one_job(services)
    for number in range(2):
        job = services.jobs.claim_next(Priority.MEDIUM, holder=f"lost{number}", token=f"lost{number}")
        assert job
        assert services.jobs.replace(job, job.lost(now=services.jobs.now()))
        services.jobs.stage()
    return texts


# ---- who acts -------------------------------------------------------------------------------------------------------


def worker(services: Services) -> str:
    """Claims and sees it through, as the batch does: without a delivery."""
    job = process_next(services, Priority.MEDIUM)
    return job.status.value if job else "nothing"


def worker_and_sweep(services: Services) -> None:
    """Reads it, and clears its upload away when that has done its duty."""
    worker(services)
    from app.ingestion.rescue import Swept

    Sweep(services)._remove_spent(Swept())


def told_worker(services: Services) -> str:
    """Takes a delivery first, as a worker's loop does."""
    taken: Any = services.redis.lpop("rq:queue:medium")
    if not taken:
        return "not told"
    job = process_next(services, Priority.MEDIUM, delivery=f"rq:job:{taken.decode()}")
    return job.status.value if job else "nothing"


def worker_of_all(services: Services) -> str:
    """Takes the highest delivery, and what is next in the order of all priorities."""
    for priority in PRIORITIES:
        taken: Any = services.redis.lpop(f"rq:queue:{priority.value}")
        if taken:
            job = process_next(services, priority, delivery=f"rq:job:{taken.decode()}", serves=PRIORITIES)
            return job.priority.value if job else "nothing"
    return "not told"


def failing(error: Callable[[], BaseException]) -> Program:
    def program(services: Services) -> str:
        services.parser.fault = error  # type: ignore[attr-defined]
        return worker(services)

    return program


def sweep(services: Services) -> None:
    Sweep(services).run()


def judge(services: Services) -> None:
    """The part of the sweep that says who is dead: the rest is in other casts."""
    from app.ingestion.rescue import Swept

    Sweep(services)._judge(Swept())


def watch(services: Services) -> None:
    """Three looks: who is missed in all of them for two seconds is dead."""
    for _ in range(3):
        judge(services)


def canceller(services: Services) -> Any:
    return "cancelled", cancel(services, JOB).status.value


def retrier(services: Services) -> Any:
    return "retried", retry(services, JOB).status.value


def cancel_and_retry(services: Services) -> Any:
    cancel(services, JOB)
    return retrier(services)


def deleter(services: Services) -> Any:
    return ("deleted", JOB) if delete(services, JOB) else "kept"


def expirer(services: Services) -> Any:
    return "expired", expire(services, limit=10)


def housekeeper(services: Services) -> None:
    keep_house(services)


def batch(services: Services) -> Any:
    return run_batch(services).job_ids


def submitter(data: bytes = DATA, *, key: str | None = None) -> Program:
    def program(services: Services) -> Any:
        try:
            job = upload(services, data, key=key)
        except ValidationFailed as error:
            return "refused", error.code
        return "accepted", job.id, data.decode().replace("\n", "\f")

    return program


def insistent(data: bytes = DATA, *, key: str) -> Program:
    """Sends it again when it is told that an upload under this key is running."""

    def program(services: Services) -> Any:
        for _ in range(2):
            answer: Any = submitter(data, key=key)(services)
            if answer[0] == "accepted":
                return answer
        return answer

    return program


def submit_and_delete(key: str) -> Program:
    def program(services: Services) -> Any:
        answer: Any = insistent(key=key)(services)
        if answer[0] == "accepted" and delete(services, answer[1]):
            return "deleted", answer[1]
        return answer

    return program


def sweep_and_work(services: Services) -> str:
    judge(services)
    services.jobs.stage()
    return worker(services)


def disk(services: Services) -> None:
    services.blobs.delete_upload(JOB)


def later(*milliseconds: int) -> Program:
    def program(services: Services) -> None:
        for step in milliseconds:
            services.redis.player.step(("advance", step))  # type: ignore[attr-defined]

    return program


def restart(services: Services) -> None:
    """Redis is killed, and comes back as it was a moment before."""
    services.redis.player.step(("mark",))  # type: ignore[attr-defined]
    services.redis.player.step(("rollback",))  # type: ignore[attr-defined]


# ---- what they were promised ----------------------------------------------------------------------------------------


def stays_cancelled(results: Mapping[str, Any], jobs: Mapping[str, Any]) -> Iterator[str]:
    if results.get("canceller") == ("cancelled", "failed") and not jobs[JOB].is_cancelled:
        yield f"it was cancelled, and is {jobs[JOB].status.value}"


def retried_lives(results: Mapping[str, Any], jobs: Mapping[str, Any]) -> Iterator[str]:
    if results.get("retrier") == ("retried", "pending") and JOB not in jobs:
        yield "it was retried, and cleared away with the old ones"


def one_for_a_key(results: Mapping[str, Any], jobs: Mapping[str, Any]) -> Iterator[str]:
    if len(jobs) > 1:
        yield f"one key made {len(jobs)} jobs"
    made = {result[1] for result in results.values() if isinstance(result, tuple) and result[0] == "accepted"}
    if len(made) > 1:
        yield "one key was answered with two jobs"


def runs_on(results: Mapping[str, Any], jobs: Mapping[str, Any]) -> Iterator[str]:
    if jobs[JOB].status is not JobStatus.COMPLETED and jobs[JOB].status.is_final:
        yield f"nobody stopped it, and it is {jobs[JOB].status.value}"


def ends_well_or_not(results: Mapping[str, Any], jobs: Mapping[str, Any]) -> Iterator[str]:
    """Bytes that are gone are no crash of ours; a result that was told stays."""
    failure = jobs[JOB].failure
    if failure and failure.code == "internal":
        yield "bytes that are gone were taken for a fault of ours"


CASTS = (
    Cast("two workers", one_job, {"w1": worker, "w2": worker}, faults=2, lost=True),
    Cast("two told workers", two_jobs, {"w1": told_worker, "w2": told_worker}, lost=True),
    Cast("what has risen", one_that_has_risen, {"w1": worker_of_all, "w2": worker_of_all}, lost=True),
    Cast("a worker, its lost answers", two_jobs, {"w1": worker, "w2": worker}, lost=True),
    Cast("two workers, a sweep, a canceller", one_job, {"w1": worker, "w2": worker, "judge": judge, "canceller": canceller, "time": later(16_000)}, promises=stays_cancelled),
    Cast("a worker, a whole sweep, time", one_job, {"w1": told_worker, "sweep": sweep, "time": later(16_000)}, promises=runs_on, lost=True),
    Cast("a worker missed three times", one_that_is_watched, {"w1": worker, "w2": worker, "judge": watch, "time": later(1_000, 1_000)}, promises=runs_on),
    Cast("two sweeps, a lease that ran out", one_job, {"w1": worker, "judge1": judge, "judge2": judge, "time": later(16_000)}),
    Cast("a failing worker, a sweep", one_job, {"w1": failing(JobTimeout), "sweep": sweep, "time": later(61_000)}, lost=True),
    Cast("a retry that is due", retrying_job, {"w1": worker, "sweep": sweep, "canceller": canceller}, promises=stays_cancelled, lost=True),
    Cast("a give-back", one_job, {"w1": failing(ParserKilled), "w2": worker, "judge": judge, "time": later(16_000)}, promises=runs_on, lost=True),
    Cast("a retry asked for", retrying_job, {"retrier": retrier, "sweep": sweep, "w1": worker}, lost=True),
    Cast("cancelled and retried in mid-work", one_job, {"w1": worker, "canceller and retrier": cancel_and_retry, "w2": worker}, lost=True),
    Cast("two who cancel, one who retries", one_job, {"c1": canceller, "c2": canceller, "retrier": retrier, "w1": worker}),
    Cast("the third loss", nearly_poison, {"w1": worker, "judge": judge, "canceller": canceller, "time": later(16_000)}, promises=stays_cancelled),
    Cast("deleted in mid-work", one_job, {"w1": worker, "deleter": deleter, "judge": judge, "time": later(16_000)}),
    Cast("deleted, and housekeeping late", one_job, {"deleter": deleter, "housekeeper": housekeeper, "time": later(62_000)}, faults=2, lost=True),
    Cast("deleted while it is retried", cancelled_job, {"deleter": deleter, "retrier": retrier, "w1": worker}, lost=True),
    Cast("expired while it is retried", cancelled_job, {"expirer": expirer, "retrier": retrier, "time": later(8 * 86_400_000)}, promises=retried_lives, lost=True),
    Cast("pruned while it is worked on", one_job, {"w1": worker, "housekeeper": housekeeper, "time": later(3_700_000)}, lost=True),
    Cast("two batches", two_jobs, {"b1": batch, "w1": worker}),
    Cast("an upload", nothing, {"u1": submitter(), "housekeeper": housekeeper, "w1": worker, "time": later(62_000)}),
    Cast("an upload, its lost answers", nothing, {"u1": submitter(key="k"), "w1": worker}, lost=True, promises=one_for_a_key),
    Cast("one key, two uploads", nothing, {"u1": submitter(key="k"), "u2": insistent(key="k"), "time": later(31_000)}, promises=one_for_a_key, lost=True),
    Cast("one key, other bytes", nothing, {"u1": submitter(key="k"), "u2": insistent(b"other", key="k"), "time": later(31_000)}, promises=one_for_a_key, lost=True),
    Cast("one key, deleted meanwhile", nothing, {"u1": submitter(key="k"), "u2, then deleted": submit_and_delete("k"), "time": later(31_000)}, lost=True),
    Cast("an upload that goes missing", one_job, {"w1": worker, "w2": sweep_and_work, "time": later(16_000), "disk": disk}, faults=0, loses_bytes=True, promises=ends_well_or_not),
    Cast("one key, held up past the end", nothing, {"u1": submitter(key="k"), "u2": insistent(b"other", key="k"), "w1 and the sweep": worker_and_sweep, "time": later(62_000)}, faults=0, promises=one_for_a_key),
    Cast("one key, the same once more", nothing, {"u1": submitter(key="k"), "u2": insistent(key="k"), "w1 and the sweep": worker_and_sweep, "time": later(62_000)}, faults=0, promises=one_for_a_key),
    Cast("Redis comes back a second older", one_job, {"w1": worker, "w2": worker, "time: restart": restart, "judge": judge, "time": later(16_000)}, faults=0),
)  # fmt: skip
