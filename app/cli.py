"""The command line behind `./run`: translates words into calls, and what comes of them into an exit status."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.settings import Settings, load_settings, shown

if TYPE_CHECKING:
    from app.ingestion.rebuild import Rebuilt

EPILOG = "`./run test` (arguments as for pytest) checks this copy. Settings come from the environment: see README.md."


@click.group(invoke_without_command=True, epilog=EPILOG)
@click.option("--from", "folder", hidden=True, type=click.Path(file_okay=False, path_type=Path))
@click.pass_context
def cli(context: click.Context, folder: Path | None) -> None:
    """Upload files, watch them being read, fetch their text.

    Without a command, starts everything here and stays until Ctrl-C."""
    if folder:
        os.chdir(folder)  # where the person stands; the program was found from its own folder
    if context.invoked_subcommand is None:
        context.invoke(up)


@cli.command(short_help="Start everything (the default).")
def up() -> None:
    """Start web, workers, scheduler and an embedded Valkey (the default)."""
    from app.supervision.up import up as run_all

    raise SystemExit(run_all(load_settings()))


@cli.command(short_help="Send FILES to a running instance and watch them.")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--priority", type=click.Choice(["urgent", "high", "medium", "low"]), default="medium", show_default=True)
@click.option("--user", help="A label to find these jobs by.")
@click.option("--url", help="The instance to send to; by default the one that runs here.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each file, and nothing else.")
def submit(files: tuple[Path, ...], priority: str, user: str | None, url: str | None, as_json: bool) -> None:
    """Send FILES to a running instance and watch them until they are done.

    The exit status is 0 if all were read, 1 if some were not, 2 if there was nobody to send them to."""
    from app.client.submit import submit_all

    raise SystemExit(
        submit_all(files, url=url or _running_url(load_settings()), priority=priority, user=user, as_json=as_json)
    )


@cli.command()
def login() -> None:
    """Print a link to the operator page that works once."""
    from app.errors import QueueUnavailable
    from app.supervision.readiness import login_link

    settings = _with_running_redis(load_settings())
    try:
        click.echo(login_link(settings, _running_url(settings)))
    except QueueUnavailable:
        raise click.ClickException("Redis does not answer; is the service running?") from None


@cli.command()
def rebuild() -> None:
    """Adopt the stored files of another Redis: unfinished jobs run again, finished ones are listed.

    May be stopped at any time and called again. Until it has ended uploads are refused and nothing is pruned."""
    import sys

    from app.errors import IngestError
    from app.ingestion.rebuild import rebuild as rebuild_from_files
    from app.services import connect

    on_terminal = sys.stderr.isatty()
    try:
        services = connect(_with_running_redis(load_settings()), role="rebuild")
        rebuilt = rebuild_from_files(services, tell=lambda so_far: _tell(so_far, over=on_terminal))
    except IngestError as error:
        raise click.ClickException(f"{error.message} {error.suggestion}") from None
    finally:
        if on_terminal:
            click.echo(err=True)
    click.echo(
        f"The files of installation {rebuilt.installation} are adopted; {rebuilt.restored} jobs wait again.\n"
        f"{rebuilt.listed} finished jobs are listed from their results."
    )
    if rebuilt.unknown:
        click.echo(
            f"{rebuilt.unknown} results of an older version do not say whose they are; they are pruned in an hour."
        )


def _tell(so_far: Rebuilt, *, over: bool) -> None:
    """How far it is: one line that grows on a terminal, else a line after each slice."""
    line = (
        f"{so_far.uploads} uploads and {so_far.results} results seen, {so_far.restored + so_far.listed} jobs restored"
    )
    click.echo(f"\r{line}" if over else line, nl=not over, err=True)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one document of JSON instead.")
@click.option("--check", is_flag=True, help="Look for lost, doubled and left-over jobs instead.")
def doctor(as_json: bool, check: bool) -> None:
    """Say what would be used and why, and what is wrong; change nothing.

    The exit status is 0 if nothing is wrong, whatever advice there is, and 1 if something is."""
    if check:
        raise SystemExit(0 if _jobs_are_well(_with_running_redis(load_settings())) else 1)
    import json

    from app.settings import WrongSettings, read_settings
    from app.supervision.doctor import examine, of_wrong_settings

    try:
        report = examine(read_settings())
    except WrongSettings as error:
        report = of_wrong_settings(error.lines)
    click.echo(json.dumps(report.document(), indent=1) if as_json else "\n".join(report.lines()))
    raise SystemExit(0 if report.is_well else 1)


def _jobs_are_well(settings: Settings) -> bool:
    """Prints what is wrong with the jobs, and what is under way."""
    from app.errors import IngestError
    from app.ingestion.check import check, lines_of
    from app.services import connect

    try:
        services = connect(settings, role="check")
        report = check(services)
        for line in lines_of(services, report):
            click.echo(line)
    except IngestError as error:
        raise click.ClickException(f"{error.message} {error.suggestion}") from None
    return not report.violations


@cli.command()
def config() -> None:
    """Print the settings in force, without the secrets."""
    for name, value in shown(load_settings()).items():
        click.echo(f"{name}={value}")


@cli.command()
@click.option("--markdown", is_flag=True, help="Print docs/api.md instead.")
def openapi(markdown: bool) -> None:
    """Print the description of the API."""
    import json

    from app.web.openapi.document import describe
    from app.web.openapi.page import page

    click.echo(page() if markdown else json.dumps(describe(), indent=1), nl=not markdown)


def _running_url(settings: Settings) -> str:
    from app.supervision.claim import running_at
    from app.supervision.readiness import base_url

    return running_at(settings.data_dir) or base_url(settings)


def _with_running_redis(settings: Settings) -> Settings:
    """REDIS_URL, or the embedded server that runs on this data folder."""
    from app.adapters.embedded import find

    if settings.redis_url is None and (found := find(settings.data_dir)):
        return settings.model_copy(update={"redis_url": found})
    if settings.redis_url is None:
        raise click.ClickException(f"Nothing runs on {settings.data_dir}: start ./run first, or set REDIS_URL.")
    return settings


def main() -> None:
    cli(prog_name="./run")
