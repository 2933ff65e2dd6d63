"""What must hold of one job, whatever happened to it: the rules I2, I5, I6 and I7 over its record, places and log.

Pure: evidence in, violations out. What concerns blobs, and jobs that are missing, is in `check.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.adapters.evidence import PLACES, JobEvidence
from app.adapters.places import STAGED, places
from app.domain.job import MAX_HISTORY, SCHEMA, Attempt, Job, JobStatus
from app.domain.retry import MAX_GIVE_BACKS, MAX_LOSSES, RetryPolicy

PENDING, PROCESSING, RETRYING = JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.RETRYING
COMPLETED, FAILED = JobStatus.COMPLETED, JobStatus.FAILED
#: The steps there are from one entry of a log to the next; within pending and retrying the priority may change.
STEPS = frozenset(
    {(PENDING, PENDING), (PENDING, PROCESSING), (PENDING, FAILED), (FAILED, PENDING)}
    | {(PROCESSING, to) for to in JobStatus}
    | {(RETRYING, PROCESSING), (RETRYING, RETRYING), (RETRYING, FAILED)}
)
#: Outcomes of an attempt that are not the attempt's own failure.
#: How an attempt ends by the hand of others: its holder may never have heard that it had it.
BY_OTHERS = frozenset({"worker_lost", "cancelled", "given_back"})
NOT_ITS_OWN = frozenset({"completed", "given_back", "worker_lost", "cancelled"})


@dataclass(frozen=True)
class Violation:
    """Which invariant does not hold, of which job ('' for none in particular), and what was found instead."""

    invariant: str
    job_id: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.job_id or '-'}: {self.what}"


def of_job(seen: JobEvidence, policy: RetryPolicy) -> Iterator[Violation]:
    """Everything that a job's own evidence shows. A record of a newer version is left alone."""
    job = seen.job
    if job is None:
        yield Violation("I1", seen.job_id, "stands in the list of jobs and has no record")
        return
    if job.schema > SCHEMA:
        return
    found = {"I5": _places(job, seen), "I6": _attempts(job, policy), "I2": _ends(job), "I7": _log(job, seen)}
    for invariant, said in found.items():
        for what in said:
            yield Violation(invariant, seen.job_id, what)
    for invariant, what in _story([entry for _, entry in seen.log]):
        yield Violation(invariant, seen.job_id, what)


# ---- I5: exactly one place ------------------------------------------------------------------------------------------


def _places(job: Job, seen: JobEvidence) -> Iterator[str]:
    expected = {place: score for place, score in places(job).items() if place in PLACES}
    stands = {place: score for place, score in seen.places.items() if place not in ("newer", "spent")}
    expected.pop("spent", None)  # it leaves that one by itself
    line, since = f"waiting:{job.priority.value}", f"since:{job.priority.value}"
    if job.status is RETRYING and stands.get("retrying") == STAGED:
        expected |= {"retrying": STAGED, line: job.waits_since}
    if "newer" in seen.places:  # set aside by an older version, whose successor's sweep brings it back
        stands[line] = 0
    if line in expected:
        expected |= {since: expected[line]} if since in stands else {}
        expected[line] = stands.get(line, 0)  # where in the line is no matter of the record
    if job.status is PROCESSING:
        expected |= {"leases": stands.get("leases", 0)}
    if stands != expected:
        yield f"is {job.status.value} and stands in {_shown(stands)}, not in {_shown(expected)}"
    token = job.claim.token if job.claim else ""
    if (seen.fields.get("version"), seen.fields.get("token", "")) != (str(job.version), token):
        yield "its hash has another version or token than its record"
    if (job.claim is not None) is not (job.status is PROCESSING):
        yield f"is {job.status.value} and {'held' if job.claim else 'in nobody’s hands'}"


def _shown(stands: dict[str, int]) -> str:
    return ", ".join(f"{place}={score}" for place, score in sorted(stands.items())) or "no place"


# ---- I6: bounded ----------------------------------------------------------------------------------------------------


