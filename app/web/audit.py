"""The list of what was done by hand, and the words in which it stands there."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, jsonify, request
from flask.typing import ResponseReturnValue

from app.adapters.audit_log import AuditEntry
from app.web import command_schemas as schemas
from app.web.auth import admin_required
from app.web.context import services
from app.web.documents import iso
from app.web.validation import query

blueprint = Blueprint("audit", __name__)


@blueprint.get("/api/admin/audit")
@admin_required
def show_audit() -> ResponseReturnValue:
    asked = query(schemas.AuditQuery, request.args)
    entries, next_cursor = services().audit.page(limit=asked.limit, cursor=asked.cursor)
    return jsonify({"success": True, "entries": [_shown(entry) for entry in entries], "nextCursor": next_cursor})


def _shown(entry: AuditEntry) -> dict[str, Any]:
    told = ("who", "action", "target", "affected", "failed", "operation")
    return {"at": iso(entry.at), **{name: getattr(entry, name) for name in told}}


def target_words(command: schemas.AnyCommand) -> str:
    """Which jobs a command means."""
    if isinstance(command, schemas.Hold):
        return f"priority {command.priority.value}"
    if isinstance(command, schemas.Cleanup):
        return f"ended more than {_days(command.days_old)} ago"
    words = _filter_words(command.filter) if command.filter else _ids_words(command.job_ids or [])
    return f"{words}, now {command.new_priority.value}" if isinstance(command, schemas.Reprioritize) else words


def _ids_words(job_ids: list[str]) -> str:
    return job_ids[0] if len(job_ids) == 1 else f"{len(job_ids)} chosen jobs"


def _filter_words(given: schemas.Filter) -> str:
    told = {
        "status": given.status.value if given.status else None,
        "code": given.code,
        "without": given.without_code,
        "priority": given.priority.value if given.priority else None,
        "user": given.user_id,
        "name with": given.q,
        "older than": _days(given.older_than_days) if given.older_than_days else None,
    }
    return ", ".join(f"{name} {value}" for name, value in told.items() if value)


def _days(number: int) -> str:
    return f"{number} {'day' if number == 1 else 'days'}"


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
