"""What the soak comes to: the invariants, who was charged a loss without cause, and how long each kind of fault cost a job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from app.adapters.evidence import Evidence
from app.domain.job import Attempt, Job, JobStatus
from app.errors import CATALOGUE
from app.ingestion.check import check, lines_of
from app.services import Services
from bench.report import percentile
from bench.soak_diary import Diary, Entry
from bench.soak_load import Told

KILLED, FROZEN, BEFORE = "killed", "frozen or cut off", "claim begun before Redis was restarted"
CUT_OFF = "cut off"
#: What is done to a holder so that its job may be taken from it.
FAULTS = ("kill", "frozen", CUT_OFF)
#: The longest that 99 of 100 jobs may wait for another holder, in seconds.
AIMS = {KILLED: 3.0, FROZEN: 20.0, BEFORE: 20.0}
#: Codes that no fault of the soak may lead to, once what it broke has been tried again.
UNEXPLAINED = frozenset(CATALOGUE) - {"cancelled", "corrupt_document", "encrypted_document"}
OUTAGES = ("Valkey killed", "Valkey restarted", "Valkey frozen")


@dataclass
class Verdict:
    """By kind of fault, seconds from the fault until the job is handed on (`noticed`) and processing again (`recovery`): in
    between it waits like any other, behind what is of higher priority."""

    jobs: int = 0
    losses: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    false_losses: list[str] = field(default_factory=list)
    noticed: dict[str, list[float]] = field(default_factory=dict)
    recovery: dict[str, list[float]] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        yield f"jobs at the end: {self.jobs} ({told(self.statuses)}), {self.losses} losses charged"
        for kind, aim in AIMS.items():
            for what, times in (("handed on", self.noticed.get(kind)), ("processing again", self.recovery.get(kind))):
                if times:
                    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
                    verdict = "holds" if p99 <= aim else "MISSED"
                    yield (
                        f"{kind}, {what}: n {len(times)}, p50 {p50:.2f} s, p99 {p99:.2f} s (≤ {aim:g}: {verdict}), "
                        f"max {max(times):.2f} s"
                    )
        yield from self.violations
        yield from self.false_losses
        yield f"violations {len(self.violations)}, false losses {len(self.false_losses)}"


def told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


def judge(services: Services, known: Told, diary: Diary) -> Verdict:
    """Everything runs and is drained. Raises QueueUnavailable, StorageUnavailable."""
    alive = known.accepted - known.deleted
    report = check(services, accepted=alive, texts={})
    verdict = Verdict(jobs=report.jobs)
    if report.violations:
        verdict.violations += _each_with_its_history(lines_of(services, report))
    undone = {what: count for what, count in report.unfinished.items() if "deliveries" not in what}
    if undone:
        verdict.violations.append(f"not drained: {told(undone)}")
    verdict.violations += [*known.wrong, *diary.ended_by_itself]
    noticed: defaultdict[str, list[float]] = defaultdict(list)
    recovery: defaultdict[str, list[float]] = defaultdict(list)
    by_key: defaultdict[str, list[str]] = defaultdict(list)
    statuses: defaultdict[str, int] = defaultdict(int)
    for seen in Evidence(services.redis).each():
        if job := seen.job:
            statuses[f"{job.status.value}{f' ({job.failure.code})' if job.failure else ''}"] += 1
            verdict.losses += sum(attempt.outcome == "worker_lost" for attempt in job.history)
            verdict.false_losses += false_losses(job, diary.entries)
            for kind, handed_on, again in recoveries(job, diary.entries):
                noticed[kind].append(handed_on)
                recovery[kind].append(again)
            if job.idempotency_key:
                by_key[job.idempotency_key].append(job.id)
            verdict.violations += _ended_wrongly(job, known)
    verdict.violations += [f"one key made {len(ids)} jobs: {', '.join(ids)}" for ids in by_key.values() if len(ids) > 1]
    verdict.statuses, verdict.noticed, verdict.recovery = dict(statuses), dict(noticed), dict(recovery)
    return verdict


def _each_with_its_history(lines: Iterable[str]) -> Iterator[str]:
    """A violation is one, however long the history of its job; the last line only counts them."""
    told: list[str] = []
    for line in lines:
        if told and not line.startswith(" "):
            yield "\n".join(told)
            told = []
        told.append(line)


def _ended_wrongly(job: Job, known: Told) -> Iterator[str]:
    """Failures that no file and no fault explains, and previews that are not the beginning of what was uploaded (whole
    results are compared by the checker)."""
    if job.failure is not None and job.failure.code in UNEXPLAINED:
        yield f"{job.id} failed with {job.failure.code}: {job.failure.stack_trace or ''}"
    text = known.texts.get(job.id)
    if text is None or job.status is not JobStatus.COMPLETED:
        return
    if str((job.result or {}).get("preview", ""))[:200] != text[:200]:
        yield f"I3 {job.id}: its result is another text than was uploaded"


# ---- the records beside the diary -----------------------------------------------------------------------------------


def false_losses(job: Job, entries: Sequence[Entry]) -> Iterator[str]:
    """Losses of a holder that was neither killed nor frozen nor cut off while it held the job."""
    for attempt in job.history:
        if attempt.outcome == "worker_lost" and not _fault_on(attempt, entries):
            yield f"false loss of {job.id}: {attempt.worker}, {attempt.began} to {attempt.ended}"


def recoveries(job: Job, entries: Sequence[Entry]) -> Iterator[tuple[str, float, float]]:
    """For each attempt that a fault on its holder ended: the kind of fault, and the seconds until the job was handed on and
    until the next attempt."""
    for attempt, following in pairwise([*job.history, *_running(job)]):
        fault = _fault_on(attempt, entries) if attempt.outcome in ("worker_lost", "given_back") else None
        if fault is None or following.run != attempt.run:
            continue
        again = [
            entry.ended
            for entry in entries
            if entry.kind in OUTAGES and entry.ended >= attempt.began and entry.began <= following.began
        ]
        since = max(fault.began, attempt.began, *again)
        kind = BEFORE if again else KILLED if fault.kind == "kill" else FROZEN
        if following.began >= since:
            yield kind, max(0, attempt.ended - since) / 1000, (following.began - since) / 1000


def _running(job: Job) -> list[Attempt]:
    if job.claim is None:
        return []
    return [Attempt(job.run, job.attempt, job.claim.since, job.claim.since, "", job.claim.holder)]


def _fault_on(attempt: Attempt, entries: Sequence[Entry]) -> Entry | None:
    """What was done to that holder while it held the job. A kill counts before a freeze, but not before a network that was
    cut off by then: it hid the kill too."""
    pid = int(attempt.worker.split(".")[2])
    ours = [
        entry
        for entry in entries
        if entry.pid == pid and entry.kind in FAULTS and entry.began <= attempt.ended and entry.ended >= attempt.began
    ]
    cuts = [entry for entry in ours if entry.kind == CUT_OFF]
    seen = [
        entry for entry in ours if entry.kind == "kill" and not any(c.began <= entry.began <= c.ended for c in cuts)
    ]
    return next(iter(seen or cuts or ours), None)
