"""A worker: `python worker.py [PRIORITY…]`, all priorities without one. Works on jobs until it is told to stop."""

import gc
import sys

from app import logs
from app.adapters.redis_client import patient_client, translated
from app.adapters.rq_worker import IngestWorker
from app.domain.job import PRIORITIES, Priority
from app.errors import QueueUnavailable
from app.ingestion.rescue import SweepThread
from app.services import connect
from app.settings import load_settings
from app.tasks import WorkerHost


def main(names: list[str]) -> int:
    settings = load_settings()
    logs.configure(settings.log_level)
    try:
        priorities = [Priority(name) for name in names] or list(PRIORITIES)
        services = connect(settings, role="worker")
        logs.tell_drops(services.count_dropped_lines)
        host = WorkerHost(services, priorities)
        with translated():
            client = patient_client(services.url or "", services.name, stopped=lambda: services.stopper.is_set)
            worker = IngestWorker(host, client, priorities)
    except ValueError:
        sys.stderr.write(f"A priority is one of {', '.join(p.value for p in PRIORITIES)}.\n")
        return 2
    except QueueUnavailable as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    services.keeper.keep(worker)
    sweep = SweepThread(services)
    sweep.start()
    gc.freeze()
    gc.set_threshold(20_000)
    worker.work(logging_level="WARNING")
    sweep.stop()
    services.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
