"""One act on many jobs: retry, cancel or delete those of a list, or all that a filter means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from app.adapters.job_index import JobFilter
from app.domain.job import Job, JobStatus
from app.errors import RequestRefused
from app.ingestion.cancel import cancel, delete, retry
from app.services import Services

#: How many ids an answer names.
SHOWN_IDS = 100
#: One request acts on at most that many; the answer says when there are more.
MOST_AT_ONCE = 10_000

_LIVE = frozenset(status for status in JobStatus if not status.is_final)
#: In which states an act changes something; elsewhere a job is passed over.
_APPLIES: dict[str, frozenset[JobStatus]] = {
    "retry": frozenset({JobStatus.FAILED, JobStatus.RETRYING}),
    "cancel": _LIVE,
    "delete": frozenset(JobStatus),
}
_ACTS: dict[str, Callable[[Services, str], object]] = {"retry": retry, "cancel": cancel, "delete": delete}
ACTIONS = tuple(_ACTS)


@dataclass
class Outcome:
    """How many jobs were changed (or would be), the first hundred of them, and whether there are more to do."""

    affected: int = 0
    job_ids: list[str] = field(default_factory=list)
    more: bool = False

    def add(self, job_id: str) -> None:
        self.affected += 1
        if len(self.job_ids) < SHOWN_IDS:
            self.job_ids.append(job_id)


def act_on_ids(services: Services, action: str, job_ids: Sequence[str], *, dry_run: bool) -> Outcome:
    """Ids that are unknown or in a state where the act changes nothing are passed over."""
    known = services.jobs.get_many(list(dict.fromkeys(job_ids)))
    return _act(services, action, (job for job in known if job), dry_run=dry_run)


def act_on_filter(services: Services, action: str, wanted: JobFilter, *, dry_run: bool) -> Outcome:
    return _act(services, action, services.index.each(wanted), dry_run=dry_run)


def _act(services: Services, action: str, jobs: Iterable[Job], *, dry_run: bool) -> Outcome:
    outcome = Outcome()
    for job in jobs:
        if job.status not in _APPLIES[action]:
            continue
        if outcome.affected >= MOST_AT_ONCE:
            outcome.more = True
            break
        if dry_run or _is_done(services, action, job.id):
            outcome.add(job.id)
    return outcome


def _is_done(services: Services, action: str, job_id: str) -> bool:
    """False where the job went on to a state that refuses the act, or was deleted."""
    try:
        _ACTS[action](services, job_id)
    except RequestRefused:
        return False
    return True
