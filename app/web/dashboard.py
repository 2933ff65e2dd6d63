"""rq-dashboard at /admin/rq/, behind the admin's login and for reading only: it has no login of its own, changes things
by GET, and opens a connection pool for each request. What it shows of a job are ids and codes, nothing a user wrote."""

from __future__ import annotations

import functools
import re
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

import rq_dashboard.web as dashboard
from flask import Flask, Response, current_app, g, jsonify, redirect, request
from flask.typing import ResponseReturnValue
from rq import Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app.adapters.job_queues import Delivery, DeliveryQueue
from app.adapters.redis_client import translated
from app.domain.ids import is_job_id
from app.domain.job import Priority
from app.errors import RequestRefused
from app.web.auth import to_login
from app.web.context import services

PREFIX = "/admin/rq"
NAME = "rq_dashboard"
#: Its views that only read; all others answer as if they were not there.
READING = ("queues_overview", "workers_overview", "jobs_overview", "list_queues", "list_jobs")
#: Read too, by views of ours.
OURS = ("list_workers", "job_info", "job_view")
FILES = ("favicon", "static")
REGISTRIES = ("queued", "failed", "deferred", "started", "finished", "scheduled", "canceled")
_NAME_FORM = re.compile(r"[A-Za-z0-9_.-]{1,100}")

#: Its pages are made of inline scripts and of templates that are compiled in the browser.
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: Buttons for what is refused here anyway.
_STYLE = (
    "<style>#requeue-job-btn, #requeue-all-btn, #compact-btn, #empty-btn, [data-role=requeue-job-btn], #rq-instances-row"
    " { display: none !important }</style></head>"
)


def register(app: Flask) -> None:
    dashboard.config.serializer = JSONSerializer  # type: ignore[assignment]
    dashboard.serialize_job = _job
    app.config.update(RQ_DASHBOARD_REDIS_URL=("this service",), RQ_DASHBOARD_DISABLE_DELETE=True)
    app.register_blueprint(dashboard.blueprint, url_prefix=PREFIX)
    app.before_request_funcs[NAME] = []  # its own one would connect anew for each request
    for name in READING:
        app.view_functions[f"{NAME}.{name}"] = _reading(app.view_functions[f"{NAME}.{name}"])
    app.view_functions[f"{NAME}.list_workers"] = _reading(_list_workers)
    app.view_functions[f"{NAME}.job_info"] = _reading(_job_info)
    app.view_functions[f"{NAME}.job_view"] = _reading(_job_view)
    app.before_request(_guard)
    app.after_request(_with_nonce)


def _guard() -> ResponseReturnValue | None:
    """By the address as well as by the blueprint: a method that does not fit has no blueprint yet."""
    if request.blueprint != NAME and not (request.path + "/").startswith(f"{PREFIX}/"):
        return None
    login = to_login()
    if login is not None:
        return login
    failed = request.routing_exception
    if isinstance(failed, RequestRedirect):
        return None
    if isinstance(failed, HTTPException) or request.method not in ("GET", "HEAD") or not _is_readable():
        raise RequestRefused("not_found")
    g.dashboard_nonce = secrets.token_urlsafe(16)
    g.content_security_policy = _POLICY.format(nonce=g.dashboard_nonce)
    current_app.redis_conn = services().redis  # type: ignore[attr-defined]  # what its views read
    return None


def _is_readable() -> bool:
    name = (request.endpoint or "").removeprefix(f"{NAME}.")
    if name in FILES:
        return True
    arguments = request.view_args or {}
    if name == "jobs_overview" and arguments.get("queue_name") is None:
        arguments["queue_name"] = Priority.MEDIUM.value
    return name in (*READING, *OURS) and all(_is_sane(*item) for item in arguments.items())


def _is_sane(name: str, value: object) -> bool:
    """Its views answer 500 to a registry, a page or an order that does not exist."""
    if name == "instance_number":
        return value == 0
    if name == "registry_name":
        return value in REGISTRIES
    if name == "order":
        return value in ("asc", "dsc")
    if name in ("page", "per_page"):
        text = str(value)
        return text.isascii() and text.isdigit() and 1 <= int(text[:7]) <= (200 if name == "per_page" else 1_000_000)
    return isinstance(value, str) and _NAME_FORM.fullmatch(value) is not None


def _reading(view: Callable[..., Any]) -> Callable[..., Any]:
    """Its view with our errors: no such job is a 404, and no Redis a 503."""

    @functools.wraps(view)
    def read(*args: Any, **kwargs: Any) -> Any:
        try:
            with translated():
                return view(*args, **kwargs)
        except NoSuchJobError as error:
            raise RequestRefused("not_found") from error

    return read


def _job(job: RqJob) -> dict[str, Any]:
    """Its own looks for the reason in RQ's results, which a delivery never has."""
    return {
        "id": job.id,
        "created_at": _date(job.created_at),
        "started_at": _date(job.started_at),
        "ended_at": _date(job.ended_at),
        "exc_info": job._exc_info,
        "description": job.description,
    }


def _job_info(instance_number: int, job_id: str) -> ResponseReturnValue:
    job = Delivery.fetch(job_id, connection=services().redis, serializer=JSONSerializer)
    more = {"enqueued_at": _date(job.enqueued_at), "origin": job.origin, "status": job.get_status(refresh=False)}
    return jsonify({**_job(job), **more, "result": None, "metadata": "{}"})


def _date(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _job_view(instance_number: int, job_id: str) -> ResponseReturnValue:
    """A delivery is gone once it was taken: then the page of our own job is shown."""
    if Delivery.exists(job_id, connection=services().redis):
        return cast(ResponseReturnValue, dashboard.job_view(instance_number, job_id))  # type: ignore[no-untyped-call]
    own_id = job_id.partition("-")[0]
    if not is_job_id(own_id):
        raise RequestRefused("not_found")
    return redirect(f"/admin/jobs/{own_id}", 303)


def _list_workers(instance_number: int) -> ResponseReturnValue:
    """Its own view fails whenever a worker is busy; and what a worker has in hand our own registry knows."""
    workers = Worker.all(
        connection=services().redis, job_class=Delivery, queue_class=DeliveryQueue, serializer=JSONSerializer
    )
    in_hand = {worker.name: worker.job_id for worker in services().workers.alive()}
    rows = [_worker(worker, in_hand.get(worker.name)) for worker in workers]
    return jsonify(workers=sorted(rows, key=lambda row: (row["state"], row["name"])))


def _worker(worker: Any, job_id: str | None) -> dict[str, Any]:
    heartbeat = _date(worker.last_heartbeat)
    job = {"job_id": job_id, "description": "ingest", "created_at": heartbeat, "call_string": job_id}
    return {
        "name": worker.name,
        "pid": worker.pid,
        "queues": [queue.name for queue in worker.queues],
        "state": "busy" if job_id else str(worker.get_state() or ""),
        "current_job": job if job_id else "idle",
        "last_heartbeat": heartbeat,
        "birth_date": _date(worker.birth_date),
        "successful_job_count": worker.successful_job_count,
        "failed_job_count": worker.failed_job_count,
        "total_working_time": worker.total_working_time,
        "version": worker.version or "",
        "python_version": worker.python_version or "",
    }


def _with_nonce(response: Response) -> Response:
    nonce = g.get("dashboard_nonce")
    if nonce and response.mimetype == "text/html" and response.status_code == 200 and not response.direct_passthrough:
        page = response.get_data(as_text=True)
        page = page.replace("favicon.ico", "favicon.svg").replace("</head>", _STYLE, 1)
        response.set_data(page.replace("<script", f'<script nonce="{nonce}"'))
    return response
