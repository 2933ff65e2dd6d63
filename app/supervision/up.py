"""`./run`: everything of one machine in the foreground, from the checks before to the last process after."""

from __future__ import annotations

import sys
import time

from pydantic import SecretStr

from app.adapters.embedded import EmbeddedServer, EmbeddedServerFailed
from app.errors import QueueUnavailable
from app.settings import ROOT, Settings
from app.supervision.claim import CannotRun, check_port, claim_folder, kept_secret
from app.supervision.output import Output
from app.supervision.programs import Command, Program, ServerProgram, child_environment
from app.supervision.readiness import ask, base_url, login_link
from app.supervision.supervisor import Phase, StopSignals, Supervisor

WEB_STOPS, WORKERS_STOP, SCHEDULER_STOPS = 2.0, 8.0, 8.5
"""Seconds after the signal by which each should have ended before the next is told; what is left then is killed."""
FIRST_COMPLAINT, NEXT_COMPLAINT = 5.0, 30.0


def up(settings: Settings) -> int:
    """Run until a signal says stop; the exit status."""
    url = base_url(settings)
    try:
        with claim_folder(settings.data_dir, url):
            check_port(settings.host, settings.port)
            settings = _with_secrets(settings)
            _run(settings, url)
    except (CannotRun, EmbeddedServerFailed) as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    return 0


def _with_secrets(settings: Settings) -> Settings:
    kept = {
        name: kept_secret(settings.data_dir / name.replace("_", "-"))
        for name in ("admin_token", "cron_secret")
        if getattr(settings, name) is None
    }
    return settings.model_copy(update={name: SecretStr(value) for name, value in kept.items()})


def _run(settings: Settings, url: str) -> None:
    output, signals = Output(), StopSignals()
    server = None if settings.redis_url else EmbeddedServer(settings.data_dir, give_up=lambda: signals.count > 0)
    if server:
        settings = settings.model_copy(update={"redis_url": server.start()})
    supervisor = Supervisor(
        _phases(settings, output),
        server=ServerProgram(server) if server else None,
        output=output,
        wait=signals.wait,
    )
    try:
        _until_ready(supervisor, signals, settings=settings, output=output)
        while not signals.count:
            supervisor.look(time.monotonic())
            signals.wait(0.5)
    finally:
        output.say("stopping")
        supervisor.stop(hard=lambda: signals.count > 1)
        output.say(f"stopped; everything is kept in {settings.data_dir}")
        output.close()


def _phases(settings: Settings, output: Output) -> list[Phase]:
    environment = child_environment(settings)

    def program(name: str, *arguments: str) -> Program:
        return Command(name, [sys.executable, *arguments], output=output, cwd=ROOT, env=environment)

    return [
        (WEB_STOPS, [program("web", "-m", "gunicorn", "app:create_app()")]),
        (WORKERS_STOP, [program(f"worker-{number}", "worker.py") for number in range(1, settings.workers + 1)]),
        (SCHEDULER_STOPS, [program("scheduler", "scheduler.py")]),
    ]


def _until_ready(supervisor: Supervisor, signals: StopSignals, *, settings: Settings, output: Output) -> None:
    """Keep the programs running until the service answers, and say so; meanwhile say why it does not."""
    complain_at = time.monotonic() + FIRST_COMPLAINT
    pause = 0.05
    while not signals.count:
        supervisor.look(time.monotonic())
        answer = ask(settings)
        if answer.ready:
            return _announce(settings, output)
        if time.monotonic() > complain_at:
            complain_at += NEXT_COMPLAINT
            output.log("run", f"not ready: {answer.reason}")
            pause = 1.0  # something is wrong: it need not be asked twenty times a second
        signals.wait(pause)
    return None


def _announce(settings: Settings, output: Output) -> None:
    url = base_url(settings)
    try:
        link = login_link(settings, url)
    except QueueUnavailable:
        link = f"{url}/admin/login"
    output.say(f"ready {url}")
    output.say(f"  upload page    {url}/")
    output.say(f"  operator page  {link}")
    output.say("                 (this link works once, for ten minutes; ./run login prints another)")
    output.say(f"  API            curl -F file=@FILE {url}/api/ingest/start")
    output.say("Ctrl-C stops all of it.")
