"""What RQ calls, by name. A delivery only says that a job of some priority waits; which one is the job store's to say."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.job import Priority
from app.errors import RequestRefused
from app.ingestion.batch import run_batch
from app.ingestion.process import process_next as process
from app.services import Services

_services: Services | None = None


def use(services: Services) -> None:
    """The process's own neighbours, set once at its start."""
    global _services
    _services = services


def process_next(priority: str) -> None:
    """Works on the next waiting job of that priority, if one waits."""
    process(_here(), Priority(priority))


def run_minute_batch() -> None:
    """One batch; that another one runs already is no error."""
    try:
        run_batch(_here())
    except RequestRefused:
        pass


def _here() -> Services:
    if _services is None:  # a plain `rq worker`: it has not called `use`
        from app.services import connect
        from app.settings import load_settings

        use(connect(load_settings(), role="worker"))
    assert _services is not None  # noqa: S101
    return _services


class WorkerHost:
    """A worker process as its RQ loop sees it."""

    def __init__(self, services: Services, priorities: Sequence[Priority]) -> None:
        use(services)
        self.name, self.client = services.name, services.redis
        self._services, self._priorities = services, priorities
        self._began = services.jobs.now()

    def work_on(self, priority: Priority, *, delivery: str) -> None:
        """The delivery's hash goes with the claim, in the same step."""
        process(self._services, priority, delivery=delivery, serves=self._priorities)

    def run_batch(self) -> None:
        run_minute_batch()

    def paused(self) -> frozenset[Priority]:
        return self._services.jobs.paused()

    def beat(self, state: str) -> None:
        self._services.beat(state=state, priorities=self._priorities, started_at=self._began)

    def forget(self) -> None:
        self._services.workers.forget(self.name)

    def wait(self, seconds: float) -> bool:
        return self._services.stopper.wait(seconds)

    def stop(self) -> None:
        self._services.stopper.stop()

    def stop_hard(self) -> None:
        self._services.kill_parser()