def _attempts(job: Job, policy: RetryPolicy) -> Iterator[str]:
    if job.attempt > policy.max_attempts:
        yield f"attempt {job.attempt} of {policy.max_attempts}"
    if job.losses > MAX_LOSSES or (job.losses == MAX_LOSSES and not job.status.is_final):
        yield f"{job.losses} losses, and {job.status.value}"
    if job.give_backs > MAX_GIVE_BACKS:
        yield f"given back {job.give_backs} times"
    this_run = [attempt for attempt in job.history if attempt.run == job.run]
    if len(job.history) == MAX_HISTORY:
        return  # the beginning is forgotten
    lost = sum(attempt.outcome == "worker_lost" for attempt in this_run)
    if lost != job.losses:
        yield f"{job.losses} losses are charged, the history has {lost}"
    yield from _numbers(this_run)


def _numbers(attempts: Sequence[Attempt]) -> Iterator[str]:
    """An attempt's number grows by one after a failure of its own, and after nothing else."""
    number = 1
    for attempt in attempts:
        if attempt.number != number:
            yield f"an attempt has the number {attempt.number} where {number} was due"
        number = attempt.number + (attempt.outcome not in NOT_ITS_OWN)


# ---- I2: one end ----------------------------------------------------------------------------------------------------


def _ends(job: Job) -> Iterator[str]:
    for attempt, following in pairwise(job.history):
        if attempt.outcome == "completed":
            yield "went on after it was completed"
        if attempt.outcome == "cancelled" and following.run == attempt.run:
            yield "went on in the same run after it was cancelled"
        if following.run < attempt.run:
            yield "its history goes back to an earlier run"
    if job.status.is_final is not (job.completed_at is not None):
        yield f"is {job.status.value} and has {'an' if job.completed_at else 'no'} end"
    if job.status is COMPLETED and (not job.history or job.history[-1].outcome not in ("completed", "restored")):
        yield "is completed, and no attempt of it was"
    if job.status is FAILED and job.failure is None:
        yield "failed for no reason"


# ---- I7: a client's view --------------------------------------------------------------------------------------------


def _log(job: Job, seen: JobEvidence) -> Iterator[str]:
    if not seen.log:
        if not job.status.is_final:
            yield "is live and has no log"
        return
    if [entry for entry, _ in seen.log] != [f"{told.version}-0" for _, told in seen.log]:
        yield "an entry of its log has another number than its version"
    if seen.log[-1][1] != job:
        yield "the log ends with something else than the record"
    if (seen.log_life >= 0) is not job.status.is_final:
        yield f"is {job.status.value} and its log {'runs out' if seen.log_life >= 0 else 'stays for ever'}"


def _story(told: Sequence[Job]) -> Iterator[tuple[str, str]]:
    tokens: set[str] = set()
    for old, new in pairwise(told):
        step = f"{old.status.value} (version {old.version}) → {new.status.value} (version {new.version})"
        if new.version != old.version + 1:
            yield "I7", f"the log has a gap: {step}"
            continue
        if (old.status, new.status) not in STEPS or new.run != old.run + (old.status is FAILED):
            yield "I2", f"no such step: {step}"
        if new.run == old.run and _mark(new) < _mark(old):
            yield "I7", f"went back from {old.progress.percentage} % to {new.progress.percentage} %: {step}"
        yield from _claims(old, new, tokens)


def _mark(job: Job) -> tuple[int, int]:
    return job.progress.percentage, job.progress.pages_done


def _claims(old: Job, new: Job, tokens: set[str]) -> Iterator[tuple[str, str]]:
    """A token is given once, and while it stands nobody else writes. Only a claim that its holder never heard of, and
    that others ended, may have been sent again under its own."""
    if old.claim and new.claim and old.claim.token != new.claim.token:
        yield "I3", f"taken from one holder by another in one step, version {new.version}"
    if new.claim and not old.claim and new.claim.token in tokens:
        yield "I3", f"claimed twice under one token, version {new.version}"
    if old.claim and (new.claim or not new.history or new.history[-1].outcome not in BY_OTHERS):
        tokens.add(old.claim.token)
    if old.claim and not new.claim and (not new.history or new.history[-1].worker != old.claim.holder):
        yield "I3", f"ended by another than its holder, version {new.version}"
