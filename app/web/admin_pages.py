"""The operator's pages: the queue at a glance, and one job with all that happened to it. What they show they ask of the API."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from app.web.auth import admin_page
from app.web.context import find_job, services

blueprint = Blueprint("admin_pages", __name__)


@blueprint.get("/admin")
@admin_page
def operator_page() -> ResponseReturnValue:
    return render_template("operator.html", now=services().jobs.now())


@blueprint.get("/admin/jobs/<job_id>")
@admin_page
def operator_job_page(job_id: str) -> ResponseReturnValue:
    find_job(job_id)
    at = services()
    return render_template("operator_job.html", job_id=job_id, now=at.jobs.now(), read_only=at.settings.admin_read_only)
