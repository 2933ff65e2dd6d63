"""The operator's address for commands on the queue."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Flask, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import Field, TypeAdapter

from app.adapters.job_index import JobFilter
from app.errors import RequestRefused
from app.ingestion.bulk import Outcome, act_on_filter, act_on_ids
from app.ingestion.cleanup import DAY_MS, cleanup
from app.services import Services
from app.web import operator_schemas as schemas
from app.web.auth import admin_required
from app.web.bodies import read_json_object
from app.web.context import services
from app.web.validation import read

blueprint = Blueprint("admin", __name__)

Command = schemas.Cleanup | schemas.Bulk | schemas.Hold
COMMAND: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="action")])


@blueprint.post("/api/admin/queue")
@admin_required
def command_queue() -> ResponseReturnValue:
    command = read(COMMAND, read_json_object(request.environ), tag="action")
    if services().settings.admin_read_only and not command.dry_run:
        raise RequestRefused("read_only")
    outcome = obey(command, services())
    document = {
        "success": True,
        "action": command.action,
        "dryRun": command.dry_run,
        "affected": outcome.affected,
        "jobIds": outcome.job_ids,
        "more": outcome.more,
    }
    return jsonify(document)


def obey(command: Command, at: Services) -> Outcome:
    if isinstance(command, schemas.Cleanup):
        return cleanup(at, days_old=command.days_old, dry_run=command.dry_run)
    if isinstance(command, schemas.Hold):
        return _hold(command, at)
    if command.filter is not None:
        return act_on_filter(at, command.action, _wanted(command.filter, at.jobs.now()), dry_run=command.dry_run)
    return act_on_ids(at, command.action, command.job_ids or [], dry_run=command.dry_run)


def _wanted(given: schemas.Filter, now: int) -> JobFilter:
    before = None if given.older_than_days is None else now - given.older_than_days * DAY_MS
    return JobFilter(given.status, given.user_id, given.priority, given.code, before=before)


def _hold(command: schemas.Hold, at: Services) -> Outcome:
    """Counted are the jobs that wait there now."""
    if not command.dry_run:
        (at.jobs.pause if command.action == "pause" else at.jobs.resume)(command.priority)
    return Outcome(affected=at.line.depths()[command.priority])


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
