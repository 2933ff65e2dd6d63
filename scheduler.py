"""The scheduler: `python scheduler.py`. Puts the minute batch into its queue each minute, and sweeps each second."""

import signal
import sys
import time
from types import FrameType

import redis

from app import logs
from app.adapters.minute_schedule import MinuteSchedule
from app.errors import QueueUnavailable
from app.ingestion.rescue import SweepThread
from app.services import connect
from app.settings import load_settings


def main() -> int:
    settings = load_settings()
    logs.configure(settings.log_level)
    try:
        services = connect(settings, role="scheduler")
    except QueueUnavailable as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    SweepThread(services).start()
    for life in range(sys.maxsize):
        try:
            MinuteSchedule(services.redis, name=f"{services.name}.{life}").run()
        except redis.RedisError:
            time.sleep(1)  # it ends when Redis is away; a new one begins
    return 0


def _stop(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
