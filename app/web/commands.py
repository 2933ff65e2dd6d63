"""What the operator commands: acts on many jobs, cleanup, pause and resume. Each leaves a line in the audit list."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from flask import Blueprint, Flask, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import Field, TypeAdapter

from app.adapters.audit_log import AuditEntry
from app.adapters.job_index import JobFilter
from app.domain.job import Job
from app.errors import RequestRefused, ValidationFailed
from app.ingestion.bulk import Act, Outcome, Slice, act_on_filter, act_on_ids
from app.ingestion.cleanup import DAY_MS, cleanup
from app.services import Services
from app.web import command_schemas as schemas
from app.web.audit import target_words
from app.web.auth import admin_required, caller
from app.web.context import services
from app.web.documents import iso
from app.web.json_body import read_json_object
from app.web.validation import read

blueprint = Blueprint("commands", __name__)

Command = schemas.AnyCommand
COMMAND: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="action")])


@blueprint.post("/api/admin/queue")
@admin_required
def command_queue() -> ResponseReturnValue:
    command, at = read(COMMAND, read_json_object(request.environ), tag="action"), services()
    if command.dry_run:
        return jsonify(_document(command, obey(command, at, before=_before(command, at, None))))
    if at.settings.admin_read_only:
        raise RequestRefused("read_only")
    line = _line_of(command, at)
    before = _before(command, at, line)
    if line is None:
        line = AuditEntry(secrets.token_hex(8), at.jobs.now(), before, caller(), command.action, target_words(command))
        at.audit.begin(line)
    outcome = obey(command, at, before=before)
    at.audit.add(line.operation, affected=outcome.affected, failed=outcome.failed)
    return jsonify(_document(command, outcome, before=before, operation=line.operation))


def _line_of(command: Command, at: Services) -> AuditEntry | None:
    """The line that a slice goes on with; None for a command that begins."""
    if isinstance(command, schemas.Hold):
        return None
    if command.operation is None:
        if command.cursor is not None:  # it would be a line of its own
            raise ValidationFailed("invalid_field", "A slice that goes on names its operation.", field="operation")
        return None
    line = at.audit.find(command.operation)
    if line is None or (line.action, line.target) != (command.action, target_words(command)):
        raise ValidationFailed("invalid_field", "There is no such operation of that command.", field="operation")
    return line


def _before(command: Command, at: Services, line: AuditEntry | None) -> int:
    """Up to when jobs had to be created to be meant: the first slice decides for all."""
    given = None if isinstance(command, schemas.Hold) else command.before
    return given if given is not None else line.before if line else at.jobs.now()


def obey(command: Command, at: Services, *, before: int) -> Outcome:
    if isinstance(command, schemas.Hold):
        return _hold(command, at)
    part = Slice(before, command.limit, command.cursor, command.dry_run, bounded=command.before is not None)
    if isinstance(command, schemas.Cleanup):
        return cleanup(at, days_old=command.days_old, part=part)
    act = Act(command.action, command.new_priority if isinstance(command, schemas.Reprioritize) else None)
    if command.filter is not None:
        return act_on_filter(at, act, _wanted(command.filter, before), part)
    return act_on_ids(at, act, command.job_ids or [], part)


def _wanted(given: schemas.Filter, now: int) -> JobFilter:
    before = None if given.older_than_days is None else now - given.older_than_days * DAY_MS
    return JobFilter(given.status, given.user_id, given.priority, given.code, given.q, before, given.without_code)


def _hold(command: schemas.Hold, at: Services) -> Outcome:
    """Counted are the jobs that wait there now."""
    if not command.dry_run:
        (at.jobs.pause if command.action == "pause" else at.jobs.resume)(command.priority)
    return Outcome(affected=at.line.depths()[command.priority])


def _shown(job: Job) -> dict[str, str]:
    return {"jobId": job.id, "name": job.file.name, "status": job.status.value}


def _document(
    command: Command, outcome: Outcome, *, before: int | None = None, operation: str | None = None
) -> dict[str, Any]:
    return {
        "success": True,
        "action": command.action,
        "dryRun": command.dry_run,
        "affected": outcome.affected,
        "failed": outcome.failed,
        "jobIds": outcome.job_ids,
        "sample": [_shown(job) for job in outcome.sample] if command.dry_run else [],
        "more": outcome.next_cursor is not None,
        "nextCursor": outcome.next_cursor,
        "operation": operation,
        "before": iso(before),
    }


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
